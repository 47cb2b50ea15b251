//! The outcome of a replay as values. Names and shapes are described in `docs/changing-policies.md` and are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::judge::{ChangeGroup, ChangeKind, Replay};
use super::tally::{Count, Group, IgnoredLines, Tally};
use crate::cli::files::shown;

/// Recorded decisions under other documents.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct ReplayReport {
    /// The revision of the documents that are tried.
    pub(super) documents: String,
    /// The revision of those they are compared with; none where that is the record.
    pub(super) baseline: Option<String>,
    /// Every decision that was put to the documents.
    pub(super) all: Count,
    pub(super) unchanged: Count,
    /// Those of them whose reason, or what they inject, cannot be determined.
    pub(super) unsure: Count,
    pub(in crate::cli) changed: BTreeMap<ChangeKind, Count>,
    /// Changed decisions of groups that have no room here.
    pub(super) crowded: BTreeMap<ChangeKind, Count>,
    pub(super) changes: Vec<ChangeReport>,
    pub(super) cannot_tell: Vec<LackReport>,
    /// Decisions that no rules made, by reason.
    pub(super) outside: BTreeMap<&'static str, Count>,
    pub(super) ignored: IgnoredLines,
    /// Records of a later version of countersign.
    pub(super) newer: NewerReport,
    /// The documents by which the records were decided, with the number of records.
    pub(super) revisions: BTreeMap<String, u64>,
    /// True if records stand for several requests.
    pub(super) estimated: bool,
    /// The beginning of the command that explains a decision of each log.
    #[serde(skip)]
    pub(super) explain: Vec<String>,
}

/// Decisions that change alike.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ChangeReport {
    #[serde(flatten)]
    pub(super) change: ChangeGroup,
    #[serde(flatten)]
    pub(super) count: Count,
    /// The ids of decisions.
    pub(super) examples: Vec<String>,
    /// The log of the first one.
    #[serde(skip)]
    pub(super) log: usize,
}

/// Decisions that cannot be determined for want of one datum.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LackReport {
    pub(super) missing: String,
    /// The rule that needs it; empty where that is no rule.
    pub(super) rule: String,
    #[serde(flatten)]
    pub(super) count: Count,
    pub(super) examples: Vec<String>,
    #[serde(skip)]
    pub(super) log: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NewerReport {
    pub(super) records: u64,
    /// Their fields that this version does not know.
    pub(super) fields: BTreeSet<String>,
}

impl ReplayReport {
    pub(super) fn new(
        replay: &Replay,
        tally: &Tally,
        logs: &[PathBuf],
        documents: &[PathBuf],
    ) -> Self {
        let revision = |set: &super::side::ReplayedSet| set.snapshot.revision().to_string();
        let paths: Vec<_> =
            documents.iter().map(|path| format!("--documents {}", quoted(&shown(path)))).collect();
        let explain = |log: &PathBuf| {
            format!("countersign explain {} --audit {}", paths.join(" "), quoted(&shown(log)))
        };
        let fields = tally.unknown_fields.clone();
        Self {
            documents: revision(&replay.candidate),
            baseline: replay.baseline.as_ref().map(revision),
            all: tally.all,
            unchanged: tally.same,
            unsure: tally.unsure,
            changed: tally.changed(),
            crowded: tally.crowded.clone(),
            changes: changes(tally),
            cannot_tell: lacks(tally),
            outside: tally.outside.iter().map(|(own, count)| (own.as_str(), *count)).collect(),
            ignored: tally.ignored,
            newer: NewerReport { records: tally.newer, fields },
            revisions: tally.revisions.clone(),
            estimated: tally.is_sampled(),
            explain: logs.iter().map(explain).collect(),
        }
    }

    pub(in crate::cli) fn is_unchanged(&self) -> bool {
        self.changed.is_empty()
    }

    /// True unless there are decisions of rules, and none of them can be determined.
    pub(super) fn says_something(&self) -> bool {
        self.is_certain() || self.unchanged.records > 0 || !self.changed.is_empty()
    }

    /// True if each decision of a rule can be determined.
    pub(super) fn is_certain(&self) -> bool {
        self.cannot_tell.is_empty()
    }
}

/// By kind, those with the most records first.
fn changes(tally: &Tally) -> Vec<ChangeReport> {
    let report = |(change, group): (&ChangeGroup, &Group)| ChangeReport {
        change: change.clone(),
        count: group.count,
        examples: ids(group),
        log: log(group),
    };
    let mut all: Vec<_> = tally.changes.iter().map(report).collect();
    all.sort_by_key(|own| (own.change.change, std::cmp::Reverse(own.count.records)));
    all
}

fn lacks(tally: &Tally) -> Vec<LackReport> {
    let mut all: Vec<_> = tally
        .lacks
        .iter()
        .map(|(lack, group)| LackReport {
            missing: lack.missing.clone(),
            rule: lack.rule.clone(),
            count: group.count,
            examples: ids(group),
            log: log(group),
        })
        .collect();
    all.sort_by_key(|own| std::cmp::Reverse(own.count.records));
    all
}

fn ids(group: &Group) -> Vec<String> {
    group.examples.iter().map(|(id, _)| id.clone()).collect()
}

fn log(group: &Group) -> usize {
    group.examples.first().map_or(0, |(_, log)| *log)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
