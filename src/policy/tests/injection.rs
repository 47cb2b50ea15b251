//! Injected headers: values that cannot be trusted are not sent, and the caller's own copies never pass.

use serde_json::{Value, json};

use super::fixtures::*;
use crate::limits::MAX_INJECTED_VALUE_BYTES;
use crate::policy::{Decision, Permit};

fn permit(set: &crate::policy::PolicySet, claims: Value, path: &str) -> Option<Permit> {
    let subject = caller(Some("spiffe://prod.example/ns/web/sa/front"), Some(claims));
    match decide(set, &subject, &get(path)) {
        Decision::Allow(permit) => Some(permit),
        Decision::Deny(_) => None,
    }
}

fn values(permit: &Permit) -> Vec<(&str, &str)> {
    permit.headers().iter().map(|header| (&*header.name, header.value.as_str())).collect()
}

#[test]
fn templates_take_their_values_from_what_was_verified() {
    let set = rules(&[
        "{ name: r, effect: allow, on: { paths: ['/v1/{tenant}/{id}'] }, peer: { any: true }, token: { issuer: corp }, inject: { headers: { \
        X-Subject: '{token.sub}', x-client: 'c={token.client};', x-peer: '{peer.spiffe} {peer.dns} {peer.trustDomain}', x-roles: '{token.claims./realm/roles}', \
        x-level: '{token.claims./level}', x-path: '{request.path.tenant}/{request.path.id}', x-by: '{decision.policy}.{decision.rule}', \
        x-req: '{request.method} {request.host}', x-lit: '{{plain}}' } } }",
    ]);
    let claims =
        json!({"sub": "alice", "client_id": "cli", "realm": {"roles": ["a", "b"]}, "level": 3});
    let permit = permit(&set, claims, "/v1/acme/17").unwrap();
    assert_eq!(
        values(&permit),
        [
            ("x-subject", "alice"),
            ("x-client", "c=cli;"),
            ("x-peer", "spiffe://prod.example/ns/web/sa/front front.web.svc prod"),
            ("x-roles", "a,b"),
            ("x-level", "3"),
            ("x-path", "acme/17"),
            ("x-by", "orders.r"),
            ("x-req", "GET orders.example.com"),
            ("x-lit", "{plain}"),
        ]
    );
}

/// P12: a value that could end the header, or mean something else to another reader, denies. It is never emitted and
/// never cleaned.
#[test]
fn an_unsafe_value_is_a_denial() {
    let set = rules(&[
        "{ name: r, effect: allow, token: { issuer: corp }, inject: { headers: { x-tenant: 't={token.claims./tenant}' } } }",
    ]);
    for (tenant, expected) in [
        (json!("acme"), Some("t=acme")),
        (json!("a b"), Some("t=a b")),
        (json!(["a", "b"]), Some("t=a,b")),
        (json!("a\r\nx-admin: 1"), None),
        (json!("a\nb"), None),
        (json!("a\0b"), None),
        (json!("a\tb"), None),
        (json!("a\u{7f}"), None),
        (json!("caf\u{e9}"), None),
        (json!("a\u{2028}b"), None),
        (json!("acme "), None),
        (json!({"a": 1}), None),
        (json!(["a,b"]), None),
        (json!([["a"]]), None),
        (json!(["a", ""]), None),
        (json!("a".repeat(MAX_INJECTED_VALUE_BYTES)), None),
    ] {
        let permit = permit(&set, json!({ "tenant": tenant }), "/");
        let value = permit.as_ref().map(|permit| permit.headers()[0].value.as_str());
        assert_eq!(value, expected, "{tenant}");
    }
    let subject = caller(None, Some(json!({"tenant": "a\nb"})));
    assert_eq!(outcome(&set, &subject, &get("/")), "deny eval_error r");
}

/// P151: a number whose digits are not known any more is not sent, neither as `1e+20` nor as its neighbour, and compares with
/// nothing.
#[test]
fn a_number_that_was_rounded_is_not_sent() {
    let inject = "inject: { headers: { x-n: '{token.claims./n}' } }";
    let metadata = "inject: { metadata: { n: '{token.claims./n}' } }";
    let assertion =
        "inject: { assertion: { header: x-a, audience: u, claims: { n: '{token.claims./n}' } } }";
    for (number, expected) in [
        ("7", Some("7")),
        ("-0", Some("-0.0")),
        ("1.5", Some("1.5")),
        ("9007199254740993", Some("9007199254740993")),
        ("18446744073709551615", Some("18446744073709551615")),
        ("-9223372036854775808", Some("-9223372036854775808")),
        ("18446744073709551616", None),
        ("100000000000000000000", None),
        ("-9223372036854775809", None),
        ("9007199254740993.0", None),
        ("1e20", None),
        ("1e300", None),
        ("[1, 100000000000000000000]", None),
        (r#"{"deep": [100000000000000000000]}"#, None),
    ] {
        let claims = crate::json::parse(format!(r#"{{"n": {number}}}"#).as_bytes(), 8).unwrap();
        for what in [inject, metadata, assertion] {
            let set = rules(&[&format!(
                "{{ name: r, effect: allow, token: {{ issuer: corp }}, {what} }}"
            )]);
            let permit = permit(&set, claims.clone(), "/");
            assert_eq!(permit.is_some(), expected.is_some(), "{number} {what}");
            if let Some(permit) = permit.filter(|_| what == inject) {
                assert_eq!(permit.headers()[0].value, expected.unwrap(), "{number}");
            }
        }
        let big = "claims: [{ pointer: /n, in: [9007199254740992, 9007199254740993] }]";
        let set = rules(&[
            "{ name: a, effect: allow, token: { issuer: corp } }",
            &format!("{{ name: d, effect: deny, token: {{ issuer: corp, {big} }} }}"),
        ]);
        let is_known = expected.is_some_and(|text| !text.contains('.'));
        let decided = outcome(&set, &caller(None, Some(claims)), &get("/"));
        let denied = number == "9007199254740993";
        let wanted = match (is_known, denied) {
            (false, _) => "deny eval_error d",
            (true, true) => "deny rule_denied d",
            (true, false) => "allow a",
        };
        assert_eq!(decided, wanted, "{number}");
    }
}

#[test]
fn a_value_that_is_not_there_leaves_the_header_out_and_strips_it_all_the_same() {
    let set = rules(&[
        "{ name: r, effect: allow, token: { issuer: corp }, inject: { headers: { x-tenant: 't={token.claims./tenant}', x-sub: '{token.sub}' } } }",
    ]);
    for claims in [
        json!({"sub": "a"}),
        json!({"sub": "a", "tenant": ""}),
        json!({"sub": "a", "tenant": null}),
        json!({"sub": "a", "tenant": []}),
    ] {
        let permit = permit(&set, claims, "/").unwrap();
        assert_eq!(values(&permit), [("x-sub", "a")]);
        for name in ["x-sub", "x_sub", "x-tenant", "x_tenant"] {
            assert!(permit.strip().iter().any(|own| own == name), "{name}");
        }
    }
}

/// P9, P13, P131, invariant 4: whatever any rule can inject is removed on every allow, in every spelling that some upstream
/// reads as the same: all of them where not every header is shown, else those that were sent.
#[test]
fn the_callers_copies_of_injected_headers_are_removed() {
    let set = rules(&[
        "{ name: a, effect: allow, on: { paths: [/a] }, token: { issuer: corp }, inject: { headers: { X-User-Id: '{token.sub}' } } }",
        "{ name: b, effect: allow, on: { paths: [/b] }, public: true }",
        "{ name: c, effect: allow, mode: shadow, public: true, inject: { headers: { x-shadow: '1' } } }",
    ]);
    let request = [
        ("X-USER-ID", "root"),
        ("x_user_id", "root"),
        ("X-User_Id", "root"),
        ("x.user.id", "root"),
        ("x_other_id", "1"),
        ("xuserid", "1"),
    ]
    .iter()
    .fold(get("/b"), |request, (name, value)| with_header(request, name, value.as_bytes()));
    let Decision::Allow(permit) = decide(&set, &anonymous(), &shown_whole(request.clone())) else {
        panic!()
    };
    assert_eq!(permit.strip(), ["x-user-id", "x-user_id", "x.user.id", "x_user_id"]);
    assert!(permit.headers().is_empty());
    let Decision::Allow(permit) = decide(&set, &anonymous(), &request) else { panic!() };
    let mixtures = ["x-shadow", "x_shadow", "x-user-id", "x_user-id", "x-user_id", "x_user_id"];
    for name in mixtures.into_iter().chain(["x.user.id"]) {
        assert!(permit.strip().iter().any(|own| own == name), "{name}");
    }
    let Decision::Allow(permit) = decide(&set, &alice(), &get("/a")) else { panic!() };
    assert!(
        permit.headers().iter().all(|header| permit.strip().contains(&header.name.to_string()))
    );
}

/// P131: where not every header is shown, other spellings of those that rules read do not go upstream: no rule can be about
/// them.
#[test]
fn unseen_spellings_of_what_rules_read_are_removed() {
    let set = rules(&[
        "{ name: a, effect: deny, headers: [{ name: x-debug, any: { equals: '1' } }] }",
        "{ name: b, effect: deny, when: '\"x-stage\" in request.headers && request.headers[\"x-stage\"] == \"1\"' }",
        "{ name: c, effect: allow, public: true }",
    ]);
    let permit = allowed(&set, &anonymous(), &get("/"));
    let has = |name: &str| permit.strip().iter().any(|own| own == name);
    assert!(has("x_debug") && has("x_stage") && !has("x-debug") && !has("x-stage"));
    assert!(allowed(&set, &anonymous(), &shown_whole(get("/"))).strip().is_empty());
}

/// P133: what overrides the request line is removed on every allow, in every spelling; what a target keeps, it keeps as it is
/// spelled, and in its own rules alone.
#[test]
fn overrides_are_removed_unless_a_target_keeps_them() {
    let kept = policy(
        "kept",
        "target: { hosts: [kept.example.com], keep: { headers: [X-Forwarded-Host], query: [_method] } }\nrules:\n  - { name: r, effect: allow, public: true }",
    );
    let plain = policy(
        "plain",
        "target: { hosts: [orders.example.com] }\nrules:\n  - { name: r, effect: allow, public: true }",
    );
    let set = compile(&[kept, plain].concat());
    let sent = ["x-forwarded-host", "x_forwarded_host", "x-original-url", "x.host", "accept"];
    for (host, removed, parameters) in [
        (
            "orders.example.com",
            &["x-forwarded-host", "x-original-url", "x.host", "x_forwarded_host"][..],
            &["_method"][..],
        ),
        ("kept.example.com", &["x-original-url", "x.host", "x_forwarded_host"], &[]),
    ] {
        let request = sent.iter().fold(request("GET", host, "/a?_method=PUT"), |request, name| {
            with_header(request, name, b"1")
        });
        let permit = allowed(&set, &anonymous(), &shown_whole(request.clone()));
        assert_eq!(
            (permit.strip(), permit.strip_query()),
            (
                &removed.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                &parameters.iter().map(ToString::to_string).collect::<Vec<_>>()[..]
            )
        );
        let permit = allowed(&set, &anonymous(), &request);
        let has = |name: &str| permit.strip().iter().any(|own| own == name);
        assert!(removed.iter().all(|name| has(name)), "{host}");
        assert!(has("x_http_method-override") && has("forwarded") && has("x_forwarded_for"));
        assert!(!has("x-forwarded-for") && !has("accept"));
        assert_eq!(has("x-forwarded-host"), host == "orders.example.com");
    }
}

/// An unsafe value keeps one rule from allowing, not the others: removing a rule must never turn a deny into an allow.
#[test]
fn another_rule_may_still_allow() {
    let set = rules(&[
        "{ name: narrow, effect: allow, on: { paths: [/a] }, token: { issuer: corp }, inject: { headers: { x-sub: '{token.sub}' } } }",
        "{ name: wide, effect: allow, token: { issuer: corp } }",
    ]);
    assert_eq!(outcome(&set, &alice(), &get("/a")), "allow narrow");
    assert_eq!(outcome(&set, &caller(None, Some(json!({"sub": "é"}))), &get("/a")), "allow wide");
}
