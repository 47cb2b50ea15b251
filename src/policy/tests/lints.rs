//! Lints about rules that compile.

use super::fixtures::*;
use crate::document::Severity;

const PROD: &str = "---\napiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: { name: prod }\nspec: { spiffe: prod.example, authorities: [] }\n";
const EDGE: &str = "---\napiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: { name: edge }\nspec: { spiffe: edge.example, authorities: [] }\n";

/// `code@line:column` of each lint about documents; the first line of `text` is line 1.
fn lints(text: &str) -> Vec<String> {
    let (_, problems) = try_compile(text);
    assert!(problems.iter().all(|problem| problem.severity == Severity::Warning), "{problems:?}");
    let place = |problem: &crate::document::Diagnostic| {
        let (line, column) = problem.span.line_column();
        format!("{}@{line}:{column}", problem.code)
    };
    problems.iter().map(place).collect()
}

/// A policy with these rules; its first rule is on line 8.
fn of_rules(hosts: &str, rules: &[&str]) -> String {
    policy("p", &format!("target: {hosts}\nrules:\n  - {}", rules.join("\n  - ")))
}

fn one(rule: &str) -> Vec<String> {
    lints(&of_rules("{ hosts: [a.example.com] }", &[rule]))
}

#[test]
fn a_public_rule_names_its_paths() {
    for (on, expected) in [
        ("", 1),
        ("on: { methods: [GET] },", 1),
        ("on: { paths: ['/**'] },", 1),
        ("on: { paths: [/healthz] },", 0),
        ("source: [10.0.0.0/8],", 0),
    ] {
        let found = one(&format!("{{ name: r, {on} effect: allow, public: true }}"));
        assert_eq!(found.len(), expected, "{on} {found:?}");
    }
}

#[test]
fn a_deny_rule_over_a_tree_denies_its_root() {
    for (effect, paths, expected) in [
        ("deny", "['/admin/**']", 1),
        ("deny", "['/admin/**', /admin]", 0),
        ("deny", "['/admin/**', '/*']", 0),
        ("deny", "['/**']", 0),
        ("allow, peer: { any: true }", "['/admin/**']", 0),
    ] {
        let found = one(&format!("{{ name: r, effect: {effect}, on: {{ paths: {paths} }} }}"));
        assert_eq!(found.len(), expected, "{effect} {paths} {found:?}");
    }
}

#[test]
fn an_allow_rule_behind_a_wall_is_found() {
    let allow =
        "{ name: a, effect: allow, on: { methods: [GET], paths: [/a/b] }, peer: { any: true } }";
    for (deny, expected) in [
        ("{ name: d, effect: deny }", 1),
        ("{ name: d, effect: deny, on: { paths: ['/a/*'] } }", 1),
        ("{ name: d, effect: deny, on: { methods: [GET, POST], paths: [/a/b] } }", 1),
        ("{ name: d, effect: deny, on: { methods: [POST] } }", 0),
        ("{ name: d, effect: deny, on: { paths: [/a/c] } }", 0),
        ("{ name: d, effect: deny, mode: shadow }", 0),
        ("{ name: d, effect: deny, peer: { any: true } }", 0),
        ("{ name: d, effect: deny, headers: [{ name: x, exists: true }] }", 0),
    ] {
        for target in
            ["{ hosts: [a.example.com] }", "{ hosts: ['*.example.com'] }", "{ anyHost: true }"]
        {
            let text = [
                policy("p", &format!("target: {{ hosts: [a.example.com] }}\nrules: [{allow}]")),
                policy("q", &format!("target: {target}\nrules: [{deny}]")),
            ];
            let found = lints(&text.concat());
            assert_eq!(found.len(), expected, "{deny} {target} {found:?}");
        }
    }
    let text = [
        policy(
            "p",
            &format!("target: {{ hosts: [a.example.com, b.example.com] }}\nrules: [{allow}]"),
        ),
        policy("q", "target: { hosts: [a.example.com] }\nrules: [{ name: d, effect: deny }]"),
    ];
    assert!(lints(&text.concat()).is_empty(), "one of the hosts is free");
}

#[test]
fn a_pattern_that_no_trust_domain_vouches_for_is_found() {
    let rule = |peer: &str| {
        of_rules(
            "{ hosts: [a.example.com] }",
            &[&format!("{{ name: r, effect: allow, peer: {{ {peer} }} }}")],
        )
    };
    for (peer, expected) in [
        ("spiffe: ['spiffe://prod.example/a']", 0),
        ("spiffe: ['spiffe://prod.exmaple/a', 'spiffe://edge.example/x/**']", 1),
        ("spiffe: ['spiffe://edge.example/a'], trustDomain: prod", 1),
        ("spiffe: ['spiffe://edge.example/a'], trustDomain: edge", 0),
        ("any: true", 1),
    ] {
        let found = lints(&[PROD, EDGE, &rule(peer)].concat());
        assert_eq!(found.len(), expected, "{peer} {found:?}");
        assert_eq!(lints(&rule(peer)).len(), 0, "nothing is known of trust domains");
    }
}

#[test]
fn repetitions_are_found_at_their_place() {
    let text = of_rules(
        "{ hosts: [a.example.com, '*.example.com', b.example.org, b.example.org] }",
        &[
            "{ name: r, effect: allow, on: { methods: [GET, GET] }, token: { issuer: corp, scopes: [a, b, a] } }",
        ],
    );
    let found = lints(&text);
    assert_eq!(
        found,
        [
            "repeated-entry@8:54",
            "repeated-entry@8:100",
            "repeated-entry@6:21",
            "repeated-entry@6:68"
        ]
    );
}

#[test]
fn odd_conditions_are_found() {
    for (when, expected) in [
        ("1 < 2", 1),
        ("request.host.matches(\"admin\")", 1),
        ("request.host.matches(\"^admin$\")", 0),
        ("token.sub == \"a\"", 0),
    ] {
        let found = one(&format!(
            "{{ name: r, effect: allow, token: {{ issuer: corp }}, when: '{when}' }}"
        ));
        assert_eq!(found.len(), expected, "{when} {found:?}");
    }
}

/// P158: what upstreams take for the same is not left open without a word, and a deny rule that nothing is open beside is let be.
#[test]
fn a_deny_rule_leaves_nothing_open_without_a_word() {
    let open = |deny: &str, allow: &str| {
        let text = of_rules("{ hosts: [a.example.com] }", &[deny, allow]);
        let found = lints(&text);
        found.iter().filter(|doubt| doubt.starts_with("deny-leaves-open")).count()
    };
    let wide = "{ name: a, effect: allow, peer: { any: true } }";
    for (deny, allow, expected) in [
        ("on: { paths: [/admin] }", wide, 1),
        ("on: { paths: [/admin/] }", wide, 1),
        ("on: { paths: [/admin, /admin/] }", wide, 1),
        ("on: { paths: [/admin, /admin/, /Admin, /Admin/] }", wide, 0),
        ("on: { paths: [/admin, '/admin/**'] }", wide, 1),
        ("on: { paths: ['/**'] }", wide, 0),
        ("on: { paths: ['/{any}', '/{any}/'] }", wide, 0),
        ("on: { methods: [GET] }", wide, 1),
        ("on: { methods: [GET, HEAD] }", wide, 0),
        ("on: { methods: [POST] }", wide, 0),
        (
            "on: { paths: [/admin, /admin/] }, when: 'request.fullPath.matches(\"(?i)^/admin/?$\")'",
            wide,
            0,
        ),
        (
            "on: { paths: [/admin, /admin/] }, when: 'request.fullPath.matches(\"(?i)^/other$\")'",
            wide,
            1,
        ),
        ("when: 'request.fullPath.matches(\"(?i)^/admin$\")'", wide, 0),
        ("on: { grpc: [{ service: a.b.C, methods: [Do] }] }", wide, 0),
        ("on: { paths: [/admin] }, mode: shadow", wide, 0),
        (
            "on: { paths: [/admin] }",
            "{ name: a, effect: allow, peer: { any: true }, on: { paths: [/orders] } }",
            0,
        ),
        (
            "on: { paths: [/admin] }",
            "{ name: a, effect: allow, peer: { any: true }, on: { paths: ['/*'] } }",
            1,
        ),
        (
            "on: { paths: [/admin], methods: [POST] }",
            "{ name: a, effect: allow, peer: { any: true }, on: { methods: [PUT] } }",
            0,
        ),
    ] {
        let deny = format!("{{ name: d, effect: deny, {deny} }}");
        assert_eq!(open(&deny, allow), expected, "{deny} {allow}");
    }
    // Of other policies, too, whose hosts are wider or narrower.
    for (denied, allowed, expected) in [
        ("{ hosts: [a.example.com] }", "{ anyHost: true }", 1),
        ("{ hosts: [a.example.com] }", "{ hosts: ['*.example.com'] }", 1),
        ("{ hosts: ['*.example.com'] }", "{ hosts: [a.example.com] }", 1),
        ("{ anyHost: true }", "{ hosts: [a.example.com] }", 1),
        ("{ hosts: [a.example.com] }", "{ hosts: [b.example.com] }", 0),
    ] {
        let deny = policy(
            "d",
            &format!(
                "target: {denied}\nrules:\n  - {{ name: d, effect: deny, on: {{ paths: [/admin] }} }}"
            ),
        );
        let allow = policy("a", &format!("target: {allowed}\nrules:\n  - {wide}"));
        let found = lints(&format!("{deny}{allow}"));
        let open = found.iter().filter(|doubt| doubt.starts_with("deny-leaves-open")).count();
        assert_eq!(open, expected, "{denied} {allowed}: {found:?}");
    }
}

/// P187: texts that are compared, or sent, as they stand, and look like a pattern or a variable of some other language.
#[test]
fn texts_that_stand_for_nothing_else_are_doubted() {
    let rule = |more: &str| {
        format!(
            "{{ name: r, effect: allow, on: {{ paths: [/a] }}, token: {{ issuer: corp, {more} }} }}"
        )
    };
    for (more, expected) in [
        ("claims: [{ pointer: /tenant, equals: 'a*' }]", "odd-text"),
        ("claims: [{ pointer: /roles, contains: 'ROLE_*' }]", "odd-text"),
        ("claims: [{ pointer: /tenant, equals: '{request.path.id}' }]", "odd-text"),
        ("claims: [{ pointer: /tenant, equals: '${TENANT}' }]", "odd-text"),
        ("claims: [{ pointer: /admin, equals: yes }]", "odd-text"),
        ("clients: ['/^web$/']", "literal-pattern"),
        ("subjects: ['{sub}']", "literal-pattern"),
        ("claims: [{ pointer: /tenant, equals: 'a-b' }]", ""),
        ("subjects: ['{\"a\": 1}']", ""),
    ] {
        let found = one(&rule(more));
        let codes: Vec<_> = found.iter().map(|doubt| doubt.split('@').next().unwrap()).collect();
        assert_eq!(codes.concat(), expected, "{more} {found:?}");
    }
    for (value, expected) in [
        ("{{token.sub}}", "literal-template"),
        ("${token.sub}", "literal-template"),
        ("$(SUBJECT)", "literal-template"),
        ("%REQ(x-user)%", "literal-template"),
        ("{{note}} {token.sub}", ""),
        ("100% {token.sub}", ""),
    ] {
        let rule = format!(
            "{{ name: r, effect: allow, on: {{ paths: [/a] }}, token: {{ issuer: corp }}, inject: {{ headers: {{ x-a: '{value}' }} }} }}"
        );
        let found = one(&rule);
        assert_eq!(found.concat().split('@').next(), Some(expected), "{value} {found:?}");
    }
}

/// P186: two halves are the whole of one sort of address.
#[test]
fn halves_of_all_addresses_are_all_of_them() {
    for (source, expected) in [
        ("[0.0.0.0/1, 128.0.0.0/1]", 1),
        ("[0.0.0.0/2, 64.0.0.0/2, 128.0.0.0/1]", 1),
        ("['::/1', '8000::/1']", 1),
        ("[0.0.0.0/1, 128.0.0.0/1, '::/0']", 0),
        ("[0.0.0.0/1]", 0),
    ] {
        let found = one(&format!(
            "{{ name: r, effect: allow, public: true, on: {{ paths: [/a] }}, source: {source} }}"
        ));
        assert_eq!(found.len(), expected, "{source} {found:?}");
    }
}

/// P186, P188: names that nothing has, and values of which it is known that they are never sent.
#[test]
fn what_can_be_known_when_documents_are_loaded_is_reported_then() {
    for (more, code) in [
        ("headers: [{ name: 'x-debug*', exists: true }]", "invalid-header-name"),
        ("contextExtensions: { '': a }", "invalid-value"),
        ("sni: ['*.0.0.1']", "invalid-host"),
        ("sni: [10.0.0.7]", "invalid-host"),
        ("sni: ['[::1]']", "invalid-host"),
        ("inject: { query: { peer: '{peer.spiffe}' } }", "invalid-template"),
        ("inject: { headers: { x-a: ' {peer.spiffe}' } }", "invalid-template"),
        ("inject: { headers: { x-a: 'peer ' } }", "invalid-template"),
    ] {
        let rule = format!(
            "{{ name: r, effect: allow, on: {{ paths: [/a] }}, peer: {{ any: true }}, {more} }}"
        );
        let (_, problems) = try_compile(&of_rules("{ hosts: [a.example.com] }", &[&rule]));
        let errors = problems.iter().filter(|own| own.severity == Severity::Error);
        let codes: Vec<_> = errors.map(|own| own.code).collect();
        assert_eq!(codes, [code], "{more} {problems:?}");
    }
    for fine in [
        "inject: { query: { peer: '{peer.spiffe|hex}' } }",
        "inject: { metadata: { peer: ' {peer.spiffe}' } }",
        "headers: [{ name: x-debug, exists: true }]",
    ] {
        let rule = format!(
            "{{ name: r, effect: allow, on: {{ paths: [/a] }}, peer: {{ any: true }}, {fine} }}"
        );
        let (_, problems) = try_compile(&of_rules("{ hosts: [a.example.com] }", &[&rule]));
        assert!(problems.iter().all(|own| own.severity == Severity::Warning), "{problems:?}");
    }
}
