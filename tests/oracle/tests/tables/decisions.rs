//! How rules make a decision together, and what it changes.

use super::callers::WEB;
use super::*;

#[test]
fn three_values() {
    // Something that does not hold settles it before something that cannot be determined.
    table("source: [10.0.0.0/8], headers: [{ name: x, exists: true }]", &[("{ path: /, client: unknown }", "deny no_rule r")]);
    let world = policy(
        HOST,
        &[
            "{ name: r, effect: allow, public: true }",
            "{ name: d, effect: deny, source: [10.0.0.0/8], headers: [{ name: x, exists: true }] }",
        ],
    );
    check(&world, "{ path: /, client: unknown }", "", "", "allow r");
    check(&world, "{ path: /, client: unknown, headers: { x: '1' } }", "", "", "deny eval_error d");
}

#[test]
fn deny_overrides_and_the_narrowest_speaks() {
    let world = policy(
        HOST,
        &[
            "{ name: wide, effect: allow, public: true }",
            "{ name: star, effect: allow, public: true, on: { paths: ['/a/*'] } }",
            "{ name: literal, effect: allow, public: true, on: { paths: [/a/b] } }",
            "{ name: by-method, effect: allow, public: true, on: { methods: [GET] } }",
            "{ name: deny-one, effect: deny, on: { paths: ['/d/**'] } }",
            "{ name: deny-all, effect: deny, on: { paths: ['/d/x'] } }",
        ],
    );
    check(&world, "{ path: /a/b }", "", "", "allow literal");
    check(&world, "{ path: /a/c }", "", "", "allow star");
    check(&world, "{ path: /z }", "", "", "allow by-method");
    check(&world, "{ path: /z, method: PUT }", "", "", "allow wide");
    check(&world, "{ path: /d/x }", "", "", "deny rule_denied deny-all");
    let ties = policy(HOST, &["{ name: b, effect: allow, public: true }", "{ name: a, effect: allow, public: true }"]);
    check(&ties, "{ path: / }", "", "", "allow a");
}

#[test]
fn the_narrower_host_speaks_before_the_narrower_path() {
    let mut world = policy("{ hosts: ['*.example.com'] }", &["{ name: r, effect: allow, public: true, on: { paths: [/a] } }"]);
    world.documents.read("kind: Policy\nmetadata: { name: q }\nspec: { target: { hosts: [a.example.com] }, rules: [{ name: s, effect: allow, public: true }] }").unwrap();
    check(&world, "{ path: /a }", "", "", "allow s");
}

#[test]
fn the_closest_rule_names_the_cause() {
    let world = policy(
        HOST,
        &[
            "{ name: a, effect: allow, peer: { spiffe: ['spiffe://prod.example/other'] }, token: { issuer: corp } }",
            "{ name: b, effect: allow, peer: { any: true }, token: { issuer: corp, scopes: [x] } }",
            "{ name: c, effect: allow, peer: { any: true }, token: { issuer: corp, audiences: [x] } }",
        ],
    );
    check(&world, "{ path: / }", WEB, "{ issuer: corp, claims: { } }", "deny scope_missing b");
    check(&world, "{ path: / }", WEB, "", "deny token_missing b");
    check(&world, "{ path: / }", "", "", "deny peer_missing a");
}

#[test]
fn a_refused_credential_denies_everywhere() {
    let world = open("on: { methods: [GET] }");
    check(&world, "{ path: / }", "{ rejected: chain_untrusted }", "", "deny chain_untrusted -");
    check(&world, "{ path: / }", "", "{ rejected: signature_invalid }", "deny signature_invalid -");
    check(&world, "{ path: //x }", "{ rejected: chain_untrusted }", "", "deny path_not_canonical -");
}

pub(crate) const OLD: &str = "{ rejected: token_expired, cookie: session, issuer: sessions }";

#[test]
fn cookies_that_were_refused() {
    let login = "{ name: login, effect: allow, public: true, on: { paths: [/login] }, rejectedCookies: ignored }";
    let world = policy(HOST, &[login, "{ name: app, effect: allow, token: { issuer: sessions } }"]);
    check(&world, "{ path: /login }", "", OLD, "allow login");
    check(&world, "{ path: /app }", "", OLD, "deny token_expired -");
    check(&world, "{ path: /login }", "{ rejected: cert_expired }", OLD, "deny cert_expired -");
    let looked_at = policy(HOST, &[login, "{ name: d, effect: deny, token: { issuer: sessions, subjects: [eve] } }"]);
    check(&looked_at, "{ path: /login }", "", OLD, "deny token_expired -");
    let other = policy(HOST, &[login, "{ name: d, effect: deny, token: { issuer: corp, subjects: [eve] } }"]);
    check(&other, "{ path: /login }", "", OLD, "allow login");
}

#[test]
fn tokens_of_others() {
    let target = "{ hosts: [a.example.com], tokens: { issuers: [corp], others: ignored } }";
    let mut world = policy(
        target,
        &["{ name: r, effect: allow, public: true }", "{ name: d, effect: deny, token: { issuer: corp, subjects: [eve] } }"],
    );
    check(&world, "{ path: / }", "", "{ foreign: true }", "allow r");
    check(&world, "{ path: / }", "", "{ rejected: token_expired, issuer: corp }", "deny token_expired -");
    check(&world, "{ path: / }", "", "{ issuer: sessions, claims: { } }", "allow r");
    // Another policy over the host takes the word back.
    world.documents.read("kind: Policy\nmetadata: { name: q }\nspec: { target: { anyHost: true }, rules: [{ name: s, effect: allow, public: true, on: { paths: [/x] } }] }").unwrap();
    check(&world, "{ path: / }", "", "{ foreign: true }", "deny issuer_unknown -");
}

#[test]
fn a_policy_is_about_tokens_at_its_host_in_every_form() {
    let target = "{ hosts: ['a.example.com:8443'], tokens: { others: ignored } }";
    let mut world = policy(target, &["{ name: r, effect: allow, public: true }"]);
    let text = "kind: Policy\nmetadata: { name: q }\nspec: { target: { hosts: [a.example.com], tokens: { issuers: [corp], others: ignored } }, rules: [{ name: s, effect: allow, public: true }] }";
    world.documents.read(text).unwrap();
    let wrong = "{ rejected: token_expired, issuer: corp, cookie: x }";
    for (host, rule) in [("a.example.com", "s"), ("a.example.com:8443", "r")] {
        let asked = format!("{{ path: /, host: '{host}' }}");
        check(&world, &asked, "", "{ foreign: true }", &format!("allow {rule}"));
        check(&world, &asked, "", wrong, "deny token_expired -");
    }
    // One that says nothing takes the word back, in a form that is not asked for, too.
    let text = "kind: Policy\nmetadata: { name: z }\nspec: { target: { hosts: ['a.example.com:9'] }, rules: [{ name: t, effect: allow, public: true }] }";
    world.documents.read(text).unwrap();
    check(&world, "{ path: / }", "", "{ foreign: true }", "deny issuer_unknown -");
}

#[test]
fn without_any_policy_a_refused_credential_comes_first() {
    let world = world(&[ISSUERS]);
    check(&world, "{ path: / }", "", "", "deny policy_unavailable -");
    check(&world, "{ path: / }", "", OLD, "deny token_expired -");
}

#[test]
fn conditions() {
    let rows: &[(&str, &str)] = &[
        ("true && 1 < 2", "allow r"),
        ("request.method == 'GET' && request.host == 'a.example.com'", "allow r"),
        ("request.headers['x-a'] == '1'", "deny eval_error r"),
        ("'x-a' in request.headers && request.headers['x-a'] == '1'", "deny no_rule r"),
        ("!('x-a' in request.headers)", "allow r"),
        ("1 == 1.0 && 9007199254740992 != 9007199254740991.0", "allow r"),
        ("'a' == 1", "deny eval_error r"),
        ("true || 'a' == 1", "allow r"),
        ("'a' == 1 || true", "allow r"),
        ("false && 'a' == 1", "deny no_rule r"),
        ("2 in [1, 2] && size('abc') == 3 && 'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')", "allow r"),
        ("[1, 2].exists(x, x > 1) && [1, 2].all(x, x > 0) && [1, 2].exists_one(x, x == 1)", "allow r"),
        ("[1, 2].map(x, x * 2) == [2, 4] && [1, 2].filter(x, x > 1) == [2]", "allow r"),
        ("int('7') + 1 == 8 && string(7) == '7' && 7 / 2 == 3 && 7 % 2 == 1", "allow r"),
        ("now == 1767225600", "allow r"),
        ("connection.tls", "deny eval_error r"),
        ("!connection.tls", "deny eval_error r"),
        ("request.authorityPort == 1", "deny eval_error r"),
        ("'b' > 'a' ? true : 1 == 2", "allow r"),
        ("size([]) == 0 // a comment", "allow r"),
    ];
    for (condition, wanted) in rows {
        check(&open(&format!("when: \"{condition}\"")), "{ path: / }", "", "", wanted);
    }
}

#[test]
fn a_claim_that_is_null_is_neither_in_the_claims_nor_not() {
    let token = "{ issuer: corp, claims: { x: null, y: 1, o: { p: null } } }";
    for (condition, wanted) in [
        ("'y' in token.claims", "allow r"),
        ("'z' in token.claims", "deny no_rule r"),
        ("'x' in token.claims", "deny eval_error r"),
        ("!('x' in token.claims)", "deny eval_error r"),
        ("'p' in token.claims.o", "allow r"),
    ] {
        let world = policy(HOST, &[&format!("{{ name: r, effect: allow, token: {{ issuer: corp }}, when: \"{condition}\" }}")]);
        check(&world, "{ path: / }", "", token, wanted);
    }
}

#[test]
fn conditions_on_headers() {
    let world = open("when: \"request.headers['x-a'] == '1'\"");
    check(&world, "{ path: /, headers: { x-a: '1' } }", "", "", "allow r");
    check(&world, "{ path: /, headers: { x-a: '1,1' } }", "", "", "deny eval_error r");
    check(&world, "{ path: /, headers: { x-a: '1', x_a: '1' } }", "", "", "deny eval_error r");
    let world = open("when: \"request.headers['user-agent'] == 'a,b'\"");
    check(&world, "{ path: /, headers: { user-agent: 'a,b' } }", "", "", "allow r");
}

#[test]
fn conditions_on_captures_and_claims() {
    let rule = "{ name: r, effect: allow, on: { paths: ['/u/{user}'] }, token: { issuer: corp }, when: \"token.sub == request.path.user || 'support' in token.claims.groups\" }";
    let world = policy(HOST, &[rule]);
    check(&world, "{ path: /u/alice }", "", "{ issuer: corp, claims: { sub: alice } }", "allow r");
    check(&world, "{ path: /u/bob }", "", "{ issuer: corp, claims: { sub: alice, groups: [support] } }", "allow r");
    check(&world, "{ path: /u/bob }", "", "{ issuer: corp, claims: { sub: alice, groups: [] } }", "deny no_rule r");
    check(&world, "{ path: /u/bob }", "", "{ issuer: corp, claims: { sub: alice } }", "deny eval_error r");
    let has = policy(
        HOST,
        &[
            "{ name: d, effect: deny, token: { issuer: corp }, when: has(token.claims.x) && token.claims.x == 'y' }",
            "{ name: r, effect: allow, token: { issuer: corp } }",
        ],
    );
    check(&has, "{ path: / }", "", "{ issuer: corp, claims: { } }", "allow r");
}

#[test]
fn fragments() {
    let mut world = policy(HOST, &["{ name: r, effect: allow, peer: { use: shown }, conditions: [get] }"]);
    world.documents.read("kind: Fragments\nmetadata: { name: f }\nspec: { peers: { web: { spiffe: ['spiffe://prod.example/ns/web/sa/*'] }, shown: { use: web, evidence: leaf } }, conditions: { get: request.method == 'GET' } }").unwrap();
    check(&world, "{ path: / }", WEB, "", "deny evidence_insufficient r");
    check(&world, "{ path: / }", &WEB.replace("hash", "leaf"), "", "allow r");
    check(&world, "{ path: /, method: PUT }", &WEB.replace("hash", "leaf"), "", "deny no_rule r");
}

#[test]
fn shadow_rules_are_reported() {
    let world = policy(HOST, &["{ name: r, effect: allow, public: true }", "{ name: d, effect: deny, mode: shadow }"]);
    let decision = ask(&world, "{ path: / }", "", "").unwrap();
    assert!(decision.allow && decision.shadows.len() == 1 && decision.shadows[0].changes && !decision.shadows[0].unknown);
    let world = policy(HOST, &["{ name: r, effect: allow, public: true, mode: shadow }"]);
    check(&world, "{ path: / }", "", "", "deny no_rule -");
    // 6.26 One that would not count beside a refused cookie.
    let login = "{ name: r, effect: allow, public: true, rejectedCookies: ignored }";
    for (more, reports) in [
        ("public: true", 0),
        ("public: true, rejectedCookies: ignored", 1),
        ("token: { issuer: [corp, sessions] }, rejectedCookies: ignored", 0),
    ] {
        let world = policy(HOST, &[login, &format!("{{ name: z, effect: allow, mode: shadow, {more} }}")]);
        let decision = ask(&world, "{ path: / }", "", OLD).unwrap();
        assert_eq!((decision.allow, decision.shadows.len()), (true, reports), "{more}");
    }
}

/// An allow rule with a token, and what it injects or removes.
fn injecting(more: &str) -> World {
    policy(HOST, &[&format!("{{ name: r, effect: allow, peer: {{ any: true }}, token: {{ issuer: corp }}, {more} }}")])
}

#[test]
fn templates() {
    let world = injecting(
        "inject: { headers: { x-a: \"{token.sub}\", x-b: \"{peer.spiffe} {{1}}\", x-c: \"{token.claims./l}\", x-d: \"{token.claims./none}\", x-e: \"{request.method}|{decision.rule}\", x-f: \"{token.sub|hex}\", x-g: \"{token.sub|base64url}\" } }",
    );
    let decision = ask(&world, "{ path: / }", WEB, "{ issuer: corp, claims: { sub: al, l: [a, b] } }").unwrap();
    let headers = &decision.changes.headers;
    assert_eq!(headers["x-a"], "al");
    assert_eq!(headers["x-b"], "spiffe://prod.example/ns/web/sa/front {1}");
    assert_eq!(headers["x-c"], "a,b");
    assert!(!headers.contains_key("x-d") && decision.changes.removes("X_D"));
    assert_eq!(headers["x-e"], "GET|r");
    assert_eq!((headers["x-f"].as_str(), headers["x-g"].as_str()), ("616c", "YWw"));
}

#[test]
fn values_that_must_not_be_sent() {
    let world = injecting("inject: { headers: { x-a: \"{token.claims./a}\" } }");
    for claim in ["'a\\nb'", "'caf\u{e9}'", "' a'", "['a,b']", "{ b: c }", "1e20"] {
        check(
            &world,
            "{ path: / }",
            WEB,
            &format!("{{ issuer: corp, claims: {{ a: {} }} }}", claim.replace("'a\\nb'", "\"a\\nb\"")),
            "deny eval_error r",
        );
    }
    check(&world, "{ path: / }", WEB, "{ issuer: corp, claims: { a: 'a b' } }", "allow r");
    let query = injecting("inject: { query: { t: \"{token.sub}\", u: \"{token.sub|percent}\" } }");
    check(&query, "{ path: / }", WEB, "{ issuer: corp, claims: { sub: 'a/b' } }", "deny eval_error r");
    check(&query, "{ path: / }", WEB, "{ issuer: corp, claims: { sub: 'a-b' } }", "allow r");
}

#[test]
fn what_goes_upstream() {
    let mut world = injecting(
        "inject: { headers: { x-user: \"{token.sub}\" }, query: { tenant: \"{token.sub}\" } }, remove: { headers: [x-debug], query: [debug], token: true }",
    );
    world.documents.read("kind: Policy\nmetadata: { name: q }\nspec: { target: { hosts: [b.example.com], keep: { headers: [x-forwarded-host], query: [_method] } }, rules: [{ name: s, effect: allow, public: true }] }").unwrap();
    let open = ask(&world, "{ host: b.example.com, path: '/?tenant=a&Tenant[]=b&_method=PUT&x=1' }", "", "").unwrap().changes;
    for name in [
        "X-User",
        "x_user",
        "x.user",
        "x-original-url",
        "X_HTTP_Method_Override",
        "forwarded",
        "x_forwarded_host",
        "x-envoy-auth-failure-mode-allowed",
    ] {
        assert!(open.removes(name), "{name}");
    }
    for name in ["x-forwarded-host", "authorization", "x-debug", "accept"] {
        assert!(!open.removes(name), "{name}");
    }
    assert_eq!(open.removed_query, ["tenant", "Tenant[]"]);
    let closed = ask(&world, "{ path: '/?tenant=a&Debug=1&_method=PUT' }", WEB, "{ issuer: corp, claims: { sub: al } }").unwrap().changes;
    assert!(closed.removes("authorization") && closed.removes("x_debug") && !closed.names("x-user") && closed.names("x_user"));
    assert_eq!(closed.removed_query, ["Debug", "_method"]);
    check(&world, "{ host: b.example.com, path: '/?x=1;tenant=a' }", "", "", "deny eval_error s");
}

#[test]
fn denials_of_documents() {
    let rule = "{ name: r, effect: allow, on: { methods: [GET] }, token: { issuer: corp, scopes: [s] }";
    let world = policy(HOST, &[&format!("{rule}, deny: {{ status: 404, body: {{ text: 'id {{decision.id}} {{decision.word}}' }} }} }}")]);
    let denial = ask(&world, "{ path: / }", "", "").unwrap().denial.unwrap();
    assert_eq!((denial.status, denial.word.as_str(), denial.challenge), (404, "not_found", None));
    assert_eq!(denial.text.unwrap(), format!("id {} not_found", "0".repeat(32)));
    let plain = ask(&policy(HOST, &[&format!("{rule} }}")]), "{ path: / }", "", "{ issuer: corp, claims: { } }").unwrap().denial.unwrap();
    assert_eq!(
        (plain.status, plain.www_authenticate().unwrap().as_str()),
        (403, "Bearer realm=\"countersign\", error=\"insufficient_scope\", scope=\"s\"")
    );
    let grpc = ask(&policy(HOST, &[&format!("{rule} }}")]), "{ path: /, headers: { content-type: application/grpc } }", "", "")
        .unwrap()
        .denial
        .unwrap();
    assert_eq!(grpc.grpc, Some(16));
}

#[test]
fn redirects_are_for_browsers() {
    let text = "kind: Policy\nmetadata: { name: p }\nspec:\n  target: { hosts: [a.example.com] }\n  deny: { redirect: { to: /login, status: 303 }, clearCookie: { name: session } }\n  rules: [{ name: r, effect: allow, token: { issuer: sessions } }, { name: x, effect: allow, on: { paths: [/x] }, peer: { any: true } }]";
    let world = world(&[ISSUERS, text]);
    let status = |request: &str, token: &str| {
        let denial = ask(&world, request, "", token).unwrap().denial.unwrap();
        (denial.status, denial.cleared.is_some())
    };
    assert_eq!(status("{ path: /, headers: { accept: text/html } }", ""), (303, false));
    assert_eq!(status("{ path: /, headers: { accept: text/html } }", OLD), (303, true));
    assert_eq!(status("{ path: /, headers: { accept: application/json } }", OLD), (401, true));
    assert_eq!(status("{ path: /, headers: { accept: text/html, sec-fetch-mode: cors } }", ""), (401, false));
    assert_eq!(status("{ path: /, method: POST, headers: { accept: text/html } }", ""), (401, false));
    assert_eq!(status("{ path: /login, headers: { accept: text/html } }", ""), (401, false));
}

#[test]
fn no_browser_is_sent_to_the_page_that_it_asks_for() {
    let page = |to: &str, request: &str| {
        let text = format!(
            "kind: Policy\nmetadata: {{ name: p }}\nspec:\n  target: {{ hosts: [a.example.com] }}\n  deny: {{ redirect: {{ to: '{to}' }} }}\n  rules: [{{ name: r, effect: allow, token: {{ issuer: corp }} }}]"
        );
        ask(&world(&[ISSUERS, &text]), request, "", "").unwrap().denial.unwrap().location.is_some()
    };
    let html = |path: &str| format!("{{ path: '{path}', headers: {{ accept: text/html }} }}");
    for (to, path, redirected) in [
        ("https://a.example.com", "/", false),
        ("https://a.example.com?x=1", "/", false),
        ("https://A.example.com:8443/a#x", "/a?y=2", false),
        ("https://a.example.com./a", "/a", false),
        ("https://b.example.com/a", "/a", true),
        ("https://a.example.com/a", "/", true),
        ("/a#x", "/a", false),
    ] {
        assert_eq!(page(to, &html(path)), redirected, "{to} {path}");
    }
    for (headers, redirected) in [
        ("accept: Text/HTML", true),
        ("accept: 'text/html;q=0'", false),
        ("accept: 'text/html;q=0.001'", true),
        ("accept: 'text/html;q=x'", false),
        ("accept: 'a/b, text/html;level=1'", true),
        ("accept: a/b, Accept: text/html", true),
        ("accept: text/*", false),
        ("accept: text/html, sec-fetch-mode: ''", false),
        ("accept: text/html, sec-fetch-mode: navigate", true),
        ("accept: text/html, sec-fetch-mode: navigate, Sec-Fetch-Mode: cors", false),
    ] {
        assert_eq!(page("/login", &format!("{{ path: /, headers: {{ {headers} }} }}")), redirected, "{headers}");
    }
}

#[test]
fn a_caller_of_grpc_says_so_once() {
    let world = policy(HOST, &["{ name: r, effect: allow, token: { issuer: corp } }"]);
    for (headers, grpc) in [
        ("content-type: application/grpc", Some(16)),
        ("content-type: application/grpc+proto", Some(16)),
        ("content-type: application/grpc, Content-Type: application/json", None),
        ("content-type: application/grpc, Content-Type: application/grpc", None),
        ("content-type: application/grpc-web", None),
    ] {
        let denial = ask(&world, &format!("{{ path: /, headers: {{ {headers} }} }}"), "", "").unwrap().denial.unwrap();
        assert_eq!(denial.grpc, grpc, "{headers}");
    }
}

#[test]
fn a_suite_has_the_scheme_of_proofs_for_its_closest_rule_alone() {
    let issuer = "kind: TokenIssuer\nmetadata: { name: keyed }\nspec: { issuer: https://k.example.com, audiences: [x], algorithms: [ES256], keys: { inline: '{}' }, binding: dpop }";
    let text = |token: &str| {
        format!("kind: Policy\nmetadata: {{ name: p }}\nspec: {{ target: {HOST}, rules: [{{ name: r, effect: allow, token: {token} }}] }}")
    };
    for (token, scheme) in
        [("{ issuer: keyed }", "Bearer"), ("{ issuer: corp, binding: dpop }", "DPoP"), ("{ issuer: corp, binding: any }", "Bearer")]
    {
        let suite = "kind: PolicySuite\nmetadata: { name: s }\nspec: { tokens: { t: { issuer: corp, claims: { } } }, cases: [{ name: c, request: { host: a.example.com, path: / }, token: t, expect: { decision: deny } }] }";
        let world = world(&[ISSUERS, issuer, &text(token), suite]);
        let mut found = Vec::new();
        suite::each(&world, |case| found.push(case.decide().unwrap().denial.unwrap().challenge.unwrap().0)).unwrap();
        assert_eq!(found, [scheme], "{token}");
    }
}
