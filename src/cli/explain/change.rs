//! What would have to be otherwise for the request to be allowed: for each rule that comes near, nearest first.

use serde::Serialize;

use super::rules::{ElsewhereReport, PolicyReport, RuleReport, RulesReport};
use crate::document::closest;
use crate::policy::{Decision, Effect, Mode, PolicySet};
use crate::request::RequestView;

/// What would have to be otherwise.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    /// `policy/rule`; none where it is about no rule.
    pub(super) rule: Option<String>,
    /// What has to change, all of it, in words.
    pub(super) needs: Vec<String>,
}

/// How many rules that are about other requests are worth naming.
const MOST_ELSEWHERE: usize = 3;

/// What would have to be otherwise so that `decision` were an allow.
pub(super) fn all(
    decision: &Decision,
    rules: &RulesReport,
    policies: &PolicySet,
    view: &RequestView,
) -> Vec<Change> {
    let Decision::Deny(denial) = decision else { return Vec::new() };
    if denial.rule().is_none() && rules.policies.is_empty() {
        return match &view.target {
            Ok(target) if rules.elsewhere.is_empty() => {
                let host = target.host.as_str();
                before_rules(denial.rejection(), || nobody_is_about(host, policies))
            }
            Ok(_) | Err(_) => {
                before_rules(denial.rejection(), || other_rules(&rules.elsewhere, view))
            }
        };
    }
    let about = || rules.policies.iter().flat_map(|p| p.rules.iter().map(move |rule| (p, rule)));
    let mut changes: Vec<_> = about().filter_map(|(p, rule)| must_not_deny(p, rule)).collect();
    let allowed =
        about().any(|(_, rule)| rule.is(Effect::Allow, Mode::Enforce) && rule.result == "holds");
    if allowed {
        return changes;
    }
    let mut near: Vec<_> = about().filter_map(|(p, rule)| must_allow(p, rule)).collect();
    near.sort_by_key(|(named, change)| (!named, change.needs.len()));
    changes.extend(near.into_iter().map(|(_, change)| change));
    if changes.is_empty() {
        changes = other_rules(&rules.elsewhere, view);
    }
    changes
}

/// Where the request was refused before any rule was asked.
fn before_rules(
    rejection: &crate::reason::Rejection,
    else_rules: impl FnOnce() -> Vec<Change>,
) -> Vec<Change> {
    if rejection.reason() == crate::reason::Reason::NoRule {
        return else_rules();
    }
    vec![Change { rule: None, needs: vec![rejection.detail().to_owned()] }]
}

fn named(policy: &PolicyReport, rule: &RuleReport) -> Option<String> {
    Some(format!("{}/{}", policy.policy, rule.rule))
}

/// A deny rule that matches, or of which nobody can tell.
fn must_not_deny(policy: &PolicyReport, rule: &RuleReport) -> Option<Change> {
    if !rule.is(Effect::Deny, Mode::Enforce) || rule.result == "fails" {
        return None;
    }
    let unknown = rule.checks.iter().filter(|check| check.result == "unknown");
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
            let checks: Vec<_> =
                rule.checks.iter().map(|check| format!("`{}`", check.check)).collect();
            vec![format!("it matches, and must not: change one of {}", checks.join(", "))]
        }
    };
    Some(Change { rule: named(policy, rule), needs })
}

/// An allow rule that does not hold, or does not count; and whether it is the one that came closest.
fn must_allow(policy: &PolicyReport, rule: &RuleReport) -> Option<(bool, Change)> {
    if rule.effect != Effect::Allow.as_str() {
        return None;
    }
    let mut needs: Vec<_> = rule.checks.iter().filter_map(|check| check.change.clone()).collect();
    if rule.is(Effect::Allow, Mode::Shadow) {
        needs.push(String::from("the rule is in shadow mode: `mode: enforce` makes it count"));
    }
    Some((rule.named, Change { rule: named(policy, rule), needs }))
}

fn other_rules(elsewhere: &[ElsewhereReport], view: &RequestView) -> Vec<Change> {
    let allowing = |differs: &'static str| {
        elsewhere.iter().filter(move |rule| rule.differs == differs && rule.effect == "allow")
    };
    // A rule about the same path is nearer than one about another.
    let mut near: Vec<&ElsewhereReport> = allowing("port").chain(allowing("method")).collect();
    if near.is_empty() {
        let path = view.raw_path.split(['?', '#']).next().unwrap_or_default();
        near = allowing("path").collect();
        near.sort_by_key(|rule| std::cmp::Reverse(alike(rule, path)));
    }
    let change = |rule: &ElsewhereReport| Change {
        rule: Some(rule.rule.clone()),
        needs: vec![format!("the {} has to be {}", rule.differs, one_of(&rule.about))],
    };
    near.into_iter().take(MOST_ELSEWHERE).map(change).collect()
}

/// How much of the path the nearest of a rule's templates begins with.
fn alike(rule: &ElsewhereReport, path: &str) -> usize {
    let common =
        |template: &String| template.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
    rule.about.iter().map(common).max().unwrap_or(0)
}

fn nobody_is_about(host: &str, policies: &PolicySet) -> Vec<Change> {
    let hosts = policies.hosts();
    let known: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let near = closest(host, &known).map(|near| format!("; did you mean `{near}`?"));
    let needs = format!("no policy is about the host `{host}`{}", near.unwrap_or_default());
    vec![Change { rule: None, needs: vec![needs] }]
}

fn one_of(texts: &[String]) -> String {
    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(" or ")
}
