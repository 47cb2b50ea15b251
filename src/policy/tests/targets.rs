//! Which requests a policy is about: the form of the host, and the port of the connection.

use super::fixtures::*;
use crate::request::RequestView;

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
