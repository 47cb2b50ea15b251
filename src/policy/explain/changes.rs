//! The rules of two sets, compared in terms of access: which let in more callers and requests than before, and which fewer.

use crate::document::policy::{Effect, Mode};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::evaluate::policy_set::PolicySet;
use crate::policy::model::path::PathTemplate;
use crate::policy::model::rule_name::RuleName;
use crate::policy::model::target::PolicyTarget;
use crate::policy::requirement::condition::When;
use crate::policy::requirement::injection::{ObligationTemplate, Removal};
use crate::policy::requirement::list::AnyRequirement;
use crate::policy::requirement::rule_key::Reordered;
use crate::words::words;

words! {
    /// A change in terms of access.
    #[derive(serde::Serialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum AccessChange {
        /// The same requests are allowed, and the same is sent.
        Same "no change in access",
        /// The same requests are allowed, and denials are answered otherwise.
        OtherAnswer "no change in access, other answers",
        /// The same requests are allowed, and other headers, parameters or metadata go on with them.
        OtherHeaders "no change in access, other headers",
        /// More are.
        Widened "widened",
        /// Fewer are.
        Narrowed "narrowed",
        /// Some are that were not, and others are not that were.
        Both "widened and narrowed",
        /// The texts do not tell.
        CannotTell "cannot tell",
    }
}

words! {
    /// The change of a rule as a whole.
    #[derive(serde::Serialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum RuleChangeKind {
        /// Only the second set has it.
        Added "added",
        /// Only the first set has it.
        Removed "removed",
        /// Both have it.
        Changed "changed",
    }
}

/// The change of a rule.
#[derive(Debug)]
pub struct RuleChange {
    /// The rule.
    pub rule: RuleName,
    /// Its effect; that of the second set, where it changes.
    pub effect: Effect,
    /// True of both sets, or of one.
    pub kind: RuleChangeKind,
    /// All changes together.
    pub access: AccessChange,
    /// The keys that differ.
    pub keys: Vec<KeyChange>,
}

/// The change of one key of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The key, such as `on.paths` or `token.scopes`.
    pub key: String,
    /// The change.
    pub access: AccessChange,
}

/// The extents of two rules: the requests that they are about, and the callers that they ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Same,
    Grows,
    Shrinks,
    /// Neither has all of the other.
    Apart,
    Unclear,
    /// The same, with another answer to denied requests.
    OtherAnswer,
    /// The same, with other obligations.
    OtherHeaders,
}

impl PolicySet {
    /// The changes of rules from this set to `after`, by the names of rules.
    pub fn changes_to(&self, after: &Self) -> Vec<RuleChange> {
        let named = |set: &Self| {
            let rules = set.index.rules().map(|rule| (rule.name.clone(), rule.clone()));
            rules.collect::<std::collections::BTreeMap<_, _>>()
        };
        let (mut before, after) = (named(self), named(after));
        let mut all = Vec::new();
        for (name, rule) in &after {
            all.extend(match before.remove(name) {
                None => Some(whole(rule, RuleChangeKind::Added)),
                Some(old) => changed(&old, rule),
            });
        }
        all.extend(before.values().map(|rule| whole(rule, RuleChangeKind::Removed)));
        all.sort_by(|a, b| a.rule.cmp(&b.rule));
        all
    }
}

fn whole(rule: &Rule, kind: RuleChangeKind) -> RuleChange {
    let more = (rule.effect == Effect::Allow) == (kind == RuleChangeKind::Added);
    let access = match rule.mode {
        Mode::Shadow => AccessChange::Same,
        Mode::Enforce if more => AccessChange::Widened,
        Mode::Enforce => AccessChange::Narrowed,
    };
    RuleChange { rule: rule.name.clone(), effect: rule.effect, kind, access, keys: Vec::new() }
}

fn changed(before: &Rule, after: &Rule) -> Option<RuleChange> {
    let mut extents = Vec::new();
    if let Some(access) = turned(before, after) {
        let key = if before.effect == after.effect { "mode" } else { "effect" };
        extents.push(KeyChange { key: key.to_owned(), access });
    }
    let turned = extents.first().map(|own| own.access);
    let access = |extent| match (after.mode, after.effect, extent) {
        (Mode::Shadow, _, _) | (_, _, Extent::Same) => AccessChange::Same,
        (_, Effect::Allow, Extent::Grows) | (_, Effect::Deny, Extent::Shrinks) => {
            AccessChange::Widened
        }
        (_, Effect::Allow, Extent::Shrinks) | (_, Effect::Deny, Extent::Grows) => {
            AccessChange::Narrowed
        }
        (_, _, Extent::Apart) => AccessChange::Both,
        (_, _, Extent::Unclear) => AccessChange::CannotTell,
        (_, _, Extent::OtherAnswer) => AccessChange::OtherAnswer,
        (_, _, Extent::OtherHeaders) => AccessChange::OtherHeaders,
    };
    let keys = keys(before, after).into_iter();
    extents.extend(keys.map(|(key, extent)| KeyChange { key, access: access(extent) }));
    if extents.is_empty() {
        return None;
    }
    let all = extents.iter().map(|own| own.access).reduce(AccessChange::and);
    Some(RuleChange {
        rule: after.name.clone(),
        effect: after.effect,
        kind: RuleChangeKind::Changed,
        // A rule that did not count, or did the opposite, has no extent to compare with.
        access: turned.or(all).unwrap_or(AccessChange::Same),
        keys: extents,
    })
}

/// The change where the rule begins or ends to count, or to allow.
fn turned(before: &Rule, after: &Rule) -> Option<AccessChange> {
    let grants = |rule: &Rule| match (rule.mode, rule.effect) {
        (Mode::Shadow, _) => 0,
        (Mode::Enforce, Effect::Allow) => 1,
        (Mode::Enforce, Effect::Deny) => -1,
    };
    let is_other = before.effect != after.effect || before.mode != after.mode;
    is_other.then(|| match grants(after).cmp(&grants(before)) {
        std::cmp::Ordering::Greater => AccessChange::Widened,
        std::cmp::Ordering::Less => AccessChange::Narrowed,
        std::cmp::Ordering::Equal => AccessChange::Same,
    })
}

impl AccessChange {
    /// Both changes together.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Same, other) | (other, Self::Same) => other,
            (Self::OtherAnswer, other) | (other, Self::OtherAnswer) => other,
            (Self::OtherHeaders, other) | (other, Self::OtherHeaders) => other,
            (Self::CannotTell, _) | (_, Self::CannotTell) => Self::CannotTell,
            (one, other) if one == other => one,
            (_, _) => Self::Both,
        }
    }
}

impl Extent {
    /// Of two things, where each may have `all` of the other.
    const fn of(all_of_before: bool, all_of_after: bool) -> Self {
        match (all_of_before, all_of_after) {
            (true, true) => Self::Same,
            (true, false) => Self::Grows,
            (false, true) => Self::Shrinks,
            (false, false) => Self::Apart,
        }
    }
}

/// The keys that differ, and how their extents do.
fn keys(before: &Rule, after: &Rule) -> Vec<(String, Extent)> {
    let (old, new) = (&*before.target, &*after.target);
    let ports = |of: &PolicyTarget, other: &PolicyTarget| {
        is_list_in(&of.ports, &other.ports, PartialEq::eq)
    };
    let methods = |of: &Rule, other: &Rule| is_list_in(&of.methods, &other.methods, PartialEq::eq);
    let both = |in_after, in_before| Extent::of(in_after, in_before);
    let mut all = vec![
        ("target.hosts", both(are_hosts_in(old, new), are_hosts_in(new, old))),
        ("target.ports", both(ports(old, new), ports(new, old))),
        ("on.methods", both(methods(before, after), methods(after, before))),
        ("on.paths", of_paths(before, after)),
    ];
    if after.effect == Effect::Allow {
        let (own, others) = (new.leniency.covers(old.leniency), old.leniency.covers(new.leniency));
        all.push(("target.paths", Extent::of(own, others)));
        let (own, others) = (after.ignores_rejected_cookies, before.ignores_rejected_cookies);
        all.push(("rejectedCookies", Extent::of(own || !others, others || !own)));
    }
    // A wider entry has all of a narrower one, but how narrow a rule is decides which of several speaks.
    let narrowness = [
        ("target.hosts", is_same_set(&old.hosts, &new.hosts, PartialEq::eq)),
        ("on.paths", is_same_set(&before.paths, &after.paths, |a, b| a.covers(b) && b.covers(a))),
    ];
    for (key, extent) in &mut all {
        let is_other = narrowness.iter().any(|(own, is_same)| own == key && !is_same);
        if *extent == Extent::Same && is_other {
            *extent = Extent::OtherHeaders;
        }
    }
    let all = all.into_iter().filter(|(_, extent)| *extent != Extent::Same);
    let mut all: Vec<_> = all.map(|(key, extent)| (key.to_owned(), extent)).collect();
    all.extend(requirements(before, after));
    all.extend(obligations(before, after));
    if before.annotations != after.annotations {
        all.push(("annotations".to_owned(), Extent::OtherHeaders));
    }
    if before.answer != after.answer {
        all.push(("deny".to_owned(), Extent::OtherAnswer));
    }
    all
}

/// The paths. Those of a rule with a condition about captures are other ones where `{name}` stands for another segment.
fn of_paths(before: &Rule, after: &Rule) -> Extent {
    let is_in = |of: &Rule, other: &Rule| {
        is_list_in(&of.paths, &other.paths, |own, other: &PathTemplate| other.covers(own))
    };
    let conditions = [before, after].into_iter().flat_map(|own| own.requirements.each::<When>());
    let mut read = conditions.flat_map(|own| own.0.captures());
    match read.all(|name| is_captured_alike(name, before, after)) {
        true => Extent::of(is_in(before, after), is_in(after, before)),
        false => Extent::Unclear,
    }
}

/// True if `{name}` stands for the same segment of each path that both are about.
fn is_captured_alike(name: &str, before: &Rule, after: &Rule) -> bool {
    let mut pairs = before.paths.iter().flat_map(|own| after.paths.iter().map(move |b| (own, b)));
    before.paths == after.paths || pairs.all(|(own, other)| own.captures_as(other, name))
}

/// The obligations that differ.
fn obligations(before: &Rule, after: &Rule) -> Vec<(String, Extent)> {
    let (old, new) = (&before.obligations, &after.obligations);
    let sets = |own: &ObligationTemplate| ObligationTemplate {
        remove: Removal::default(),
        keep: None,
        ..own.clone()
    };
    let mut read = old.captures().chain(new.captures());
    let is_captured_alike = read.all(|name| is_captured_alike(name, before, after));
    let all = [
        ("target.keep", old.keep == new.keep),
        ("remove", old.remove == new.remove),
        ("inject", sets(old) == sets(new) && is_captured_alike),
    ];
    let other = all.into_iter().filter(|(_, is_same)| !is_same);
    other.map(|(key, _)| (key.to_owned(), Extent::OtherHeaders)).collect()
}

fn is_same_set<T>(one: &[T], other: &[T], is_same: impl Fn(&T, &T) -> bool) -> bool {
    let is_in = |part: &[T], whole: &[T]| {
        part.iter().all(|own| whole.iter().any(|other| is_same(own, other)))
    };
    is_in(one, other) && is_in(other, one)
}

/// True if everything in `part` is in `whole`. An empty list has everything.
fn is_list_in<T>(part: &[T], whole: &[T], is_in: impl Fn(&T, &T) -> bool) -> bool {
    whole.is_empty()
        || (!part.is_empty() && part.iter().all(|own| whole.iter().any(|other| is_in(own, other))))
}

fn are_hosts_in(part: &PolicyTarget, whole: &PolicyTarget) -> bool {
    let any_port = whole.any_authority_port || !part.any_authority_port;
    // Every host is every plain one.
    let plain = part.hosts.iter().all(|own| own.form.is_plain());
    let all = if whole.hosts.is_empty() {
        plain
    } else {
        is_list_in(&part.hosts, &whole.hosts, |own, other| other.covers(own))
    };
    any_port && all
}

/// The requirements that differ, by key.
fn requirements(before: &Rule, after: &Rule) -> Vec<(String, Extent)> {
    let of = |rule: &Rule| rule.requirements.iter().cloned().collect::<Vec<_>>();
    let (old, new) = (of(before), of(after));
    let mut stages: Vec<_> = old.iter().chain(&new).map(AnyRequirement::stage).collect();
    stages.sort_unstable();
    stages.dedup();
    let changed = |stage| {
        let at = |all: &[AnyRequirement]| {
            all.iter().filter(|own| own.stage() == stage).cloned().collect::<Vec<_>>()
        };
        let (olds, news) = (at(&old), at(&new));
        let one = olds.iter().chain(&news).next()?;
        let extent = Extent::of(implied(&old, &news), implied(&new, &olds));
        let extent = if extent == Extent::Apart && !are_comparable(&olds, &news) {
            Extent::Unclear
        } else if extent == Extent::Same && olds != news {
            of_order(one)
        } else {
            extent
        };
        (extent != Extent::Same).then(|| (one.path().to_owned(), extent))
    };
    stages.into_iter().filter_map(changed).collect()
}

/// True if every request that meets `own` meets `needed`: each of those follows from one of `own`.
fn implied(own: &[AnyRequirement], needed: &[AnyRequirement]) -> bool {
    needed.iter().all(|needed| own.iter().any(|own| needed.covers(own) == Some(true)))
}

/// True if the values of two that differ tell who gains.
fn are_comparable(olds: &[AnyRequirement], news: &[AnyRequirement]) -> bool {
    let is_clear = |own: &AnyRequirement, other| own.covers(other).is_some();
    olds.iter().all(|old| news.iter().all(|new| is_clear(old, new) && is_clear(new, old)))
}

/// The extent of two that the same callers meet, and that are written in another order or with other entries beside.
fn of_order(own: &AnyRequirement) -> Extent {
    match own.reordered() {
        Reordered::Identity => Extent::OtherHeaders,
        Reordered::Challenge => Extent::OtherAnswer,
        Reordered::Nothing => Extent::Same,
    }
}
