//! The changes that would allow the request: for each rule that comes near, nearest first.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::Serialize;

use super::remedy::{ASK_AGAIN, remedy};
use super::rules::{NonMatchingRuleReport, PolicyReport, RuleCheckReport, RuleReport, RulesReport};
use crate::document::closest;
use crate::policy::{Decision, Effect, Mode, PolicySet, Truth};
use crate::reason::{Reason, Rejection};
use crate::request::RequestView;

/// A change that would allow the request.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SuggestedChange {
    /// `policy/rule`; none where it is about no rule.
    pub(super) rule: Option<String>,
    /// Everything that has to change, in words.
    pub(super) needs: Vec<String>,
}

/// How many rules that are about other requests are worth naming.
const MOST_NON_MATCHING: usize = 3;

/// The changes that would make `decision` an allow. `from` are the arguments that name the documents.
pub(super) fn all(
    decision: &Decision,
    rules: &RulesReport,
    policies: &PolicySet,
    (view, from): (&RequestView, &str),
) -> Vec<SuggestedChange> {
    let Decision::Deny(denial) = decision else { return Vec::new() };
    if denial.rule.as_ref().is_none() && denial.rejection.reason() != Reason::NoRule {
        // It was refused before any rule was asked.
        return vec![SuggestedChange {
            rule: None,
            needs: vec![instead_of(&denial.rejection, from)],
        }];
    }
    let about = || rules.policies.iter().flat_map(|p| p.rules.iter().map(move |rule| (p, rule)));
    let mut changes: Vec<_> = about().filter_map(|(p, rule)| must_not_deny(p, rule)).collect();
    let allowed = about()
        .any(|(_, rule)| rule.is(Effect::Allow, Mode::Enforce) && rule.result == Truth::Holds);
    if allowed {
        return changes;
    }
    let mut near: Vec<_> = about().filter_map(|(p, rule)| must_allow(p, rule)).collect();
    near.sort_by_key(|(named, change)| (!named, change.needs.len()));
    changes.extend(near.into_iter().map(|(_, change)| change));
    if changes.is_empty() {
        changes = other_rules(&rules.non_matching_rules, view);
    }
    if changes.is_empty() {
        changes.extend(no_rule_about(view, policies));
    }
    changes
}

/// The next thing to do about a refusal, with commands for the documents that the arguments `from` name.
fn instead_of(rejection: &Rejection, from: &str) -> String {
    let reason = rejection.reason();
    // The issuer may be at fault where the reason alone would blame the credential.
    let is_own = rejection.client_answer() == reason.client_answer();
    let advice = if is_own { remedy(reason) } else { ASK_AGAIN };
    let advice = advice.replace("--documents PATH", from);
    format!("{advice}; `countersign check --explain {reason}` says more")
}

fn named(policy: &PolicyReport, rule: &RuleReport) -> Option<String> {
    Some(format!("{}/{}", policy.policy, rule.rule))
}

/// A deny rule that matches, or that may match.
fn must_not_deny(policy: &PolicyReport, rule: &RuleReport) -> Option<SuggestedChange> {
    if !rule.is(Effect::Deny, Mode::Enforce) || rule.result == Truth::Fails {
        return None;
    }
    let unknown = rule.checks.iter().filter(|check| check.result == Truth::Unknown);
    let unknown: Vec<_> = unknown.filter_map(|check| check.change.as_ref()).collect();
    let needs = match unknown.split_first() {
        Some(_) => unknown
            .iter()
            .map(|why| format!("it denies unless it is certain not to match: {why}"))
            .collect(),
        None if rule.checks.is_empty() => {
            vec![String::from("it denies every request that it is about")]
        }
        None => {
            let checks: Vec<_> = rule.checks.iter().map(|own| told_apart(own, rule)).collect();
            vec![format!("it matches, and must not: {} must differ", checks.join(" or "))]
        }
    };
    Some(SuggestedChange { rule: named(policy, rule), needs })
}

/// The name of a check, with what it wants where another check of the rule is called the same.
fn told_apart(check: &RuleCheckReport, rule: &RuleReport) -> String {
    let namesakes = rule.checks.iter().filter(|other| other.check == check.check).count();
    match namesakes {
        0 | 1 => format!("`{}`", check.check),
        _ => format!("`{}` ({})", check.check, check.wants.join(", ")),
    }
}

/// An allow rule that does not hold, or does not count; and whether it is the one that came closest.
fn must_allow(policy: &PolicyReport, rule: &RuleReport) -> Option<(bool, SuggestedChange)> {
    if rule.effect != Effect::Allow {
        return None;
    }
    let mut needs: Vec<_> = rule.checks.iter().filter_map(|check| check.change.clone()).collect();
    if rule.is(Effect::Allow, Mode::Shadow) {
        needs.push(String::from("the rule is in shadow mode: `mode: enforce` makes it count"));
    }
    Some((rule.named, SuggestedChange { rule: named(policy, rule), needs }))
}

/// Rules about other requests: those that differ in the fewest respects first, and then those whose paths begin alike.
fn other_rules(
    non_matching_rules: &[NonMatchingRuleReport],
    view: &RequestView,
) -> Vec<SuggestedChange> {
    let path = view.raw_path.split(['?', '#']).next().unwrap_or_default();
    let mut near: Vec<_> =
        non_matching_rules.iter().filter(|rule| rule.effect == Effect::Allow).collect();
    near.sort_by_key(|rule| (rule.differs.len(), Reverse(alike(rule, path))));
    let change = |rule: &NonMatchingRuleReport| SuggestedChange {
        rule: Some(rule.rule.clone()),
        needs: rule
            .differs
            .iter()
            .map(|own| format!("the {} must be {}", own.what.as_str(), one_of(&own.about)))
            .collect(),
    };
    near.into_iter().take(MOST_NON_MATCHING).map(change).collect()
}

/// How much of the path the nearest of a rule's templates begins with.
fn alike(rule: &NonMatchingRuleReport, path: &str) -> usize {
    let common =
        |template: &String| template.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
    rule.differs.iter().flat_map(|own| &own.about).map(common).max().unwrap_or(0)
}

fn no_rule_about(view: &RequestView, policies: &PolicySet) -> Option<SuggestedChange> {
    let host = view.target.as_ref().ok()?.host.as_str();
    let hosts = policies.hosts();
    let known: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let near = closest(host, &known).map(|near| format!("; did you mean `{near}`?"));
    let needs = format!("no allow rule is about the host `{host}`{}", near.unwrap_or_default());
    Some(SuggestedChange { rule: None, needs: vec![needs] })
}

fn one_of(texts: &[String]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ")
}
