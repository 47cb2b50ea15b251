//! Rules in shadow mode, and watching.

use super::fixtures::*;
use crate::clock::UnixTime;
use crate::policy::{DecisionId, DecisionRequest, Mismatch, RuleOutcome, TraceRecorder, Truth};

const WEB: &str = "{ name: web, effect: allow, on: { paths: [/web] }, peer: { any: true } }";

fn shadows(set: &crate::policy::PolicySet, path: &str) -> Vec<(String, Truth, bool)> {
    let decision = decide(set, &web(), &get(path));
    decision.shadows().iter().map(|s| (s.rule.rule.to_string(), s.result, s.changes)).collect()
}

/// P16: a rule in shadow mode is reported and changes nothing.
#[test]
fn shadow_rules_are_reported_and_never_enforced() {
    let set = rules(&[
        WEB,
        "{ name: freeze, effect: deny, mode: shadow }",
        "{ name: open, effect: allow, mode: shadow, public: true }",
        "{ name: unsure, effect: deny, mode: shadow, source: [10.0.0.0/8] }",
        "{ name: quiet, effect: deny, mode: shadow, headers: [{ name: x, exists: true }] }",
    ]);
    assert_eq!(outcome(&set, &web(), &get("/web")), "allow web");
    assert_eq!(
        shadows(&set, "/web"),
        [
            ("freeze".into(), Truth::Holds, true),
            ("open".into(), Truth::Holds, false),
            ("unsure".into(), Truth::Unknown, true),
        ]
    );
    assert_eq!(outcome(&set, &web(), &get("/x")), "deny no_rule");
    assert_eq!(
        shadows(&set, "/x"),
        [
            ("freeze".into(), Truth::Holds, false),
            ("open".into(), Truth::Holds, true),
            ("unsure".into(), Truth::Unknown, false),
        ]
    );
}

#[test]
fn an_allow_in_shadow_would_not_change_what_a_deny_rule_denies() {
    let set = rules(&[
        "{ name: freeze, effect: deny }",
        "{ name: open, effect: allow, mode: shadow, public: true }",
    ]);
    assert_eq!(shadows(&set, "/"), [("open".into(), Truth::Holds, false)]);
}

#[test]
fn a_recorder_sees_every_check_and_the_same_decision() {
    let set = rules(&[
        WEB,
        "{ name: people, effect: allow, on: { methods: [GET] }, headers: [{ name: x, exists: true }], token: { issuer: corp } }",
    ]);
    let mut recorder = TraceRecorder::default();
    let (subject, request) = (web(), get("/x"));
    let now = UnixTime::from_secs(0);
    let question =
        DecisionRequest { subject: &subject, request: &request, now, id: DecisionId::default() };
    let traced = set.evaluate_traced(&question, &mut recorder);
    assert_eq!(format!("{traced:?}"), format!("{:?}", set.evaluate(&question)));
    let outcomes: Vec<_> = recorder.rules.iter().map(|trace| &trace.outcome).collect();
    assert_eq!(outcomes.len(), 1, "rules of other paths are not visited");
    let RuleOutcome::Judged { result, checks, .. } = outcomes[0] else { panic!() };
    let checks: Vec<_> = checks.iter().map(|c| (c.check.as_str(), c.truth)).collect();
    assert_eq!(*result, Truth::Fails);
    assert_eq!(checks, [("header x", Truth::Fails), ("token.issuer", Truth::Fails)]);
    let mut recorder = TraceRecorder::default();
    let other = request_to_post();
    set.evaluate_traced(
        &DecisionRequest { subject: &subject, request: &other, now, id: DecisionId::default() },
        &mut recorder,
    );
    assert!(
        recorder.rules.iter().any(|t| matches!(t.outcome, RuleOutcome::NotAbout(Mismatch::Method)))
    );
}

fn request_to_post() -> crate::request::RequestView {
    request("POST", "orders.example.com", "/web")
}
