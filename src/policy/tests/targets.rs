//! Which requests a policy is about: the form of the host, and the port of the connection.

use super::fixtures::*;
use crate::request::{Client, RequestView, ServerName};

fn connected_to(address: Option<&str>, mut request: RequestView) -> RequestView {
    request.destination.address = address.map(|address| address.parse().unwrap());
    request
}

/// P121: `ports` are those of the connection, whatever the caller writes behind the host or as the scheme.
#[test]
fn ports_are_those_of_the_connection() {
    let of = |effect: &str| {
        let target =
            "target: { hosts: [orders.example.com], anyAuthorityPort: true, ports: [443] }\n";
        let own = format!("rules: [{{ name: r, effect: {effect}, peer: {{ any: true }} }}]");
        let all = "target: { hosts: [orders.example.com], anyAuthorityPort: true }\nrules: [{ name: all, effect: allow, peer: { any: true } }]";
        let all = policy(
            "all",
            if effect == "deny" {
                all
            } else {
                "target: { hosts: [x] }\nrules: [{ name: all, effect: deny }]"
            },
        );
        compile(&[policy("p", &format!("{target}{own}")), all].concat())
    };
    let (allow, deny) = (of("allow"), of("deny"));
    for (address, allowed, denied) in [
        (Some("10.0.0.7:443"), "allow r", "deny rule_denied r"),
        (Some("[::1]:443"), "allow r", "deny rule_denied r"),
        (Some("10.0.0.7:8443"), "deny no_rule", "allow all"),
        // A pipe has no port, and a proxy need not tell.
        (None, "deny no_rule", "deny rule_denied r"),
        (Some("10.0.0.7:0"), "deny no_rule", "deny rule_denied r"),
    ] {
        for (host, scheme) in [
            ("orders.example.com", "https"),
            ("orders.example.com", "http"),
            ("orders.example.com", ""),
            ("orders.example.com:443", "https"),
            ("orders.example.com:9999", "https"),
        ] {
            let mut request = connected_to(address, request("GET", host, "/"));
            request.scheme = scheme.into();
            assert_eq!(outcome(&allow, &web(), &request), allowed, "{address:?} {host} {scheme}");
            assert_eq!(outcome(&deny, &web(), &request), denied, "{address:?} {host} {scheme}");
        }
    }
}

/// P120: a proxy that compares whole authorities routes each form of a host to another place, so that a rule allows the form
/// that its target names, and no other.
#[test]
fn a_host_in_another_form_is_another_host() {
    let of = |target: &str| {
        let rule = "rules: [{ name: r, effect: allow, peer: { any: true } }]";
        compile(&policy("p", &format!("target: {{ {target} }}\n{rule}")))
    };
    let any = "anyAuthorityPort: true";
    for (target, allowed, refused) in [
        (
            "hosts: [a.com]",
            &["a.com", "A.com"][..],
            &["a.com:443", "a.com:80", "a.com.", "a.com.:443"][..],
        ),
        ("hosts: ['*.com']", &["a.com"], &["a.com:443", "a.com.", "a.com.:443"]),
        (
            "hosts: ['a.com:443']",
            &["a.com:443", "A.COM:443"],
            &["a.com", "a.com:80", "a.com.", "a.com.:443"],
        ),
        ("hosts: [a.com, 'a.com:443']", &["a.com", "a.com:443"], &["a.com:80", "a.com."]),
        ("hosts: ['*.com:443']", &["a.com:443"], &["a.com", "a.com:80"]),
        ("hosts: [a.com.]", &["a.com."], &["a.com", "a.com:443", "a.com.:443", "a.com.."]),
        (&format!("hosts: [a.com], {any}"), &["a.com", "a.com:1"], &["a.com.", "a.com.:443"]),
        (
            &format!("hosts: [b.com, 'a.com:443'], {any}"),
            &["b.com:1", "a.com:443"],
            &["a.com", "a.com:80"],
        ),
        ("hosts: ['[::1]']", &["[::1]"], &["[::1]:443", "[0:0:0:0:0:0:0:1]"]),
        ("anyHost: true", &["a.com", "10.0.0.7"], &["a.com:443", "10.0.0.7:8080", "a.com."]),
        (&format!("anyHost: true, {any}"), &["a.com", "a.com:443"], &["a.com.", "a.com.:443"]),
    ] {
        let set = of(target);
        for host in allowed {
            let outcome = outcome(&set, &web(), &request("GET", host, "/"));
            assert_eq!(outcome, "allow r", "{target}: {host}");
        }
        for host in refused {
            let outcome = outcome(&set, &web(), &request("GET", host, "/"));
            assert!(outcome.starts_with("deny "), "{target}: {host}: {outcome}");
        }
    }
    let refused = outcome(&of("hosts: [a.com]"), &web(), &request("GET", "a.com:443", "/"));
    assert_eq!(refused, "deny host_invalid");
}

/// P120: a form that one policy asks for does not slip past the deny rules of another.
#[test]
fn a_deny_rule_is_about_every_form_of_its_host() {
    let set = compile(&[
        policy("open", "target: { hosts: [a.com], anyAuthorityPort: true }\nrules: [{ name: r, effect: allow, peer: { any: true } }]"),
        policy("dotted", "target: { anyHost: true, anyAuthorityPort: true }\nrules: [{ name: s, effect: allow, on: { paths: [/x] }, peer: { any: true } }]"),
        policy("no-admin", "target: { hosts: [a.com] }\nrules: [{ name: no, effect: deny, on: { paths: [/admin] } }]"),
        policy("no-port", "target: { hosts: ['a.com:81'] }\nrules: [{ name: no81, effect: deny }]"),
    ].concat());
    for (host, path, expected) in [
        ("a.com", "/admin", "deny rule_denied no"),
        ("a.com:443", "/admin", "deny rule_denied no"),
        ("a.com:443", "/", "allow r"),
        ("a.com:81", "/", "deny rule_denied no81"),
        ("a.com", "/", "allow r"),
    ] {
        assert_eq!(outcome(&set, &web(), &request("GET", host, path)), expected, "{host}{path}");
    }
}

/// P123: a server name is compared where there is one, and what Envoy does not tell is not made up.
#[test]
fn server_names_are_compared_and_never_made_up() {
    let allow = |name: &str, more: &str| {
        format!("  - {{ name: {name}, effect: allow, peer: {{ any: true }}{more} }}\n")
    };
    let deny = |name: &str, more: &str| format!("  - {{ name: {name}, effect: deny{more} }}\n");
    let set = compile(
        &[
            policy(
                "front",
                &format!(
                    "target: {{ hosts: [a.com], hostIsSni: true }}\nrules:\n{}",
                    allow("r", "")
                ),
            ),
            policy(
                "named",
                &format!(
                    "target: {{ hosts: [c.com] }}\nrules:\n{}",
                    allow("named", ", sni: ['*.C.com', c.com]")
                ),
            ),
            policy(
                "denied",
                &format!(
                    "target: {{ hosts: [d.com] }}\nrules:\n{}{}",
                    allow("open", ""),
                    deny("evil", ", sni: [evil.com]")
                ),
            ),
            policy(
                "tls",
                &format!(
                    "target: {{ hosts: [e.com] }}\nrules:\n{}{}",
                    allow("named", ", when: 'connection.sni == \"e.com\" || !has(connection.sni)'"),
                    deny("plain", ", when: '!connection.tls'")
                ),
            ),
        ]
        .concat(),
    );
    let name = |text: &str| ServerName::Name(text.into());
    for (host, sni, expected) in [
        ("a.com", name("a.com"), "allow r"),
        ("a.com", name("A.COM"), "allow r"),
        ("a.com", name("b.com"), "deny host_invalid r"),
        ("a.com", name("a.com."), "deny host_invalid r"),
        ("a.com", ServerName::Absent, "deny host_invalid r"),
        ("a.com", ServerName::Unknown, "deny host_invalid r"),
        ("c.com", name("c.com"), "allow named"),
        ("c.com", name("x.c.com"), "allow named"),
        ("c.com", name("x.y.c.com"), "deny no_rule named"),
        ("c.com", name("c.com."), "deny eval_error named"),
        ("c.com", ServerName::Absent, "deny no_rule named"),
        ("c.com", ServerName::Unknown, "deny eval_error named"),
        ("d.com", name("d.com"), "allow open"),
        ("d.com", name("EVIL.com"), "deny rule_denied evil"),
        ("d.com", name("evil.com."), "deny eval_error evil"),
        ("d.com", ServerName::Absent, "allow open"),
        ("d.com", ServerName::Unknown, "deny eval_error evil"),
        ("e.com", name("e.com"), "allow named"),
        ("e.com", name("x"), "deny no_rule named"),
        ("e.com", ServerName::Absent, "allow named"),
        ("e.com", ServerName::Unknown, "deny eval_error plain"),
    ] {
        let request = RequestView { sni: sni.clone(), ..request("GET", host, "/") };
        assert_eq!(outcome(&set, &web(), &request), expected, "{host} {sni:?}");
    }
}

/// P122: `source` is about the client, and an address that is not known is not that of the proxy in front.
#[test]
fn source_is_about_the_client() {
    let set = rules(&[
        "{ name: near, effect: allow, on: { paths: [/near] }, source: [10.0.0.0/8], peer: { any: true } }",
        "{ name: open, effect: allow, on: { paths: [/open] }, peer: { any: true } }",
        "{ name: far, effect: deny, on: { paths: [/open] }, source: [203.0.113.0/24] }",
        "{ name: seen, effect: allow, on: { paths: [/seen] }, peer: { any: true }, when: 'client.address == \"203.0.113.7\" && connection.source == \"10.0.0.1\"' }",
    ]);
    let far = Client::At("::ffff:203.0.113.7".parse().unwrap());
    for (path, client, expected) in [
        ("/near", Client::Connection, "allow near"),
        ("/near", far, "deny no_rule near"),
        ("/near", Client::Unknown, "deny eval_error near"),
        ("/open", Client::Connection, "allow open"),
        ("/open", far, "deny rule_denied far"),
        ("/open", Client::Unknown, "deny eval_error far"),
        ("/seen", far, "allow seen"),
        ("/seen", Client::Connection, "deny no_rule seen"),
        ("/seen", Client::Unknown, "deny eval_error seen"),
    ] {
        let mut request = RequestView { client, ..get(path) };
        request.source.address = Some("10.0.0.1:4711".parse().unwrap());
        assert_eq!(outcome(&set, &web(), &request), expected, "{path} {client:?}");
    }
}

/// P703: of the hosts of one target the narrowest that fits in its form counts, as of the paths of one rule.
#[test]
fn a_name_beside_a_wildcard_is_narrower_than_the_wildcard() {
    let of = |hosts: &str| {
        let named = format!(
            "target: {{ hosts: [{hosts}] }}\nrules: [{{ name: named, effect: allow, peer: {{ any: true }}, on: {{ paths: ['/a/**'] }} }}]"
        );
        let wide = "target: { hosts: ['*.example.com'] }\nrules: [{ name: wide, effect: allow, peer: { any: true }, on: { paths: ['/a/b'] } }]";
        compile(&[policy("p", &named), policy("q", wide)].concat())
    };
    for (hosts, speaks) in [
        ("a.example.com", "allow named"),
        ("a.example.com, '*.example.com'", "allow named"),
        ("'*.example.com', a.example.com", "allow named"),
        ("'*.example.com:8443', a.example.com", "allow named"),
        ("'*.example.com', 'a.example.com:8443'", "allow wide"),
        ("'*.example.com'", "allow wide"),
    ] {
        let request = request("GET", "a.example.com", "/a/b");
        assert_eq!(outcome(&of(hosts), &web(), &request), speaks, "{hosts}");
    }
}
