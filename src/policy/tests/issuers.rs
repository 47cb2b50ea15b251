//! Rules that name several issuers.

use serde_json::{Value, json};

use super::fixtures::*;
use crate::authn::{Binding, Credential, Subject};
use crate::policy::{TraceRecorder, Truth};

/// A caller with a token of each of these issuers.
fn with(tokens: &[(&str, Value)]) -> Subject {
    let tokens = tokens.iter().map(|(issuer, claims)| token(issuer, claims.clone(), Binding::None));
    let tokens = match tokens.collect::<Vec<_>>() {
        none if none.is_empty() => Credential::Absent,
        some => Credential::Verified(some),
    };
    Subject::assertion(Credential::Absent, tokens)
}

/// P466: a token of any issuer of the list meets the rule, and of no other; never parts of two.
#[test]
fn a_token_of_any_issuer_of_the_list_counts() {
    let set = rules(&[
        "{ name: r, effect: allow, token: { issuer: [corp, partner], scopes: [read], subjects: [alice] }, inject: { headers: { x: '{token.claims./who}' } }, remove: { token: true } }",
    ]);
    let (alice, reads) = (json!({"sub": "alice"}), json!({"sub": "bob", "scope": "read"}));
    let good = |who: &str| json!({"sub": "alice", "scope": "read", "who": who});
    for (tokens, expected) in [
        (vec![("corp", good("c"))], "allow r"),
        (vec![("partner", good("p"))], "allow r"),
        (vec![("corp", alice.clone()), ("partner", good("p"))], "allow r"),
        (vec![("other", good("o"))], "deny token_missing r"),
        (vec![], "deny token_missing r"),
        (vec![("corp", alice.clone())], "deny scope_missing r"),
        (vec![("corp", alice.clone()), ("partner", reads.clone())], "deny scope_missing r"),
        (vec![("corp", reads), ("partner", json!({}))], "deny claim_mismatch r"),
    ] {
        assert_eq!(outcome(&set, &with(&tokens), &get("/")), expected, "{tokens:?}");
    }
    let both = with(&[("partner", good("p")), ("corp", good("c"))]);
    let permit = allowed(&set, &both, &get("/"));
    let headers = &permit.obligations().headers;
    assert_eq!(headers.first().map(|own| own.value.as_str()), Some("c"), "the order of the list");
    assert_eq!(permit.obligations().tokens.len(), 2, "the tokens of both are removed");
}

/// P466: a deny rule denies where any of the tokens meets it, whatever the caller puts first.
#[test]
fn a_deny_rule_looks_at_each_token() {
    let set = rules(&[
        "{ name: bob, effect: deny, token: { issuer: [corp, partner], subjects: [bob] } }",
        "{ name: late, effect: deny, token: { issuer: [corp, partner] }, when: 'token.claims.n > 3' }",
        "{ name: open, effect: allow, public: true }",
    ]);
    let person = |sub: &str, n: Value| json!({"sub": sub, "n": n});
    for (corp, partner, expected) in [
        (person("alice", json!(1)), person("alice", json!(1)), "allow open"),
        (person("alice", json!(1)), person("bob", json!(1)), "deny rule_denied bob"),
        (person("bob", json!(1)), person("alice", json!(1)), "deny rule_denied bob"),
        (person("alice", json!("x")), person("alice", json!(1)), "deny eval_error late"),
        (person("alice", json!("x")), person("alice", json!(9)), "deny rule_denied late"),
    ] {
        let subject = with(&[("corp", corp), ("partner", partner)]);
        assert_eq!(outcome(&set, &subject, &get("/")), expected);
    }
    assert_eq!(outcome(&set, &with(&[]), &get("/")), "allow open");
}

/// P466: a rule with several tokens is one rule, in shadow mode and for `explain`.
#[test]
fn a_rule_with_several_tokens_is_reported_once() {
    let set = rules(&[
        "{ name: s, effect: deny, mode: shadow, token: { issuer: [corp, partner], subjects: [bob] } }",
        "{ name: r, effect: allow, token: { issuer: [corp, partner], subjects: [bob] } }",
    ]);
    let subject = with(&[("corp", json!({"sub": "alice"})), ("partner", json!({"sub": "bob"}))]);
    let decision = decide(&set, &subject, &get("/"));
    let shadows: Vec<_> = decision.shadows().iter().map(|own| (own.result, own.changes)).collect();
    assert_eq!(shadows, [(Truth::Holds, true)]);
    let mut recorder = TraceRecorder::default();
    let question = crate::policy::DecisionRequest {
        subject: &subject,
        request: &get("/"),
        now: crate::clock::UnixTime::from_secs(1_800_000_000),
        id: crate::policy::DecisionId::default(),
    };
    set.evaluate_traced(&question, &mut recorder);
    assert_eq!(recorder.rules.len(), 2);
}

/// Each name of a list is a document, and stands there once.
#[test]
fn names_in_a_list_are_checked_each() {
    let problems = |issuer: &str| {
        let rule = format!("{{ name: r, effect: allow, token: {{ issuer: {issuer} }} }}");
        let text = policy("o", &format!("target: {{ hosts: [a.example] }}\nrules: [{rule}]"));
        let (_, problems) = try_compile(&text);
        problems
            .iter()
            .map(|own| format!("{} {}", own.code.as_str(), own.message))
            .collect::<Vec<_>>()
    };
    assert!(problems("[corp, partner]").is_empty());
    assert!(problems("corp").is_empty());
    let unknown = problems("[corp, partnr]");
    assert_eq!(unknown, ["unknown-issuer no TokenIssuer document is called `partnr`"]);
    assert_eq!(problems("[corp, corp]"), ["contradiction issuer `corp` is in the list twice"]);
    assert_eq!(problems("[]"), ["empty-list `issuer` is empty, so nothing can match"]);
    let target = "target: { hosts: [a.example], tokens: { issuers: [corp], others: ignored } }";
    let text = policy(
        "o",
        &format!(
            "{target}\nrules: [{{ name: r, effect: allow, token: {{ issuer: [corp, partner] }} }}]"
        ),
    );
    let (_, found) = try_compile(&text);
    assert!(found.iter().any(|own| own.message.contains("`partner`, and the target ignores")));
}
