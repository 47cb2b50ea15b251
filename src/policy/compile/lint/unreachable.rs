//! Rules that make no difference because of another one, of their own policy or of any other.

use std::collections::HashMap;
use std::sync::Arc;

use super::deny_gaps::left_open;
use super::repeated::repeated;
use crate::document::policy::{Effect, Mode};
use crate::document::{Code, RelativeDiagnostic, RelativeSpan};
use crate::policy::compile::compiled_policy::CompiledPolicy;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{HostPattern, PathTemplate, PolicyTarget};
use crate::request::parent_of;

/// Compares every rule with all others. Each lint comes with the position of the policy that it is about.
pub(in crate::policy) fn unreachable(
    policies: &[Arc<CompiledPolicy>],
) -> Vec<(usize, RelativeDiagnostic)> {
    let mut lints = repeated(policies);
    lints.extend(left_open(policies));
    let denies = UnconditionalRules::of(policies, denies_always);
    let allows = UnconditionalRules::of(policies, allows_always);
    if denies.is_empty() && allows.is_empty() {
        return lints;
    }
    for (at, policy) in policies.iter().enumerate() {
        for (rule, place) in policy.rules.iter().zip(&policy.rules_at) {
            let of_rule = [
                never_reached(rule, &policy.target, *place, &denies),
                open_anyway(rule, &policy.target, *place, &allows),
            ];
            lints.extend(of_rule.into_iter().flatten().map(|lint| (at, lint)));
        }
    }
    lints
}

fn never_reached(
    rule: &Rule,
    target: &PolicyTarget,
    place: RelativeSpan,
    denies: &UnconditionalRules<'_>,
) -> Option<RelativeDiagnostic> {
    if rule.mode != Mode::Enforce {
        return None;
    }
    let deny = denies.before(rule, target)?;
    let what = match rule.effect {
        Effect::Allow => "can never allow",
        Effect::Deny => "makes no difference",
    };
    let message = format!("rule `{}` {what}: deny rule `{}` covers it", rule.name.rule, deny.name);
    let help = "remove one of the two, or narrow the deny rule";
    Some(RelativeDiagnostic::warning(Code::NeverReached, place, message).help(help))
}

/// A rule that requires an identity, beside a public rule that allows the same requests.
fn open_anyway(
    rule: &Rule,
    target: &PolicyTarget,
    place: RelativeSpan,
    allows: &UnconditionalRules<'_>,
) -> Option<RelativeDiagnostic> {
    if rule.effect != Effect::Allow || !rule.requirements.ask_for_identity() {
        return None;
    }
    let allow = allows.before(rule, target)?;
    let message = format!(
        "rule `{}` requires an identity, and public rule `{}` allows the same without one",
        rule.name.rule, allow.name
    );
    let help = "narrow the public rule, or remove this one";
    Some(RelativeDiagnostic::warning(Code::OpenAnyway, place, message).help(help))
}

/// Rules that ask for nothing but a host, a method and a path, found by host.
struct UnconditionalRules<'a> {
    by_host: HashMap<&'a HostPattern, Vec<UnconditionalRule<'a>>>,
    any: Vec<UnconditionalRule<'a>>,
}

#[derive(Clone, Copy)]
struct UnconditionalRule<'a> {
    rule: &'a Rule,
    target: &'a PolicyTarget,
}

impl<'a> UnconditionalRules<'a> {
    fn of(policies: &'a [Arc<CompiledPolicy>], is_one: fn(&Rule) -> bool) -> Self {
        let mut denies = Self { by_host: HashMap::new(), any: Vec::new() };
        let rules =
            policies.iter().flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)));
        for (policy, rule) in rules.filter(|(_, rule)| is_one(rule)) {
            let deny = UnconditionalRule { rule, target: &policy.target };
            if deny.target.hosts.is_empty() {
                denies.any.push(deny);
            }
            for host in &deny.target.hosts {
                denies.by_host.entry(&host.host).or_default().push(deny);
            }
        }
        denies
    }

    fn is_empty(&self) -> bool {
        self.by_host.is_empty() && self.any.is_empty()
    }

    /// A wall that stands before everything that `rule` is about.
    fn before(&self, rule: &Rule, target: &PolicyTarget) -> Option<&'a Rule> {
        let first = target.hosts.first().map(|host| &host.host);
        let same = first.and_then(|host| self.by_host.get(host));
        let above = first.and_then(|host| match host {
            HostPattern::Exact(name) => Some(HostPattern::OneLabelBelow(parent_of(name)?.into())),
            HostPattern::OneLabelBelow(_) => None,
        });
        let above = above.and_then(|host| self.by_host.get(&host));
        let denies = [same, above, Some(&self.any)].into_iter().flatten().flatten();
        denies
            .copied()
            .find(|deny| deny.rule.name != rule.name && deny.covers(rule, target))
            .map(|deny| deny.rule)
    }
}

/// True if the rule counts for every request that it is about.
fn counts_always(rule: &Rule) -> bool {
    rule.mode == Mode::Enforce && rule.requires_nothing()
}

fn denies_always(rule: &Rule) -> bool {
    rule.effect == Effect::Deny && counts_always(rule)
}

fn allows_always(rule: &Rule) -> bool {
    rule.effect == Effect::Allow && counts_always(rule)
}

impl UnconditionalRule<'_> {
    fn covers(&self, rule: &Rule, target: &PolicyTarget) -> bool {
        let own = self.rule;
        subset(&target.hosts, &self.target.hosts, |wide, narrow| wide.covers(narrow))
            && (self.target.any_authority_port || !target.any_authority_port)
            && subset(&target.ports, &self.target.ports, |wide, narrow| wide == narrow)
            && subset(&rule.methods, &own.methods, |wide, narrow| wide == narrow)
            && subset(&rule.paths, &own.paths, PathTemplate::covers)
    }
}

/// True if each of `narrow` is covered by one of `wide`. An empty list means everything.
fn subset<T>(narrow: &[T], wide: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    let covered = |item: &T| wide.iter().any(|wide| covers(wide, item));
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(covered))
}
