//! Requirements on requests.

use super::*;

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
fn a_deny_rule_is_about_all_that_an_allow_rule_beside_it_is_about() {
    let rules = ["{ name: r, effect: allow, public: true }", "{ name: d, effect: deny, on: { paths: [/x] } }"];
    let world = policy("{ hosts: [a.example.com.], anyAuthorityPort: true }", &rules);
    check(&world, "{ path: /, host: 'a.example.com.:444' }", "", "", "allow r");
    check(&world, "{ path: /x, host: 'a.example.com.:444' }", "", "", "deny rule_denied d");
    let world = policy("{ hosts: ['a.example.com:8443', 'a.example.com:8443.', a.example.com] }", &rules);
    check(&world, "{ path: /x, host: 'a.example.com:8443' }", "", "", "deny rule_denied d");
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
