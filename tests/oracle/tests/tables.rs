//! Cases derived by hand from the tables of `docs/policy.md` and its neighbours, without the program. Each names the page's words.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use common::world;
use countersign_oracle::documents::Documents;
use countersign_oracle::value::Value;
use countersign_oracle::{ClientAddress, Decision, Identity, World, decide_as};

const ISSUERS: &str = "
kind: TokenIssuer
metadata: { name: corp }
spec: { issuer: https://login.example.com, audiences: [orders], algorithms: [ES256], keys: { inline: '{}' } }
---
kind: TokenIssuer
metadata: { name: sessions }
spec: { issuer: https://account.example.com, audiences: [desk], algorithms: [ES256], keys: { inline: '{}' }, tokens: [{ cookie: session }] }
";

/// Reads one value of YAML.
fn yaml(text: &str) -> Value {
    let mut documents = Documents::default();
    documents.read(&format!("kind: X\nspec: {text}")).unwrap();
    documents.of("X")[0].spec.clone()
}

/// One policy with a target and rules, in flow style.
fn policy(target: &str, rules: &[&str]) -> World {
    let text = format!(
        "kind: Policy\nmetadata: {{ name: p }}\nspec:\n  target: {target}\n  rules:\n{}",
        rules.iter().map(|r| format!("    - {r}\n")).collect::<String>()
    );
    world(&[ISSUERS, &text])
}

const HOST: &str = "{ hosts: [a.example.com] }";

fn ask(world: &World, request: &str, peer: &str, token: &str) -> Result<Decision, String> {
    let asked = yaml(request);
    let mut world = world.clone();
    if let Some(client) = asked.text_of("client") {
        world.client_address = ClientAddress::Said(Some(client.to_owned()));
    }
    let mut request = common::request(&asked);
    if request.host.is_empty() {
        request.host = "a.example.com".to_owned();
    }
    request.map = asked.is_true("map");
    let mut identity = Identity::default();
    if !peer.is_empty() {
        identity.peer = Some(common::peer(&yaml(peer)));
    }
    if !token.is_empty() {
        common::token(&world, &request, &yaml(token), &mut identity);
    }
    decide_as(&world, &request, &identity).map_err(|o| o.0)
}

/// `allow RULE`, `deny REASON RULE`, or `outside`.
fn say(decision: &Result<Decision, String>) -> String {
    match decision {
        Err(what) => format!("outside {what}"),
        Ok(d) => {
            let rule = d.rule.as_ref().map_or("-", |(_, r)| r);
            if d.allow { format!("allow {rule}") } else { format!("deny {} {rule}", d.reason.unwrap_or("-")) }
        }
    }
}

#[track_caller]
fn check(world: &World, request: &str, peer: &str, token: &str, wanted: &str) {
    assert_eq!(say(&ask(world, request, peer, token)), wanted, "{request} {peer} {token}");
}

/// An open rule with one more demand.
fn open(demand: &str) -> World {
    policy(HOST, &[&format!("{{ name: r, effect: allow, public: true, {demand} }}")])
}

/// Cases of one demand of an open allow rule.
#[track_caller]
fn table(demand: &str, rows: &[(&str, &str)]) {
    let world = open(demand);
    for (request, wanted) in rows {
        check(&world, request, "", "", wanted);
    }
}

#[test]
fn path_templates() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("/v1/orders", &["/v1/orders"], &["/v1/orders/", "/v1/Orders"]),
        ("/v1/orders/*", &["/v1/orders/17"], &["/v1/orders/", "/v1/orders/17/items"]),
        ("/v1/orders/{id}", &["/v1/orders/17"], &["/v1/orders/", "/v1/orders/17/items"]),
        ("/v1/orders/**", &["/v1/orders/", "/v1/orders/17/items"], &["/v1/orders"]),
        ("/teams/**/orders", &["/teams/orders", "/teams/eu/north/orders"], &["/teams/eu/orders/17"]),
        ("/**", &["/", "/a", "/a/b/"], &[]),
        ("/caf%C3%A9", &["/caf%C3%A9"], &["/cafe"]),
    ];
    for (template, matches, others) in rows {
        let world = open(&format!("on: {{ paths: [\"{template}\"] }}"));
        matches.iter().for_each(|p| check(&world, &format!("{{ path: \"{p}\" }}"), "", "", "allow r"));
        others.iter().for_each(|p| check(&world, &format!("{{ path: \"{p}\" }}"), "", "", "deny no_rule -"));
    }
}

#[test]
fn paths_that_are_not_canonical() {
    let world = open("on: { methods: [GET] }");
    for path in [
        "a",
        "//a",
        "/a//b",
        "/a/./b",
        "/a/../b",
        "/..",
        "/a;v=1",
        "/a\\\\b",
        "/a%5Cb",
        "/a%3Bb",
        "/a%2Fb",
        "/a%2fb",
        "/%2e%2e/b",
        "/%41",
        "/a%252Fb",
        "/a%",
        "/a%zz",
        "/a#b",
        "*",
    ] {
        check(&world, &format!("{{ path: \"{path}\" }}"), "", "", "deny path_not_canonical -");
    }
    let deep = "/a".repeat(65);
    check(&world, &format!("{{ path: \"{deep}\" }}"), "", "", "deny path_not_canonical -");
    check(&world, "{ path: \"/a%20b?x=//..;\" }", "", "", "allow r");
}

#[test]
fn paths_with_more_than_one_reading() {
    for (key, value, path, seen) in [
        ("encodedSlashes", "keptByUpstream", "/a%2Fb", "/a%2Fb"),
        ("parameters", "removedByUpstream", "/a;v=1", "/a"),
        ("emptySegments", "mergedByUpstream", "//a", "/a"),
    ] {
        let target = format!("{{ hosts: [a.example.com], paths: {{ {key}: {value} }} }}");
        let rule = format!("{{ name: r, effect: allow, public: true, on: {{ paths: [\"{seen}\"] }} }}");
        let world = policy(&target, &[&rule]);
        check(&world, &format!("{{ path: \"{path}\" }}"), "", "", "allow r");
        check(&world, "{ path: \"/a/..;v=1/b\" }", "", "", "deny path_not_canonical -");
        check(&world, "{ path: \"/a%2F..%2Fb\" }", "", "", "deny path_not_canonical -");
    }
}

#[test]
fn a_deny_rule_is_about_every_reading() {
    let mut world =
        policy("{ hosts: [a.example.com], paths: { parameters: removedByUpstream } }", &["{ name: r, effect: allow, public: true }"]);
    world.documents.read("kind: Policy\nmetadata: { name: q }\nspec: { target: { hosts: [a.example.com] }, rules: [{ name: d, effect: deny, on: { paths: [/admin] } }] }").unwrap();
    check(&world, "{ path: \"/admin;v=1\" }", "", "", "deny rule_denied d");
    check(&world, "{ path: \"/other;v=1\" }", "", "", "allow r");
}

#[test]
fn hosts() {
    let world =
        policy("{ hosts: [a.example.com, \"*.b.example.com\", \"c.example.com:8443\"] }", &["{ name: r, effect: allow, public: true }"]);
    for (host, wanted) in [
        ("a.example.com", "allow r"),
        ("A.Example.COM", "allow r"),
        ("x.b.example.com", "allow r"),
        ("c.example.com:8443", "allow r"),
        ("c.example.com", "deny no_rule -"),
        ("b.example.com", "deny no_rule -"),
        ("y.x.b.example.com", "deny no_rule -"),
        ("a.example.com:443", "deny host_invalid -"),
        ("a.example.com.", "deny host_invalid -"),
        ("user@a.example.com", "deny host_invalid -"),
        ("a..example.com", "deny host_invalid -"),
        ("a.example.com:99999", "deny host_invalid -"),
        ("[2001:DB8:0::1]", "deny host_invalid -"),
    ] {
        check(&world, &format!("{{ path: /, host: \"{host}\" }}"), "", "", wanted);
    }
}

#[test]
fn any_authority_port_and_any_host() {
    let world = policy("{ hosts: [a.example.com], anyAuthorityPort: true }", &["{ name: r, effect: allow, public: true }"]);
    check(&world, "{ path: /, host: \"a.example.com:444\" }", "", "", "allow r");
    check(&world, "{ path: /, host: \"a.example.com.\" }", "", "", "deny host_invalid -");
    let world = policy("{ anyHost: true }", &["{ name: r, effect: allow, public: true }"]);
    check(&world, "{ path: /, host: \"x.example.org\" }", "", "", "allow r");
}

#[test]
fn a_deny_rule_for_a_plain_host_is_about_every_form() {
    let mut world = policy("{ hosts: [a.example.com], anyAuthorityPort: true }", &["{ name: r, effect: allow, public: true }"]);
    world.documents.read("kind: Policy\nmetadata: { name: q }\nspec: { target: { hosts: [a.example.com] }, rules: [{ name: d, effect: deny, on: { paths: [/x] } }] }").unwrap();
    check(&world, "{ path: /x, host: \"a.example.com:444\" }", "", "", "deny rule_denied d");
}

#[test]
fn ports_are_those_of_the_connection() {
    let target = "{ hosts: [a.example.com], ports: [8443] }";
    let allow = policy(target, &["{ name: r, effect: allow, public: true }"]);
    check(&allow, "{ path: /, destination: \"10.0.0.1:8443\" }", "", "", "allow r");
    check(&allow, "{ path: /, destination: \"10.0.0.1:443\" }", "", "", "deny no_rule -");
    check(&allow, "{ path: / }", "", "", "deny no_rule -");
    let deny = policy(target, &["{ name: d, effect: deny }"]);
    check(&deny, "{ path: / }", "", "", "deny rule_denied d");
    check(&deny, "{ path: /, destination: \"10.0.0.1:443\" }", "", "", "deny no_rule -");
}

#[test]
fn host_is_sni() {
    let world = policy("{ hosts: [a.example.com], hostIsSni: true }", &["{ name: r, effect: allow, public: true }"]);
    check(&world, "{ path: /, sni: a.example.com }", "", "", "allow r");
    check(&world, "{ path: /, sni: b.example.com }", "", "", "deny host_invalid r");
    check(&world, "{ path: / }", "", "", "deny host_invalid r");
}

#[test]
fn methods_are_compared_exactly() {
    table(
        "on: { methods: [GET] }",
        &[("{ path: / }", "allow r"), ("{ path: /, method: get }", "deny no_rule -"), ("{ path: /, method: HEAD }", "deny no_rule -")],
    );
}

#[test]
fn grpc() {
    table(
        "on: { grpc: [{ service: o.v1.Orders, methods: [Get] }, { service: o.v1.All }] }",
        &[
            ("{ method: POST, path: /o.v1.Orders/Get }", "allow r"),
            ("{ method: POST, path: /o.v1.Orders/Put }", "deny no_rule -"),
            ("{ method: GET, path: /o.v1.Orders/Get }", "deny no_rule -"),
            ("{ method: POST, path: /o.v1.All/Any }", "allow r"),
            ("{ method: POST, path: /o.v1.All/ }", "deny no_rule -"),
        ],
    );
}

#[test]
fn source_and_destination() {
    table(
        "source: [10.0.0.0/8, \"2001:db8::/32\"]",
        &[
            ("{ path: /, source: 10.1.2.3 }", "allow r"),
            ("{ path: /, source: 11.0.0.1 }", "deny no_rule r"),
            ("{ path: /, source: \"2001:db8::7\" }", "allow r"),
            ("{ path: /, source: \"::ffff:10.0.0.1\" }", "allow r"),
            ("{ path: /, source: 10.0.0.1, client: 11.0.0.1 }", "deny no_rule r"),
            ("{ path: /, source: 10.0.0.1, client: unknown }", "deny eval_error r"),
        ],
    );
    table(
        "destination: [10.0.0.7]",
        &[("{ path: /, destination: \"10.0.0.7:1\" }", "allow r"), ("{ path: /, destination: 10.0.0.8 }", "deny no_rule r")],
    );
    let deny = policy(HOST, &["{ name: d, effect: deny, source: [10.0.0.0/8] }"]);
    check(&deny, "{ path: /, source: 11.0.0.1, client: unknown }", "", "", "deny eval_error d");
}

#[test]
fn server_names() {
    table(
        "sni: [a.example.com, \"*.b.example.com\"]",
        &[
            ("{ path: /, sni: a.example.com }", "allow r"),
            ("{ path: /, sni: x.b.example.com }", "allow r"),
            ("{ path: /, sni: c.example.com }", "deny no_rule r"),
            ("{ path: /, sni: '' }", "deny no_rule r"),
            ("{ path: / }", "deny eval_error r"),
        ],
    );
}

#[test]
fn context_extensions() {
    table(
        "contextExtensions: { zone: partners }",
        &[
            ("{ path: /, contextExtensions: { zone: partners } }", "allow r"),
            ("{ path: /, contextExtensions: { zone: others } }", "deny no_rule r"),
            ("{ path: / }", "deny no_rule r"),
        ],
    );
}

#[test]
fn headers() {
    table(
        "headers: [{ name: x-region, any: { in: [eu, us] } }]",
        &[
            ("{ path: /, headers: { x-region: eu } }", "allow r"),
            ("{ path: /, headers: { X-Region: 'ap, us' } }", "allow r"),
            ("{ path: /, headers: { x-region: ap } }", "deny no_rule r"),
            ("{ path: / }", "deny no_rule r"),
            ("{ path: /, headers: { x_region: eu } }", "deny eval_error r"),
            ("{ path: /, headers: { x-region: eu, x.region: ap } }", "deny eval_error r"),
            ("{ path: /, map: true, headers: { x-region: 'e!' } }", "deny eval_error r"),
        ],
    );
    table(
        "headers: [{ name: x-stage, all: { prefix: test- } }]",
        &[
            ("{ path: /, headers: { x-stage: 'test-a, test-b' } }", "allow r"),
            ("{ path: /, headers: { x-stage: 'test-a, b' } }", "deny no_rule r"),
            ("{ path: / }", "deny no_rule r"),
        ],
    );
    table(
        "headers: [{ name: x-debug, exists: false }]",
        &[
            ("{ path: / }", "allow r"),
            ("{ path: /, headers: { x-debug: '1' } }", "deny no_rule r"),
            ("{ path: /, headers: { x_debug: '1' } }", "deny eval_error r"),
        ],
    );
    let deny = policy(
        HOST,
        &["{ name: r, effect: allow, public: true }", "{ name: d, effect: deny, headers: [{ name: x-debug, any: { suffix: '1' } }] }"],
    );
    check(&deny, "{ path: /, headers: { x-debug: '11' } }", "", "", "deny rule_denied d");
    check(&deny, "{ path: /, headers: { x_debug: '1' } }", "", "", "deny eval_error d");
    check(&deny, "{ path: / }", "", "", "allow r");
}

#[test]
fn queries() {
    table(
        "query: [{ name: dry-run, any: { equals: 'true' } }]",
        &[
            ("{ path: '/?dry-run=true' }", "allow r"),
            ("{ path: '/?dry-run=false&dry-run=true' }", "allow r"),
            ("{ path: '/?dry-run=tr%75e' }", "allow r"),
            ("{ path: '/?dry-run=false' }", "deny no_rule r"),
            ("{ path: / }", "deny no_rule r"),
            ("{ path: '/?dry-run=true;x' }", "deny eval_error r"),
            ("{ path: '/?dry-run=true&x=%zz' }", "deny eval_error r"),
            ("{ path: '/?dry-run=tr+ue' }", "deny eval_error r"),
        ],
    );
    let deny =
        policy(HOST, &["{ name: r, effect: allow, public: true }", "{ name: d, effect: deny, query: [{ name: debug, exists: true }] }"]);
    for name in ["Debug", "debug[]", "debug[x]", "[debug]", "+debug", "%2564ebug"] {
        check(&deny, &format!("{{ path: '/?{name}=1' }}"), "", "", "deny eval_error d");
    }
    check(&deny, "{ path: '/?debug=1' }", "", "", "deny rule_denied d");
    check(&deny, "{ path: '/?bug=1' }", "", "", "allow r");
}

#[test]
fn during() {
    // 2026-01-01T00:00:00Z is a Thursday.
    table("during: { until: 2026-01-01T00:00:00Z }", &[("{ path: / }", "deny no_rule r")]);
    table("during: { from: 2026-01-01T00:00:00Z }", &[("{ path: / }", "allow r")]);
    table("during: { weekly: [{ days: [thu], from: '00:00', until: '01:00', zone: UTC }] }", &[("{ path: / }", "allow r")]);
    table("during: { weekly: [{ days: [wed], from: '22:00', until: '02:00', zone: UTC }] }", &[("{ path: / }", "allow r")]);
    table("during: { weekly: [{ days: [thu], from: '22:00', until: '02:00', zone: UTC }] }", &[("{ path: / }", "deny no_rule r")]);
    table("during: { weekly: [{ from: '00:30', until: '18:00', zone: '+01:00' }] }", &[("{ path: / }", "allow r")]);
    let deny =
        policy(HOST, &["{ name: r, effect: allow, public: true }", "{ name: d, effect: deny, during: { until: 2025-01-01T00:00:00Z } }"]);
    check(&deny, "{ path: / }", "", "", "allow r");
}

const WEB: &str = "{ trustDomain: prod, spiffe: 'spiffe://prod.example/ns/web/sa/front', evidence: hash }";

/// Cases of one demand on the peer.
#[track_caller]
fn peers(demand: &str, rows: &[(&str, &str)]) {
    let world = policy(HOST, &[&format!("{{ name: r, effect: allow, peer: {demand} }}")]);
    for (peer, wanted) in rows {
        check(&world, "{ path: / }", peer, "", wanted);
    }
}

#[test]
fn peers_by_name() {
    peers("{ any: true }", &[(WEB, "allow r"), ("", "deny peer_missing r"), ("{ rejected: cert_expired }", "deny cert_expired -")]);
    peers(
        "{ spiffe: ['spiffe://prod.example/ns/web/sa/*'] }",
        &[(WEB, "allow r"), ("{ spiffe: 'spiffe://prod.example/ns/web/sa/a/b' }", "deny cert_san r")],
    );
    peers(
        "{ spiffe: ['spiffe://prod.example/ns/web/**'] }",
        &[(WEB, "allow r"), ("{ spiffe: 'spiffe://prod.example/ns/web' }", "deny cert_san r")],
    );
    peers(
        "{ spiffe: ['spiffe://prod.example/**'] }",
        &[(WEB, "allow r"), ("{ spiffe: 'spiffe://dev.example/ns/web' }", "deny cert_san r")],
    );
    peers(
        "{ trustDomain: prod }",
        &[(WEB, "allow r"), ("{ trustDomain: dev }", "deny cert_san r"), ("{ trustDomain: dev, otherTrustDomains: [prod] }", "allow r")],
    );
    peers(
        "{ dns: ['*.p.example'] }",
        &[
            ("{ dns: [a.p.example] }", "allow r"),
            ("{ dns: [a.b.p.example] }", "deny cert_san r"),
            ("{ dns: [a.p.example], evidence: hash }", "deny eval_error r"),
        ],
    );
    peers(
        "{ uris: ['https://p.example/w'] }",
        &[("{ uris: ['https://p.example/w'] }", "allow r"), ("{ uris: ['https://p.example/w/'] }", "deny cert_san r")],
    );
    peers(
        "{ emails: [a@p.example] }",
        &[("{ emails: [a@p.example] }", "allow r"), ("{ emails: [b@p.example], evidence: hash }", "deny eval_error r")],
    );
    peers("{ ips: [10.0.0.0/8] }", &[("{ ips: [10.0.0.7] }", "allow r"), ("{ ips: [11.0.0.7] }", "deny cert_san r")]);
    peers("{ subjects: ['CN=g,O=P'] }", &[("{ subject: 'CN=g,O=P' }", "allow r"), ("{ subject: 'CN=g' }", "deny cert_san r")]);
}

#[test]
fn peers_by_evidence() {
    peers(
        "{ any: true, evidence: leaf }",
        &[(WEB, "deny evidence_insufficient r"), ("{ evidence: leaf }", "allow r"), ("{ evidence: full }", "allow r")],
    );
    peers("{ any: true, evidence: asserted }", &[("{ evidence: asserted }", "allow r")]);
}

/// Cases of one demand on the token.
#[track_caller]
fn tokens(demand: &str, rows: &[(&str, &str)]) {
    let world = policy(HOST, &[&format!("{{ name: r, effect: allow, token: {{ issuer: corp{demand} }} }}")]);
    for (token, wanted) in rows {
        let given = if token.starts_with('{') && !token.contains("issuer") && !token.contains("rejected") && !token.contains("foreign") {
            format!("{{ issuer: corp, claims: {token} }}")
        } else {
            (*token).to_owned()
        };
        check(&world, "{ path: / }", WEB, &given, wanted);
    }
}

#[test]
fn tokens_by_issuer_and_scope() {
    tokens(
        "",
        &[
            ("{ sub: a }", "allow r"),
            ("", "deny token_missing r"),
            ("{ issuer: sessions }", "deny token_missing r"),
            ("{ foreign: true }", "deny issuer_unknown -"),
        ],
    );
    tokens(
        ", scopes: [a, b]",
        &[
            ("{ scope: 'a b c' }", "allow r"),
            ("{ scope: 'a bc' }", "deny scope_missing r"),
            ("{ scp: [a, b] }", "allow r"),
            ("{ scope: 'a', scp: [a, b] }", "deny scope_missing r"),
        ],
    );
    tokens(", anyScope: [a, b]", &[("{ scope: b }", "allow r"), ("{ scope: c }", "deny scope_missing r")]);
    tokens(", audiences: [x]", &[("{ aud: [orders, x] }", "allow r"), ("{ aud: orders }", "deny audience r")]);
    tokens(", subjects: [x]", &[("{ sub: x }", "allow r"), ("{ sub: y }", "deny claim_mismatch r"), ("{ }", "deny claim_mismatch r")]);
    tokens(", clients: [x]", &[("{ client_id: x }", "allow r"), ("{ azp: x }", "allow r"), ("{ azp: y }", "deny claim_mismatch r")]);
}

#[test]
fn claims() {
    tokens(
        ", claims: [{ pointer: /p, equals: gold }]",
        &[
            ("{ p: gold }", "allow r"),
            ("{ p: tin }", "deny claim_mismatch r"),
            ("{ p: 3 }", "deny eval_error r"),
            ("{ p: null }", "deny eval_error r"),
            ("{ p: [gold] }", "deny eval_error r"),
            ("{ }", "deny claim_mismatch r"),
        ],
    );
    tokens(
        ", claims: [{ pointer: /p, in: [1, 2] }]",
        &[("{ p: 2 }", "allow r"), ("{ p: 3 }", "deny claim_mismatch r"), ("{ p: '2' }", "deny eval_error r")],
    );
    tokens(
        ", claims: [{ pointer: /p, contains: x }]",
        &[("{ p: [y, x] }", "allow r"), ("{ p: [y] }", "deny claim_mismatch r"), ("{ p: x }", "deny eval_error r")],
    );
    tokens(", claims: [{ pointer: /p, exists: true }]", &[("{ p: x }", "allow r"), ("{ }", "deny claim_mismatch r")]);
    tokens(", claims: [{ pointer: /p, exists: false }]", &[("{ }", "allow r"), ("{ p: x }", "deny claim_mismatch r")]);
    tokens(
        ", claims: [{ pointer: '/a~1b/c', equals: true }]",
        &[("{ 'a/b': { c: true } }", "allow r"), ("{ a: { b: true } }", "deny claim_mismatch r")],
    );
}

#[test]
fn bindings() {
    let bound = |kind: &str| format!("{{ issuer: corp, claims: {{ }}, binding: {kind} }}");
    for (wanted, none, certificate, dpop) in
        [("certificate", false, true, false), ("dpop", false, false, true), ("any", false, true, true), ("none", true, true, true)]
    {
        let answer = |good: bool| if good { "allow r" } else { "deny binding_unavailable r" };
        tokens(
            &format!(", binding: {wanted}"),
            &[(&bound("none"), answer(none)), (&bound("certificate"), answer(certificate)), (&bound("dpop"), answer(dpop))],
        );
    }
}

#[test]
fn bind_names_the_peer() {
    let demand = ", bind: { claim: client_id, to: peer.spiffe, map: 'spiffe://prod.example/ns/web/sa/{client}' }";
    tokens(
        demand,
        &[
            ("{ client_id: front }", "allow r"),
            ("{ client_id: back }", "deny identity_token_mismatch r"),
            ("{ client_id: 'x/front' }", "deny identity_token_mismatch r"),
            ("{ }", "deny identity_token_mismatch r"),
        ],
    );
    tokens(&demand.replace("to:", "evidence: leaf, to:"), &[("{ client_id: front }", "deny binding_unavailable r")]);
    let form =
        ", bind: { claim: sub, form: 'system:serviceaccount:{ns}:{a}', to: peer.spiffe, map: 'spiffe://prod.example/ns/{ns}/sa/{a}' }";
    tokens(
        form,
        &[
            ("{ sub: 'system:serviceaccount:web:front' }", "allow r"),
            ("{ sub: 'system:serviceaccount:web:front:x' }", "deny identity_token_mismatch r"),
        ],
    );
}

#[test]
fn step_up() {
    tokens(
        ", acr: [phr]",
        &[
            ("{ acr: phr }", "allow r"),
            ("{ acr: pwd }", "deny acr_insufficient r"),
            ("{ }", "deny acr_insufficient r"),
            ("{ acr: 1 }", "deny eval_error r"),
        ],
    );
    tokens(
        ", maxAge: 5m",
        &[
            ("{ auth_time: 1767225400 }", "allow r"),
            ("{ auth_time: 1767225000 }", "deny auth_too_old r"),
            ("{ }", "deny auth_too_old r"),
            ("{ auth_time: 1767225700 }", "deny eval_error r"),
            ("{ auth_time: '1767225400' }", "deny eval_error r"),
        ],
    );
}

#[test]
fn three_values() {
    // Something that does not hold settles it before something that cannot be told.
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

const OLD: &str = "{ rejected: token_expired, cookie: session, issuer: sessions }";

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
    assert!(decision.allow && decision.shadows.len() == 1 && decision.shadows[0].changes && !decision.shadows[0].indeterminate);
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
    assert_eq!(denial.text.unwrap(), format!("id {} unauthenticated", "0".repeat(32)));
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
