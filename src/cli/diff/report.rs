//! The comparison as values. Names and shapes are described in `docs/changing-policies.md` and are kept.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::places::{Place, Places};
use crate::cli::replay::ReplayReport;
use crate::policy::{AccessChange, Effect, RuleChange, RuleChangeKind, SetChange, SetPart};

/// Two sets of documents, compared in terms of access.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct DiffReport {
    /// Rules and documents of trust.
    pub(super) entries: Vec<ChangeEntry>,
    /// The cases of the suites of both sets that are decided otherwise.
    pub(super) cases: Vec<CaseEntry>,
    /// How many cases there are.
    pub(super) tried: usize,
    /// The decisions of a log under both.
    pub(super) replay: Option<ReplayReport>,
}

/// A rule, or a document of trust, that is not the same in both.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ChangeEntry {
    /// `rule`, `stripped header`, `stripped parameter`, `tokens`, `policy`, or the kind of the document of trust.
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) change: RuleChangeKind,
    pub(super) effect: Option<Effect>,
    pub(super) access: AccessChange,
    pub(super) keys: Vec<KeyEntry>,
    pub(super) before: Option<Place>,
    pub(super) after: Option<Place>,
}

/// A key that is not the same in both.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KeyEntry {
    pub(super) key: String,
    pub(super) access: AccessChange,
    pub(super) before: Option<Place>,
    pub(super) after: Option<Place>,
}

/// A case that is decided otherwise.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CaseEntry {
    /// `SUITE/NAME`, and which of several combinations.
    pub(super) case: String,
    /// `newly_allowed`, `newly_denied`, or `other` for another rule or reason.
    pub(super) change: &'static str,
    pub(super) was: String,
    pub(super) now: String,
    pub(super) place: Place,
}

impl DiffReport {
    /// The comparison of two sets whose documents of trust have the changes in `trust`.
    pub(super) fn new(
        (before, after): (&Places, &Places),
        trust: Vec<ChangeEntry>,
        replay: Option<ReplayReport>,
    ) -> Self {
        let changes = before.snapshot.policies().changes_to(after.snapshot.policies());
        let rules = changes.iter().map(|change| ChangeEntry::of(change, before, after));
        let sets = before.snapshot.policies().set_changes_to(after.snapshot.policies());
        let sets = sets.iter().map(|change| ChangeEntry::of_set(change, before, after));
        let (tried, cases) = cases(before, after);
        Self { entries: rules.chain(sets).chain(trust).collect(), cases, tried, replay }
    }

    /// True if no access, no decision and nothing that is sent changes.
    pub(super) fn is_unchanged(&self) -> bool {
        self.entries.iter().all(|own| own.access == AccessChange::Same)
            && self.cases.is_empty()
            && self.replay.as_ref().is_none_or(ReplayReport::is_unchanged)
    }
}

impl ChangeEntry {
    fn of(change: &RuleChange, before: &Places, after: &Places) -> Self {
        let places = |key: &str| (before.of(&change.rule, key), after.of(&change.rule, key));
        let keys = change.keys.iter().map(|own| {
            let (before, after) = places(&own.key);
            KeyEntry { key: own.key.clone(), access: own.access, before, after }
        });
        let (before, after) = places("");
        Self {
            kind: "rule",
            name: change.rule.to_string(),
            change: change.kind,
            effect: Some(change.effect),
            access: change.access,
            keys: keys.collect(),
            before,
            after,
        }
    }

    fn of_set(change: &SetChange, before: &Places, after: &Places) -> Self {
        let place = |of: &Places| {
            (change.part == SetPart::Policy).then(|| of.of_answer(&change.name)).flatten()
        };
        Self {
            kind: change.part.as_str(),
            name: change.name.clone(),
            change: change.kind,
            effect: None,
            access: change.access,
            keys: Vec::new(),
            before: place(before),
            after: place(after),
        }
    }
}

/// The number of cases in the suites of both sets, and those that are decided otherwise. A case of both counts once, as it is after.
fn cases(before: &Places, after: &Places) -> (usize, Vec<CaseEntry>) {
    let mut all = BTreeMap::new();
    for suite in before.suites.iter().chain(&after.suites) {
        let was = suite.run(before.snapshot.policies()).cases;
        let now = suite.run(after.snapshot.policies()).cases;
        for (was, now) in was.into_iter().zip(now) {
            let variant =
                if now.variant.is_empty() { String::new() } else { format!(" ({})", now.variant) };
            let case = format!("{}/{}{variant}", suite.name, now.name);
            all.insert(case, (was.decided, now.decided, Place::from(now.place)));
        }
    }
    let is_allow = |decided: &str| decided.starts_with("allow");
    let tried = all.len();
    let other = all.into_iter().filter(|(_, (was, now, _))| was != now);
    let entry = |(case, (was, now, place)): (String, (String, String, Place))| {
        let change = match (is_allow(&was), is_allow(&now)) {
            (false, true) => "newly_allowed",
            (true, false) => "newly_denied",
            (_, _) => "other",
        };
        CaseEntry { case, change, was, now, place }
    };
    (tried, other.map(entry).collect())
}
