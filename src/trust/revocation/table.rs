//! The table in which targets are looked up: 28 bytes for each entry, sorted by key.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::UnixTime;

use super::entry::{RevocationEntry, RevocationNote};
use super::target::{RevocationKind, RevocationMark, RevocationTarget, ShortKey};

/// The compiled entries of one list.
#[derive(Debug)]
pub struct RevocationTable {
    list: Arc<str>,
    slots: Vec<TableSlot>,
    /// The start in `slots` of the keys that begin with each two bytes, and the end of the last ones; nothing for a short table,
    /// which is searched whole.
    starts: Vec<u32>,
    notes: Vec<RevocationNote>,
    /// The kinds that have entries, by their bits.
    kinds: u16,
}

/// Collects entries.
#[derive(Debug)]
pub(super) struct TableBuilder {
    slots: Vec<TableSlot>,
    notes: Vec<RevocationNote>,
    note_numbers: HashMap<RevocationNote, u32>,
    kinds: u16,
}

/// An entry that applies.
#[derive(Clone, Copy, Debug)]
pub struct Revoked<'a> {
    /// The name of the list.
    pub list: &'a str,
    /// The kind of target that is revoked.
    pub kind: RevocationKind,
    /// Who, when and why.
    pub note: &'a RevocationNote,
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TableSlot {
    key: ShortKey,
    /// Seconds since 1970; what was issued from then on is not revoked. [`ALWAYS`]: all of it is.
    issued_before: u32,
    /// Seconds since 1970; from then on the entry does not count. [`ALWAYS`]: it does.
    expires: u32,
    note: u32,
}

const ALWAYS: u32 = u32::MAX;

/// The note of an entry that has none.
static SILENT: RevocationNote = RevocationNote { reason: None, author: None, at: None };

/// The most notes of one list. An entry beyond them counts without its note.
const MAX_NOTES: usize = 65_536;

/// Fewer entries than this are found as quickly without the starts, which take 256 KiB.
const SHORT_TABLE: usize = 8192;

/// How many starts there are: one for each two bytes, and an end.
const STARTS: usize = 65_537;

impl RevocationTable {
    /// A table of `entries` for the list called `list`.
    pub fn of<'a>(list: &str, entries: impl IntoIterator<Item = &'a RevocationEntry>) -> Self {
        let mut builder = TableBuilder::with_capacity(0);
        for entry in entries {
            let note = builder.note(entry.note());
            builder.push(entry.target(), entry.issued_before(), entry.expires(), note);
        }
        builder.build(list)
    }

    /// How many entries it has.
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many of them are not over at `now`.
    pub fn in_force(&self, now: UnixTime) -> usize {
        self.slots.iter().filter(|slot| !slot.is_over(now)).count()
    }

    /// True if it has none.
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) const fn kinds(&self) -> u16 {
        self.kinds
    }

    /// The entry for `key` that applies at `now` to what was issued at `issued_at`. An unknown time counts as long ago.
    pub(super) fn find(
        &self,
        kind: RevocationKind,
        key: &ShortKey,
        issued_at: Option<UnixTime>,
        now: UnixTime,
    ) -> Option<Revoked<'_>> {
        let bucket = self.bucket(key);
        let first = bucket.partition_point(|slot| slot.key < *key);
        let same = bucket.get(first..)?.iter().take_while(|slot| slot.key == *key);
        let slot = same.into_iter().find(|slot| slot.applies(issued_at, now))?;
        let note = usize::try_from(slot.note).ok().and_then(|at| self.notes.get(at));
        // An entry counts even if its reason is unknown.
        let note = note.unwrap_or(&SILENT);
        Some(Revoked { list: &self.list, kind, note })
    }

    /// The entries whose keys begin as `key` does: a few dozen of a million.
    fn bucket(&self, key: &ShortKey) -> &[TableSlot] {
        if self.starts.is_empty() {
            return &self.slots;
        }
        let at = prefix(key);
        let start = |at: usize| self.starts.get(at).and_then(|at| usize::try_from(*at).ok());
        let range = start(at).zip(start(at.saturating_add(1)));
        range.and_then(|(from, to)| self.slots.get(from..to)).unwrap_or(&self.slots)
    }
}

fn prefix(key: &ShortKey) -> usize {
    let [first, second, ..] = *key;
    usize::from(u16::from_be_bytes([first, second]))
}

impl TableBuilder {
    pub(super) fn with_capacity(entries: usize) -> Self {
        // The first note is that there is none.
        let (slots, notes) = (Vec::with_capacity(entries), vec![RevocationNote::default()]);
        Self { slots, notes, note_numbers: HashMap::new(), kinds: 0 }
    }

    pub(super) fn push<S: AsRef<str>>(
        &mut self,
        target: &RevocationTarget<S>,
        issued_before: Option<UnixTime>,
        expires: Option<UnixTime>,
        note: u32,
    ) {
        let RevocationMark { kind, key } = target.mark();
        self.kinds |= kind.bit();
        let (issued_before, expires) = (seconds(issued_before), seconds(expires));
        self.slots.push(TableSlot { key, issued_before, expires, note });
    }

    /// The number that `note` is kept under.
    pub(super) fn note(&mut self, note: &RevocationNote) -> u32 {
        if *note == RevocationNote::default() {
            return 0;
        }
        if let Some(number) = self.note_numbers.get(note) {
            return *number;
        }
        if self.notes.len() >= MAX_NOTES {
            return 0;
        }
        let number = u32::try_from(self.notes.len()).unwrap_or(0);
        self.notes.push(note.clone());
        self.note_numbers.insert(note.clone(), number);
        number
    }

    pub(super) fn build(mut self, list: &str) -> RevocationTable {
        self.slots.sort_unstable();
        self.slots.dedup();
        self.slots.shrink_to_fit();
        let starts = starts(&self.slots);
        let (slots, notes, kinds) = (self.slots, self.notes, self.kinds);
        RevocationTable { list: list.into(), slots, starts, notes, kinds }
    }
}

fn starts(slots: &[TableSlot]) -> Vec<u32> {
    if slots.len() < SHORT_TABLE {
        return Vec::new();
    }
    let mut starts = vec![0u32; STARTS];
    for slot in slots {
        if let Some(count) = starts.get_mut(prefix(&slot.key).saturating_add(1)) {
            *count = count.saturating_add(1);
        }
    }
    let mut total = 0u32;
    for start in &mut starts {
        total = total.saturating_add(*start);
        *start = total;
    }
    starts
}

/// Whole seconds, rounded up: an entry is a moment too wide rather than too narrow. Before 1970 nothing was issued; what is
/// too far away to be counted never comes.
fn seconds(at: Option<UnixTime>) -> u32 {
    let Some(at) = at else { return ALWAYS };
    let secs = at.as_millis().saturating_add(999).div_euclid(1000);
    u32::try_from(secs.max(0)).unwrap_or(ALWAYS)
}

impl TableSlot {
    fn is_over(&self, now: UnixTime) -> bool {
        self.expires != ALWAYS && at(self.expires) <= now
    }

    fn applies(&self, issued_at: Option<UnixTime>, now: UnixTime) -> bool {
        let earlier = issued_at.is_none_or(|issued_at| issued_at < at(self.issued_before));
        !self.is_over(now) && (self.issued_before == ALWAYS || earlier)
    }
}

fn at(seconds: u32) -> UnixTime {
    UnixTime::from_secs(i64::from(seconds))
}
