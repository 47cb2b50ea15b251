//! One check and the snapshot that it is decided by. The steps are in files of their own, and `decide.rs` has their order.

use std::sync::Arc;

use super::current::CurrentSnapshot;
use super::outcome::AuditSink;
use super::point::Pdp;
use super::snapshot::Snapshot;
use crate::clock::Deadline;
use crate::policy::DecisionId;
use crate::request::SealedNames;

/// The decision point for one check, with the snapshot that was in force when the check arrived.
#[derive(Debug)]
pub struct Pinned<'a> {
    pub(super) pdp: &'a Pdp,
    pub(super) current: Arc<CurrentSnapshot>,
    /// Begins when the check arrives.
    pub(super) deadline: Deadline,
    pub(super) id: DecisionId,
    pub(super) audit: Option<&'a dyn AuditSink>,
}

impl Pdp {
    /// Takes the snapshot for one check that arrives now.
    pub fn pin(&self) -> Pinned<'_> {
        self.pin_until(Deadline::within(self.deadline()))
    }

    /// Takes the snapshot for one check that arrived when `deadline` began.
    pub fn pin_until(&self, deadline: Deadline) -> Pinned<'_> {
        let (current, id) = (self.current.load_full(), self.ids.next());
        Pinned { pdp: self, current, deadline, id, audit: None }
    }
}

impl<'a> Pinned<'a> {
    /// Records the decision in `audit`, which may refuse to let a request pass unrecorded.
    #[must_use]
    pub fn recorded_by(self, audit: Option<&'a dyn AuditSink>) -> Self {
        Self { audit, ..self }
    }
}

impl Pinned<'_> {
    /// The snapshot.
    pub fn snapshot(&self) -> &Snapshot {
        &self.current.snapshot
    }

    /// The headers that carry credentials.
    pub fn sealed(&self) -> &SealedNames {
        self.current.snapshot.sealed()
    }
}
