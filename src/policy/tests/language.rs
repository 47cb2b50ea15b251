//! Keys of the language besides hosts, paths and identities: times, destinations, fragments, and paths that are accepted on
//! purpose.

use super::fixtures::*;
use crate::clock::UnixTime;
use crate::policy::{DecisionId, DecisionRequest, PolicySet};
use crate::reason::Reason;
use crate::request::RequestView;

fn allows(set: &PolicySet, request: &RequestView) -> bool {
    decide(set, &web(), request).is_allow()
}

#[test]
fn a_rule_counts_at_its_time_and_at_no_other() {
    let office = "{ weekly: [{ days: [mon], from: '08:00', until: '18:00', zone: '+01:00' }] }";
    let rule = |effect: &str| {
        format!("{{ name: {effect}, effect: {effect}, peer: {{ any: true }}, during: {office} }}")
    };
    let allow = rules(&[&rule("allow")]);
    let deny = rules(&["{ name: a, effect: allow, peer: { any: true } }", &rule("deny")]);
    // 2026-01-05 is a Monday.
    for (seconds, inside) in [
        (1_767_596_399, false),
        (1_767_596_400, true),
        (1_767_632_399, true),
        (1_767_632_400, false),
    ] {
        let now = UnixTime::from_secs(seconds);
        let (subject, request) = (web(), get("/"));
        let question = DecisionRequest {
            subject: &subject,
            request: &request,
            now,
            id: DecisionId::default(),
        };
        assert_eq!(allow.evaluate(&question).is_allow(), inside, "{seconds}");
        assert_eq!(deny.evaluate(&question).is_allow(), !inside, "{seconds}");
    }
}

/// P74: the destination of a connection is unknown over a Unix socket, and an unknown result denies.
#[test]
fn a_destination_that_is_not_known_is_unknown() {
    let allow =
        rules(&["{ name: a, effect: allow, peer: { any: true }, destination: [10.0.0.0/8] }"]);
    let deny = rules(&[
        "{ name: a, effect: allow, peer: { any: true } }",
        "{ name: d, effect: deny, destination: [10.0.0.0/8] }",
    ]);
    for (address, allowed, denied) in [
        (Some("10.1.2.3:443"), true, true),
        (Some("[::ffff:10.1.2.3]:443"), true, true),
        (Some("192.0.2.1:443"), false, false),
        (None, false, true),
    ] {
        let mut request = get("/");
        request.destination.address = address.map(|text| text.parse().unwrap());
        assert_eq!(allows(&allow, &request), allowed, "{address:?}");
        assert_eq!(allows(&deny, &request), !denied, "{address:?}");
    }
}

const FRAGMENTS: &str = "
---
apiVersion: countersign.dev/v1alpha1
kind: Fragments
metadata: { name: shared }
spec:
  peers:
    web: { spiffe: ['spiffe://prod.example/ns/web/sa/*'] }
    web-shown: { use: web, evidence: leaf }
  tokens:
    reader: { issuer: corp, scopes: ['orders:read'] }
  conditions:
    own: token.sub == request.path.user // their own
    named: token.sub != ''
";

/// One rule written with fragments, and the same written out.
fn both(with: &str, without: &str) -> [PolicySet; 2] {
    let target = "target: { hosts: [orders.example.com] }\nrules:\n  - ";
    let with = policy("with", &format!("{target}{with}"));
    [
        compile(&format!("{with}{FRAGMENTS}")),
        compile(&policy("without", &format!("{target}{without}"))),
    ]
}

#[test]
fn a_fragment_means_what_it_says_written_out() {
    let head = "name: r, effect: allow, on: { paths: ['/users/{user}'] }";
    let sets = both(
        &format!(
            "{{ {head}, peer: {{ use: web-shown }}, token: {{ use: reader }}, conditions: [own, named], when: 'request.method == \"GET\"' }}"
        ),
        &format!(
            "{{ {head}, peer: {{ spiffe: ['spiffe://prod.example/ns/web/sa/*'], evidence: leaf }}, token: {{ issuer: corp, scopes: ['orders:read'] }}, \
                  when: 'token.sub == request.path.user && token.sub != \"\" && request.method == \"GET\"' }}"
        ),
    );
    let web = "spiffe://prod.example/ns/web/sa/front";
    let claims = |sub: &str, scope: &str| Some(serde_json::json!({ "sub": sub, "scope": scope }));
    for (subject, request, expected) in [
        (caller(Some(web), claims("alice", "orders:read")), get("/users/alice"), "allow r"),
        (caller(Some(web), claims("alice", "orders:read")), get("/users/bob"), "deny no_rule r"),
        (
            caller(Some(web), claims("alice", "orders:read")),
            request("POST", "orders.example.com", "/users/alice"),
            "deny no_rule r",
        ),
        (caller(Some(web), claims("alice", "orders")), get("/users/alice"), "deny scope_missing r"),
        (
            caller(Some("spiffe://prod.example/ns/mail/sa/x"), claims("alice", "orders:read")),
            get("/users/alice"),
            "deny cert_san r",
        ),
        (caller(Some(web), None), get("/users/alice"), "deny token_missing r"),
        (caller(None, claims("alice", "orders:read")), get("/users/alice"), "deny peer_missing r"),
    ] {
        for set in &sets {
            assert_eq!(outcome(set, &subject, &request), expected);
        }
    }
}

const LENIENT: &str = "paths: { encodedSlashes: keptByUpstream, parameters: removedByUpstream, emptySegments: mergedByUpstream }";

/// P19, P20, P21: a path with more than one reading passes only where an allow rule says how the upstream reads it.
#[test]
fn a_path_that_is_not_canonical_passes_only_where_a_target_accepts_it() {
    let of = |name: &str, target: &str, rules: &str| {
        policy(
            name,
            &format!("target: {{ hosts: [orders.example.com]{target} }}\nrules:\n  - {rules}"),
        )
    };
    let files = "{ name: files, effect: allow, peer: { any: true }, on: { paths: ['/files/*'] } }";
    let strict = compile(&of("strict", "", files));
    let lenient = compile(&of("lenient", &format!(", {LENIENT}"), files));
    let parameters = compile(&of("some", ", paths: { parameters: removedByUpstream }", files));
    for (path, by_all, by_some) in [
        ("/files/a", true, true),
        ("/files/a%2Fb", true, false),
        ("/files/a;v=1", true, true),
        ("/files//a", true, false),
        ("/files;x//a%2fb", true, false),
        ("/files/..;/admin", false, false),
        ("/files/a/../b", false, false),
        ("/files/%2e%2e", false, false),
        ("/files/a%2f..%2fb", false, false),
        ("/files/a\\b", false, false),
        ("/other;x", false, false),
    ] {
        assert_eq!(allows(&strict, &get(path)), path == "/files/a", "{path}");
        assert_eq!(allows(&lenient, &get(path)), by_all, "{path}");
        assert_eq!(allows(&parameters, &get(path)), by_some, "{path}");
    }
    for path in ["/files/a;v=1", "/other;x", "//files/a", "/files/a%2fb"] {
        let denied = decide(&strict, &web(), &get(path));
        let crate::policy::Decision::Deny(denial) = denied else { panic!("{path}") };
        assert_eq!(denial.rejection.reason(), Reason::PathNotCanonical, "{path}");
    }
}

/// Accepting a path is a matter of allow rules: a deny rule is about it in every way of writing it, in every policy.
#[test]
fn a_deny_rule_is_about_a_path_in_every_way_of_writing_it() {
    let set = compile(&format!(
        "{}{}",
        policy(
            "lenient",
            &format!(
                "target: {{ hosts: [orders.example.com], {LENIENT} }}\nrules:\n  - {{ name: all, effect: allow, peer: {{ any: true }} }}"
            )
        ),
        policy(
            "strict",
            "target: { hosts: [orders.example.com] }\nrules:\n  - { name: no-admin, effect: deny, on: { paths: [/admin, '/admin/**'] } }\n  - { name: own, effect: allow, public: true, on: { paths: ['/own/**'] } }"
        ),
    ));
    assert_eq!(outcome(&set, &web(), &get("/a;x")), "allow all");
    for path in
        ["/admin", "/admin;x", "//admin", "/admin;a=b/users", "/admin//users", "/admin/a%2Fb"]
    {
        assert_eq!(outcome(&set, &web(), &get(path)), "deny rule_denied no-admin", "{path}");
    }
    // The strict policy's allow rule is about canonical paths only.
    assert_eq!(outcome(&set, &anonymous(), &get("/own/a")), "allow own");
    assert!(!decide(&set, &anonymous(), &get("/own/a;x")).is_allow());
}
