//! The state that the tasks of the register share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::list::TrackedList;
use super::live::LiveRevocations;
use super::options::BeforeFirstSync;
use super::state_folder::{RevocationFolder, SavedChanges};
use crate::clock::{Clock, UnixTime};
use crate::pdp::fetch::Fetcher;
use crate::store::{Position, Store, StoreKey};
use crate::sync::lock;
use crate::trust::{KnownIssuers, RUNNING, RevocationEntry, RevocationView};

/// The state that its tasks share.
pub(super) struct RegisterShared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) fetcher: Arc<dyn Fetcher>,
    pub(super) state: Mutex<RegisterState>,
    pub(super) current: ArcSwap<RevocationView>,
    /// Says that `current` is another one.
    pub(super) changed: watch::Sender<()>,
    /// The issuers of the documents.
    pub(super) known: ArcSwap<KnownIssuers>,
    /// The folder in which known revocations outlive a restart.
    pub(super) folder: Option<RevocationFolder>,
}

#[derive(Default)]
pub(super) struct RegisterState {
    /// The entries of the documents themselves.
    pub(super) written: Vec<(Arc<str>, Arc<[RevocationEntry]>)>,
    pub(super) of_documents: Option<Arc<RevocationView>>,
    /// The lists that are read beside the documents, by name.
    pub(super) lists: BTreeMap<String, TrackedList>,
    pub(super) live: LiveRevocations,
    /// The time of the last read from a store before the start.
    pub(super) saved_at: Option<UnixTime>,
    pub(super) sharing: Option<StoreExchange>,
}

/// The exchange with other replicas.
pub(super) struct StoreExchange {
    pub(super) store: Arc<Store>,
    pub(super) before_first_sync: BeforeFirstSync,
    pub(super) position: Position,
    /// True if all of it was read at least once.
    pub(super) synced: bool,
    /// When it was read last.
    pub(super) synced_at: Option<UnixTime>,
    /// The ids of the changes that other replicas do not have yet.
    pub(super) unshared: BTreeSet<StoreKey>,
    pub(super) failures: u32,
    pub(super) error: Option<String>,
    pub(super) task: Option<AbortHandle>,
}

impl RegisterShared {
    /// A panic in another task leaves nothing half-done here: what counts is published whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, RegisterState> {
        lock(&self.state)
    }

    /// Puts `state` in force.
    pub(super) fn publish(&self, state: &RegisterState) {
        let mut tables = Vec::new();
        tables
            .extend(state.of_documents.iter().flat_map(|written| written.tables().iter().cloned()));
        tables.extend(state.lists.values().filter_map(|list| list.table().cloned()));
        tables.push(state.live.table());
        let revocations = RevocationView::new(tables).stale_by(state.stale(&*self.clock));
        self.current.store(Arc::new(revocations));
        self.changed.send_replace(());
    }
}

impl StoreExchange {
    /// True if requests are refused because the store was never read.
    pub(super) fn refuses(&self) -> bool {
        !self.synced && self.before_first_sync != BeforeFirstSync::Allow
    }
}

impl RegisterState {
    /// Applies the revocations that were saved before the start.
    pub(super) fn begin_with(&mut self, saved: SavedChanges, now: UnixTime) {
        let known = saved.changes.len();
        self.saved_at = saved.synced_at;
        for change in saved.changes {
            self.live.apply(change);
        }
        self.live.forget(now);
        if known > 0 {
            tracing::info!(known, "running revocations as they were saved before the start");
        }
    }

    /// The first list whose absence refuses requests.
    pub(super) fn stale(&self, clock: &dyn Clock) -> Option<Arc<str>> {
        let running = self.sharing.as_ref().is_some_and(StoreExchange::refuses).then_some(RUNNING);
        let mut refusing = self.lists.iter().filter(|(_, list)| list.refuses(clock.now()));
        refusing.next().map(|(name, _)| name.as_str()).or(running).map(Into::into)
    }
}
