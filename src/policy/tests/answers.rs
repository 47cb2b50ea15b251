//! The changes of an allow to a request, and the responses to denied callers.

use serde_json::{Value, json};

use super::fixtures::*;
use crate::authn::Subject;
use crate::limits::MAX_INJECTED_VALUE_BYTES;
use crate::policy::{Answer, Decision, Obligations, PolicySet};
use crate::request::{RequestView, TokenPlace};

const ID: &str = "00000000000000000000000000000000";

fn answer_to(set: &PolicySet, subject: &Subject, request: &RequestView) -> Answer {
    match decide(set, subject, request) {
        Decision::Allow(permit) => panic!("allowed by {}", permit.rule()),
        Decision::Deny(denial) => denial.answer(request, ID),
    }
}

fn obligations(set: &PolicySet, claims: Value) -> Obligations {
    allowed(set, &caller(None, Some(claims)), &get("/")).obligations().clone()
}

#[test]
fn templates_go_to_headers_queries_metadata_and_assertions() {
    let set = rules(&["{ name: r, effect: allow, token: { issuer: corp }, inject: { \
        responseHeaders: { X-Tenant: '{token.claims./tenant}' }, \
        query: { tenant: '{token.claims./tenant|base64url}', id: '{token.claims./level}.{token.claims./tenant|hex}', raw: '{token.claims./tenant|percent}' }, \
        metadata: { sub: '{token.sub}', level: '{token.claims./level}', roles: '{token.claims./roles}', text: 'l={token.claims./level}' }, \
        assertion: { header: X-Assertion, audience: orders, lifetime: 30s, claims: { realm: '{token.claims./realm}', n: '{token.claims./level}', none: '{token.claims./none}' } } } }"]);
    let claims = json!({
        "sub": "ren\u{e9}e", "tenant": "a&b=c d", "level": 3, "roles": ["x", "y"], "realm": {"a": [1]},
    });
    let own = obligations(&set, claims);
    let header =
        |header: &crate::policy::HeaderMutation| format!("{}={}", header.name, header.value);
    let response: Vec<_> = own.response_headers.iter().map(header).collect();
    assert_eq!(response, ["x-tenant=a&b=c d"]);
    let query: Vec<_> = own.query.iter().map(|q| format!("{}={}", q.name, q.value)).collect();
    assert_eq!(query, ["tenant=YSZiPWMgZA", "id=3.6126623d632064", "raw=a%26b%3Dc%20d"]);
    let expected = json!({"sub": "ren\u{e9}e", "level": 3, "roles": ["x", "y"], "text": "l=3"});
    assert_eq!(Value::Object(own.metadata), expected);
    let assertion = own.assertion.unwrap();
    assert_eq!((&*assertion.header, &*assertion.audience), ("x-assertion", "orders"));
    assert_eq!(assertion.lifetime.as_secs(), 30);
    assert_eq!(Value::Object(assertion.claims), json!({"realm": {"a": [1]}, "n": 3}));
}

/// P12: what could end a header, forge a line of a log or grow without bound denies, wherever it would go.
#[test]
fn an_unsafe_value_denies_wherever_it_goes() {
    let long = "a".repeat(MAX_INJECTED_VALUE_BYTES + 1);
    for place in ["responseHeaders", "query", "metadata"] {
        let rule = format!(
            "{{ name: r, effect: allow, token: {{ issuer: corp }}, inject: {{ {place}: {{ x: '{{token.claims./v}}' }} }} }}"
        );
        let set = rules(&[&rule]);
        for value in
            [json!("a\r\nb: c"), json!("a\nb"), json!("a\u{0}"), json!("a\u{2028}b"), json!(long)]
        {
            let subject = caller(None, Some(json!({ "v": value })));
            assert_eq!(outcome(&set, &subject, &get("/")), "deny eval_error r", "{place} {value}");
        }
        for value in [json!("acme"), json!(["a"]), json!(7), json!(null)] {
            let subject = caller(None, Some(json!({ "v": value })));
            assert_eq!(outcome(&set, &subject, &get("/")), "allow r", "{place} {value}");
        }
    }
    let set = rules(&[
        "{ name: r, effect: allow, token: { issuer: corp }, inject: { metadata: { x: '{token.claims./v}' } } }",
    ]);
    for value in [json!({"a": "b\nc"}), json!({"a\nb": 1}), json!([["\u{1b}[2J"]])] {
        let subject = caller(None, Some(json!({ "v": value })));
        assert_eq!(outcome(&set, &subject, &get("/")), "deny eval_error r", "{value}");
    }
}

/// P465: a value of any kind has a form that a header carries, by choice; without one it denies, and the denial says what to write.
#[test]
fn a_header_carries_any_value_in_a_form_by_choice() {
    let set = |form: &str| {
        rules(&[&format!(
            "{{ name: r, effect: allow, token: {{ issuer: corp }}, inject: {{ headers: {{ x: '{{token.claims./v{form}}}' }} }} }}"
        )])
    };
    let mapping = json!({"z": 1, "a": ["Zo\u{eb}\r\n\u{0}\u{7f}", true, null, {"b": 1.5}]});
    let text = r#"{"a":["Zo\u00eb\r\n\u0000\u007f",true,null,{"b":1.5}],"z":1}"#;
    let percent = "%7B%22a%22%3A%5B%22%5Cud83d%5Cude00%22%5D%7D";
    for (value, form, sent) in [
        (json!("Zo\u{eb}"), "|percent", "Zo%C3%AB"),
        (json!("Zo\u{eb}"), "|base64url", "Wm_Dqw"),
        (json!("Zo\u{eb}"), "|rfc8187", "UTF-8''Zo%C3%AB"),
        (json!("Zo\u{eb}"), "|json", r#""Zo\u00eb""#),
        (json!("a\r\nb: c"), "|percent", "a%0D%0Ab%3A%20c"),
        (json!(["a,b", ""]), "|json", r#"["a,b",""]"#),
        (json!([]), "|json", ""),
        (json!(""), "|json", ""),
        (json!({}), "|json", "{}"),
        (json!(true), "|json", "true"),
        (json!(7), "|json|hex", "37"),
        (json!({"a": ["\u{1f600}"]}), "|json|percent", percent),
        (mapping, "|json", text),
    ] {
        let own = obligations(&set(form), json!({ "v": value }));
        let found: Vec<_> = own.headers.iter().map(|own| own.value.as_str()).collect();
        let expected: &[&str] = if sent.is_empty() { &[] } else { &[sent] };
        assert_eq!(found, expected, "{value} {form}");
    }
    let denied = |form: &str, value: &Value| {
        let subject = caller(None, Some(json!({ "v": value })));
        match decide(&set(form), &subject, &get("/")) {
            Decision::Allow(_) => panic!("{value} {form} is allowed"),
            Decision::Deny(denial) => denial.rejection.to_string(),
        }
    };
    for (value, form, says) in [
        (json!("Zo\u{eb}"), "", "write `{token.claims./v|percent}`"),
        (json!("a\r\nb"), "", "write `{token.claims./v|percent}`"),
        (json!(" a"), "", "write `{token.claims./v|percent}`"),
        (json!({"a": 1}), "", "write `{token.claims./v|json}`"),
        (json!({"a": 1}), "|percent", "write `{token.claims./v|json}`"),
        (json!(["a,b"]), "", "write `{token.claims./v|json}`"),
        (json!([1e300]), "|json", "a number with more digits than are known"),
        (
            json!("\u{eb}".repeat(MAX_INJECTED_VALUE_BYTES / 2)),
            "|percent",
            "longer than 8192 bytes",
        ),
    ] {
        let found = denied(form, &value);
        assert!(found.contains(says) && !found.contains("Zo"), "{value} {form}: {found}");
    }
}

/// P135: a parameter is set to nothing that Envoy answers 500 to: encoded, or denied.
#[test]
fn a_parameter_is_set_to_what_envoy_takes() {
    let rule = |template: &str| {
        format!(
            "{{ name: r, effect: allow, token: {{ issuer: corp }}, inject: {{ query: {{ x: '{template}' }} }} }}"
        )
    };
    for (value, plain) in [
        (json!("a-b_c.d*E9"), true),
        (json!("a b"), false),
        (json!("a%20b"), false),
        (json!("a~b"), false),
        (json!("a,b"), false),
        (json!(["a", "b"]), false),
    ] {
        let subject = caller(None, Some(json!({ "v": value })));
        for (template, passes) in [
            ("{token.claims./v}", plain),
            ("id.{token.claims./v|hex}", true),
            ("{token.claims./v|base64url}", true),
            ("{token.claims./v|percent}", true),
        ] {
            let outcome = outcome(&rules(&[&rule(template)]), &subject, &get("/"));
            let expected = if passes { "allow r" } else { "deny eval_error r" };
            assert_eq!(outcome, expected, "{template} {value}");
        }
    }
}

/// P13, invariant 4: the caller's copies of a query parameter that any rule can set go, in every spelling; and where one
/// cannot be taken out, nothing is allowed.
#[test]
fn the_callers_copies_of_query_parameters_are_removed() {
    let set = rules(&[
        "{ name: a, effect: allow, on: { paths: [/a] }, token: { issuer: corp }, inject: { query: { tenant: '{token.claims./tenant}' } } }",
        "{ name: b, effect: allow, on: { paths: [/b] }, public: true, remove: { query: [debug] } }",
        "{ name: c, effect: allow, on: { paths: [/c] }, public: true }",
    ]);
    for (path, removed) in [
        ("/a", &[][..]),
        ("/a?x=1", &[]),
        ("/a?tenant=root&%74enant=root&TENANT=root", &["%74enant", "TENANT"]),
        ("/b?tenant=root&debug=1&x=2", &["tenant", "debug"]),
        ("/c?tenant[]=root&debug=1", &["tenant[]"]),
        ("/c?a=1;b=2", &[]),
    ] {
        assert_eq!(allowed(&set, &alice(), &get(path)).strip_query(), removed, "{path}");
    }
    for path in ["/a?x=1;tenant=root", "/c?x=1;tenant=root", "/b?x=1;debug"] {
        assert!(outcome(&set, &alice(), &get(path)).starts_with("deny eval_error"), "{path}");
    }
    // A parameter without a value is not set, and the caller's copy goes all the same.
    let anonymous = caller(None, Some(json!({})));
    assert_eq!(allowed(&set, &anonymous, &get("/a?tenant=root")).strip_query(), ["tenant"]);
}

#[test]
fn an_allow_removes_the_token_and_what_it_lists() {
    let set = rules(&[
        "{ name: r, effect: allow, on: { paths: [/a] }, token: { issuer: corp }, remove: { token: true, headers: [X-Debug, cookie] }, inject: { headers: { x-sub: '{token.sub}' } } }",
        "{ name: s, effect: allow, on: { paths: [/b] }, public: true }",
    ]);
    let request = shown_whole(with_header(get("/a"), "x_debug", b"1"));
    let permit = allowed(&set, &alice(), &request);
    assert_eq!(permit.strip(), ["cookie", "x-debug", "x_debug"]);
    assert_eq!(permit.obligations().tokens, [TokenPlace::Authorization]);
    let permit = allowed(&set, &alice(), &shown_whole(get("/b")));
    assert_eq!((permit.strip(), &*permit.obligations().tokens), (&[][..], &[][..]));
}

/// Every header that an assertion can be in is removed like any other that a rule can set.
#[test]
fn a_forged_assertion_is_removed() {
    let set = rules(&[
        "{ name: r, effect: allow, on: { paths: [/a] }, token: { issuer: corp }, inject: { assertion: { header: x-assertion, audience: a } } }",
        "{ name: s, effect: allow, on: { paths: [/b] }, public: true }",
    ]);
    let request = shown_whole(with_header(get("/b"), "x_assertion", b"ey"));
    assert_eq!(allowed(&set, &alice(), &request).strip(), ["x_assertion"]);
    assert!(set.asserts());
}

fn closed() -> PolicySet {
    compile(&[
        policy("orders", "target: { hosts: [orders.example.com] }\ndeny: { status: 404, body: { text: No such thing., json: { code: 7 } }, headers: { x-team: orders } }\nrules:\n  - { name: web, effect: allow, on: { paths: [/a] }, peer: { any: true } }\n  - { name: gone, effect: deny, on: { paths: [/gone] }, deny: { status: 410 } }\n  - { name: plain, effect: allow, on: { paths: [/scoped] }, token: { issuer: corp, scopes: [x] }, deny: { body: { text: Ask for x. } } }"),
        policy("portal", "target: { hosts: ['*.example.net'] }\ndeny: { redirect: { to: https://login.example.com/ }, status: 403 }\nrules:\n  - { name: users, effect: allow, token: { issuer: corp } }\n  - { name: closed, effect: deny, on: { paths: [/closed] }, deny: { redirect: { to: /maintenance, status: 307, for: every } } }"),
    ].concat())
}

fn browser(request: RequestView) -> RequestView {
    with_header(request, "accept", b"text/html,application/xhtml+xml,*/*;q=0.8")
}

#[test]
fn documents_choose_the_words_of_a_denial() {
    let set = closed();
    let host = |path| request("GET", "orders.example.com", path);
    // By the policy: a rule came closest, or none did.
    for path in ["/a", "/nowhere"] {
        let answer = answer_to(&set, &anonymous(), &host(path));
        assert_eq!((answer.status, answer.header("x-team")), (404, Some("orders")), "{path}");
        assert_eq!(answer.header("www-authenticate"), None);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let expected = json!({"error": "not_found", "message": "No such thing.", "code": 7, "decision_id": ID});
        assert_eq!(body, expected, "{path}");
    }
    // By the rule, in place of its policy's.
    let answer = answer_to(&set, &anonymous(), &host("/gone"));
    assert_eq!((answer.status, answer.header("x-team")), (410, None));
    let answer = answer_to(&set, &alice(), &host("/scoped"));
    assert_eq!(answer.status, 403);
    assert!(answer.header("www-authenticate").unwrap().contains("scope=\"x\""));
    assert!(answer.body.contains("\"error\":\"insufficient_scope\""), "{}", answer.body);
    // RFC 9457 and gRPC.
    let problem = with_header(host("/a"), "accept", b"application/problem+json");
    let body: Value = serde_json::from_str(&answer_to(&set, &anonymous(), &problem).body).unwrap();
    assert_eq!((&body["status"], &body["detail"]), (&json!(404), &json!("No such thing.")));
    let grpc = with_header(host("/a"), "content-type", b"application/grpc");
    let answer = answer_to(&set, &anonymous(), &grpc);
    assert_eq!(answer.header("grpc-status"), Some("5"));
    assert_eq!(answer.header("grpc-message"), Some(&*format!("No such thing. (decision {ID})")));
}

/// A redirect is for browsers that show a page, goes where the document says, and for want of a login only.
#[test]
fn browsers_are_sent_where_the_document_says() {
    let set = closed();
    let host = |path| request("GET", "portal.example.net", path);
    let answer = answer_to(&set, &anonymous(), &browser(host("/x?next=https://evil.example")));
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("https://login.example.com/"))
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    for request in [
        host("/x"),
        with_header(host("/x"), "accept", b"*/*"),
        with_header(host("/x"), "accept", b"text/html;q=0"),
        with_header(browser(host("/x")), "sec-fetch-mode", b"cors"),
        browser(request("POST", "portal.example.net", "/x")),
    ] {
        let answer = answer_to(&set, &anonymous(), &request);
        assert_eq!((answer.status, answer.header("location")), (403, None), "{request:?}");
    }
    // A user who may not would come back from the login page at once.
    let by_rule = answer_to(&set, &alice(), &browser(host("/closed")));
    assert_eq!((by_rule.status, by_rule.header("location")), (307, Some("/maintenance")));
    let api = answer_to(&set, &alice(), &host("/closed"));
    assert_eq!((api.status, api.header("location")), (403, None));
}

/// Our own failures stay 503 whatever documents say: callers have to be able to tell that trying again helps.
#[test]
fn a_document_cannot_disguise_our_own_failures() {
    use crate::reason::Reason;
    let set = closed();
    let Decision::Deny(denial) = decide(&set, &anonymous(), &get("/a")) else { panic!() };
    for reason in Reason::ALL {
        let denial =
            crate::policy::Denial { rejection: reason.because("canary"), ..denial.clone() };
        let answer = denial.answer(&get("/a"), ID);
        let own = reason.client_answer().status();
        assert_eq!(answer.status, if own >= 429 { own } else { 404 }, "{reason}");
        assert!(!format!("{answer:?}").contains("canary"));
    }
}

/// The reader of an upstream's log finds the decision; the caller finds the id to ask about, in every form of a denial.
#[test]
fn the_id_of_a_decision_goes_where_a_document_puts_it() {
    let set = rules(&[
        "{ name: r, effect: allow, on: { paths: [/a] }, token: { issuer: corp }, inject: { headers: { x-decision: 'id={decision.id}' }, responseHeaders: { x-id: '{decision.id}' }, query: { id: '{decision.id}' }, metadata: { id: '{decision.id}', by: '{decision.policy}/{decision.rule}' } } }",
        "{ name: d, effect: deny, on: { paths: [/d] }, deny: { status: 404, body: { text: 'Ask for {decision.id}.', json: { deep: [{ id: '{decision.id}' }], word: '{decision.word}' } }, headers: { x-help: '/help/{decision.id}' } } }",
        "{ name: e, effect: deny, on: { paths: [/e] }, deny: { redirect: { to: '/login?why={decision.word}&ref={decision.id}', for: every } } }",
    ]);
    let own = allowed(&set, &alice(), &get("/a")).obligations().clone();
    assert_eq!(
        (&*own.headers[0].value, &*own.response_headers[0].value),
        (&*format!("id={ID}"), ID)
    );
    assert_eq!(own.query[0].value, ID);
    assert_eq!(Value::Object(own.metadata), json!({ "id": ID, "by": "orders/r" }));

    let answer = answer_to(&set, &alice(), &get("/d"));
    assert_eq!(answer.header("x-help"), Some(format!("/help/{ID}").as_str()));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    // A status of the document's own hides what was decided, the word too.
    let expected = json!({ "error": "not_found", "decision_id": ID, "message": format!("Ask for {ID}."), "deep": [{ "id": ID }], "word": "not_found" });
    assert_eq!(body, expected);
    let grpc = with_header(get("/d"), "content-type", b"application/grpc");
    let answer = answer_to(&set, &alice(), &grpc);
    assert_eq!(
        answer.header("grpc-message"),
        Some(format!("Ask for {ID}. (decision {ID})").as_str())
    );
    let browser = with_header(get("/e"), "accept", b"text/html");
    let place = format!("/login?why=forbidden&ref={ID}");
    assert_eq!(answer_to(&set, &alice(), &browser).header("location"), Some(place.as_str()));
}

/// P75: a denial quotes nothing but its id and its word; and what would be empty or wrong in an allow is refused, too.
#[test]
fn what_a_decision_does_not_tell_cannot_be_asked_for() {
    let refused = |rule: &str| {
        let text = format!("target: {{ hosts: [a.example] }}\nrules:\n  - {rule}");
        let (_, problems) = try_compile(&policy("p", &text));
        problems.iter().map(|problem| problem.code).collect::<Vec<_>>()
    };
    for answer in [
        "body: { text: '{decision.reason}' }",
        "body: { text: '{decision.rule}' }",
        "body: { json: { deep: [{ who: 'x {token.sub}' }] } }",
        "headers: { x-why: '{decision.policy}' }",
        "redirect: { to: 'https://login.example/?u={request.path.id}' }",
    ] {
        let rule = format!("{{ name: r, effect: deny, deny: {{ {answer} }} }}");
        assert_eq!(refused(&rule), ["invalid-template"], "{answer}");
    }
    for inject in [
        "headers: { x-why: '{decision.reason}' }",
        "assertion: { header: x-caller, audience: a, claims: { id: '{decision.id}' } }",
    ] {
        let rule = format!(
            "{{ name: r, effect: allow, token: {{ issuer: corp }}, inject: {{ {inject} }} }}"
        );
        assert_eq!(refused(&rule), ["invalid-template"], "{inject}");
    }
}
