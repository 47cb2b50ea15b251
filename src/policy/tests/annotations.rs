//! Annotations of rules go with decisions, and have no part in them.

use serde_json::json;

use super::fixtures::*;
use crate::limits::{MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS};
use crate::policy::{Decision, PolicySet};
use crate::reason::Reason;

fn noted(decision: &Decision) -> String {
    let notes = decision.annotations().iter().map(|(name, value)| format!("{name}={value}"));
    notes.collect::<Vec<_>>().join(" ")
}

fn annotated() -> PolicySet {
    let rules = "target: { hosts: [orders.example.com] }
rules:
  - { name: plain, effect: allow, on: { paths: [/plain] }, peer: { any: true } }
  - { name: own, effect: allow, on: { paths: [/own] }, peer: { any: true }, annotations: { ticket: SEC-2, page: 'https://wiki.example/own', example.com/tool: x } }
  - { name: closed, effect: deny, on: { paths: [/closed] }, annotations: { ticket: SEC-3 } }";
    let notes = "annotations: { owner: team-orders, ticket: SEC-1, kubectl.kubernetes.io/last-applied-configuration: '{\"a\": 1}' }";
    compile(
        &policy("orders", rules).replace(
            "metadata: { name: orders }",
            &format!("metadata: {{ name: orders, {notes} }}"),
        ),
    )
}

#[test]
fn annotations_of_the_policy_and_the_rule_go_with_its_decisions() {
    let set = annotated();
    for (path, notes) in [
        ("/plain", "owner=team-orders ticket=SEC-1"),
        ("/own", "owner=team-orders page=https://wiki.example/own ticket=SEC-2"),
        ("/closed", "owner=team-orders ticket=SEC-3"),
        ("/nowhere", ""),
    ] {
        assert_eq!(noted(&decide(&set, &web(), &get(path))), notes, "{path}");
    }
    // The rule that came closest is the one to read about.
    assert_eq!(
        noted(&decide(&set, &anonymous(), &get("/plain"))),
        "owner=team-orders ticket=SEC-1"
    );
    let Decision::Allow(permit) = decide(&set, &web(), &get("/own")) else { panic!("not allowed") };
    let used_up = Decision::Deny(permit.refused(Reason::TokenReplayed.because("")));
    assert!(noted(&used_up).contains("ticket=SEC-2"));
}

/// P12: what a document notes goes to logs, so that it is short and of one line.
#[test]
fn annotations_are_few_and_short() {
    let rule = |notes: serde_json::Value| {
        let rule = json!({ "name": "r", "effect": "allow", "public": true, "annotations": notes });
        let text = format!("target: {{ hosts: [a.example] }}\nrules:\n  - {rule}");
        try_compile(&policy("p", &text))
            .1
            .iter()
            .filter(|p| p.severity == crate::document::Severity::Error)
            .map(|p| p.code)
            .collect::<Vec<_>>()
    };
    let many = |count: usize| (0..count).map(|n| (format!("n{n}"), json!("x"))).collect();
    for (notes, codes) in [
        (json!({ "ticket": "SEC-1" }), vec![]),
        (json!({ "ticket": "x".repeat(MAX_ANNOTATION_BYTES) }), vec![]),
        (json!({ "ticket": "x".repeat(MAX_ANNOTATION_BYTES + 1) }), vec!["invalid-value"]),
        (json!({ "example.com/ticket": "x".repeat(MAX_ANNOTATION_BYTES + 1) }), vec![]),
        (json!({ "ticket": "a\nb" }), vec!["invalid-value"]),
        (json!({ "ticket": "" }), vec!["invalid-value"]),
        (json!({ "two words": "x" }), vec!["invalid-name"]),
        (serde_json::Value::Object(many(MAX_ANNOTATIONS)), vec![]),
        (serde_json::Value::Object(many(MAX_ANNOTATIONS + 1)), vec!["too-many"]),
    ] {
        assert_eq!(rule(notes.clone()), codes, "{notes}");
    }
}
