//! Counting the outcomes of records.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::judge::{ChangeGroup, ChangeKind, Comparison};
use super::side::Lack;
use crate::audit::DecisionRecord;
use crate::limits::MAX_REPLAY_GROUPS;
use crate::reason::Reason;

/// Most names of fields that are listed.
const MAX_UNKNOWN_FIELDS: usize = 10;

/// How many records, and the requests that they stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "CountReport")]
pub(in crate::cli) struct Count {
    pub(in crate::cli) records: u64,
    /// A record that was sampled at 0.3 stands for 3,333 thousandths of a request.
    thousandths: u64,
}

/// A count as programs read it.
#[derive(Serialize, JsonSchema)]
struct CountReport {
    records: u64,
    /// Estimated where allows are sampled.
    requests: u64,
}

/// Records of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) count: Count,
    /// The first ones: decision ids, and the log that each is in.
    pub(super) examples: Vec<(String, usize)>,
}

/// Lines that are not decided again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct IgnoredLines {
    /// By the filters of the command.
    pub(super) filtered: u64,
    /// Signals that something is odd, which are no decisions.
    pub(super) events: u64,
    /// Lines that end too early, are too long, or are not text.
    pub(super) torn: u64,
    /// JSON that is no record.
    pub(super) foreign: u64,
    /// Records without a field that each one has today.
    pub(super) older: u64,
}

/// Everything that was counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) all: Count,
    pub(super) same: Count,
    /// Those of them whose reason, or whose headers, cannot be determined.
    pub(super) unsure: Count,
    pub(super) ignored: IgnoredLines,
    pub(super) changes: BTreeMap<ChangeGroup, Group>,
    pub(super) lacks: BTreeMap<Lack, Group>,
    pub(super) outside: BTreeMap<Reason, Count>,
    /// Changes that have no room among the groups.
    pub(super) crowded: BTreeMap<ChangeKind, Count>,
    pub(super) revisions: BTreeMap<String, u64>,
    /// Records with fields that this version does not know, and their names.
    pub(super) newer: u64,
    pub(super) unknown_fields: BTreeSet<String>,
}

impl Count {
    pub(super) fn add(&mut self, other: Self) {
        self.records = self.records.saturating_add(other.records);
        self.thousandths = self.thousandths.saturating_add(other.thousandths);
    }

    /// The requests that the records stand for.
    pub(super) const fn requests(self) -> u64 {
        self.thousandths.saturating_add(500) / 1000
    }

    /// One record.
    fn of(record: &DecisionRecord) -> Self {
        let rate = record.sample_rate;
        let is_sampled = rate > 0.0 && rate < 1.0;
        let estimate = || format!("{:.0}", 1000.0 / rate).parse().unwrap_or(u64::MAX);
        Self { records: 1, thousandths: if is_sampled { estimate() } else { 1000 } }
    }
}

impl From<Count> for CountReport {
    fn from(count: Count) -> Self {
        Self { records: count.records, requests: count.requests() }
    }
}

impl Group {
    fn merge(&mut self, other: Self, most: usize) {
        self.count.add(other.count);
        let room = most.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

impl Tally {
    /// Counts one record of the log at position `log`, with at most so many examples of each group.
    pub(super) fn add(
        &mut self,
        record: &DecisionRecord,
        verdict: Comparison,
        log: usize,
        most: usize,
    ) {
        let count = Count::of(record);
        self.all.add(count);
        add_bounded(&mut self.revisions, record.revision.clone());
        let group = || Group { count, examples: vec![(record.decision_id.clone(), log)] };
        match verdict {
            Comparison::Same { unsure } => {
                self.same.add(count);
                if unsure {
                    self.unsure.add(count);
                }
            }
            Comparison::Changed(change) => self.change(*change, group(), most),
            Comparison::CannotTell(lack) => self.lack(lack, group(), most),
            Comparison::Outside(reason) => self.outside.entry(reason).or_default().add(count),
        }
    }

    /// Adds what was counted after it, with at most so many examples of each group.
    pub(super) fn merge(&mut self, other: Self, most: usize) {
        self.all.add(other.all);
        self.same.add(other.same);
        self.unsure.add(other.unsure);
        self.ignored.add(other.ignored);
        self.newer = self.newer.saturating_add(other.newer);
        other.changes.into_iter().for_each(|(own, group)| self.change(own, group, most));
        other.lacks.into_iter().for_each(|(own, group)| self.lack(own, group, most));
        for (reason, count) in other.outside {
            self.outside.entry(reason).or_default().add(count);
        }
        for (kind, count) in other.crowded {
            self.crowded.entry(kind).or_default().add(count);
        }
        for (revision, count) in other.revisions {
            let own = self.revisions.entry(revision).or_default();
            *own = own.saturating_add(count);
        }
        other.unknown_fields.iter().for_each(|name| self.add_unknown_field(name));
    }

    /// Remembers the name of a field that is not known.
    pub(super) fn add_unknown_field(&mut self, name: &str) {
        if self.unknown_fields.len() < MAX_UNKNOWN_FIELDS {
            self.unknown_fields.insert(name.to_owned());
        }
    }

    fn change(&mut self, change: ChangeGroup, group: Group, most: usize) {
        if self.changes.len() >= MAX_REPLAY_GROUPS && !self.changes.contains_key(&change) {
            self.crowded.entry(change.change).or_default().add(group.count);
            return;
        }
        self.changes.entry(change).or_default().merge(group, most);
    }

    fn lack(&mut self, lack: Lack, group: Group, most: usize) {
        // The data is from a short list, and the rules are those of the documents.
        self.lacks.entry(lack).or_default().merge(group, most);
    }

    /// True if some record stands for several requests.
    pub(super) fn is_sampled(&self) -> bool {
        self.all.requests() != self.all.records
    }

    /// The records of each change.
    pub(super) fn changed(&self) -> BTreeMap<ChangeKind, Count> {
        let mut all = self.crowded.clone();
        for (change, group) in &self.changes {
            all.entry(change.change).or_default().add(group.count);
        }
        all
    }
}

fn add_bounded(revisions: &mut BTreeMap<String, u64>, revision: String) {
    let known = revisions.len() < MAX_REPLAY_GROUPS || revisions.contains_key(&revision);
    let own = revisions.entry(if known { revision } else { String::from("others") }).or_default();
    *own = own.saturating_add(1);
}

impl IgnoredLines {
    fn add(&mut self, other: Self) {
        let Self { filtered, events, torn, foreign, older } = other;
        let pairs = [
            (&mut self.filtered, filtered),
            (&mut self.events, events),
            (&mut self.torn, torn),
            (&mut self.foreign, foreign),
            (&mut self.older, older),
        ];
        for (own, more) in pairs {
            *own = own.saturating_add(more);
        }
    }
}
