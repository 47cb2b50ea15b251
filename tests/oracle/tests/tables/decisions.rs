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
