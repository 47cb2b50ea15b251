//! All revocations at one moment, which a request is checked against.

use std::sync::Arc;

use crate::clock::UnixTime;

use super::table::{RevocationTable, Revoked};
use super::target::{RevocationMark, RevocationTarget};

/// The name of the list of revocations that were made while servers run.
pub const RUNNING: &str = "running";

/// The tables of every list, and whether one of them is too old to go on without it.
#[derive(Clone, Debug, Default)]
pub struct RevocationView {
    tables: Vec<Arc<RevocationTable>>,
    kinds: u16,
    stale: Option<Arc<str>>,
}

impl RevocationView {
    /// The revocations of `tables`.
    pub fn new(tables: Vec<Arc<RevocationTable>>) -> Self {
        let tables: Vec<_> = tables.into_iter().filter(|table| !table.is_empty()).collect();
        let kinds = tables.iter().fold(0, |kinds, table| kinds | table.kinds());
        Self { tables, kinds, stale: None }
    }

    /// The same where the list called `stale` is too old to decide without it.
    #[must_use]
    pub fn stale_by(mut self, stale: Option<Arc<str>>) -> Self {
        self.stale = stale;
        self
    }

    /// The tables that have entries.
    pub fn tables(&self) -> &[Arc<RevocationTable>] {
        &self.tables
    }

    /// A required list that is stale. Whether a credential is revoked cannot be determined then.
    pub fn stale(&self) -> Option<&str> {
        self.stale.as_deref()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.tables.iter().map(|table| table.len()).sum()
    }

    /// How many of them are not over at `now`.
    pub fn in_force(&self, now: UnixTime) -> usize {
        self.tables.iter().map(|table| table.in_force(now)).sum()
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The entry for `target` that applies at `now` to what was issued at `issued_at`; an unknown time counts as long ago.
    /// Costs nothing if no entry is of its kind.
    pub fn find(
        &self,
        target: &RevocationTarget<&str>,
        issued_at: Option<UnixTime>,
        now: UnixTime,
    ) -> Option<Revoked<'_>> {
        if self.kinds & target.kind().bit() == 0 {
            return None;
        }
        self.find_mark(&target.mark(), issued_at, now)
    }

    /// The same for a mark that was computed before.
    pub fn find_mark(
        &self,
        mark: &RevocationMark,
        issued_at: Option<UnixTime>,
        now: UnixTime,
    ) -> Option<Revoked<'_>> {
        if self.kinds & mark.kind.bit() == 0 {
            return None;
        }
        self.tables.iter().find_map(|table| table.find(mark.kind, &mark.key, issued_at, now))
    }
}
