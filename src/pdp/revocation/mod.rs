//! What is revoked, from wherever it is known: the documents, the lists that they name, and what is revoked while servers
//! run. Beside the snapshot, so that a revocation needs no reload, survives every one of them, and is not kept waiting by a
//! mistake in some policy.

mod follow;
mod kept;
mod list;
mod reader;
mod running;
mod share;

pub use list::ListStatus;
pub use running::RUNNING;
pub use share::{Published, UnknownRevocation};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::clock::{Clock, UnixTime};
use crate::document::HumanDuration;
use crate::pdp::fetch::Fetcher;
use crate::secret::hex;
use crate::store::{Key, Position, Store};
use crate::trust::{KnownIssuers, RevocationEntry, Revocations, TrustStore};

use self::kept::{Kept, KeptRunning};
use self::list::Followed;
use self::running::Running;

/// Everything that is revoked, kept up to date. Called within a tokio runtime.
pub struct RevocationRegister {
    shared: Arc<Shared>,
    tick: AbortHandle,
}

/// What its tasks work on.
struct Shared {
    clock: Arc<dyn Clock>,
    fetcher: Arc<dyn Fetcher>,
    state: Mutex<State>,
    current: ArcSwap<Revocations>,
    /// Says that `current` is another one.
    changed: watch::Sender<()>,
    /// What the documents know of issuers.
    known: ArcSwap<KnownIssuers>,
    /// Where what is known outlives a restart.
    kept: Option<Kept>,
}

#[derive(Default)]
struct State {
    /// What the documents themselves say.
    written: Vec<(Arc<str>, Arc<[RevocationEntry]>)>,
    of_documents: Option<Arc<Revocations>>,
    /// The lists that are read beside the documents, by name.
    lists: BTreeMap<String, Followed>,
    running: Running,
    /// When what is running was read from a store last, before the start.
    kept_at: Option<UnixTime>,
    sharing: Option<Sharing>,
}

/// How what is revoked while servers run gets to other replicas.
struct Sharing {
    store: Arc<Store>,
    before_first_sync: BeforeFirstSync,
    position: Position,
    /// Whether all of it was read at least once.
    synced: bool,
    /// When it was read last.
    synced_at: Option<UnixTime>,
    /// What other replicas do not know yet.
    unshared: BTreeSet<Key>,
    failures: u32,
    error: Option<String>,
    task: Option<AbortHandle>,
}

/// What becomes of requests as long as a server that has just started could not read from the store what was revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BeforeFirstSync {
    /// Those with a credential are refused.
    #[default]
    Deny,
    /// They are decided without it.
    Allow,
    /// They are decided by what the state folder has, where that was read from the store no longer ago than this. Else they
    /// are refused.
    LastKnown(HumanDuration),
}

/// How revocation while servers run works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RevocationOptions {
    /// What becomes of requests until the shared store was read for the first time.
    pub before_first_sync: BeforeFirstSync,
}

/// How sharing is going.
#[derive(Clone, Debug)]
pub struct SharingStatus {
    /// `memory` or `redis`.
    pub store: &'static str,
    /// Whether all of it was read at least once.
    pub synced: bool,
    /// When it was read last.
    pub synced_at: Option<UnixTime>,
    /// How many changes other replicas do not know yet.
    pub unshared: usize,
    /// Why it cannot be read or written now.
    pub error: Option<String>,
}

/// An entry with where it is from.
#[derive(Clone, Debug)]
pub struct KnownRevocation {
    /// The name of the list.
    pub list: Arc<str>,
    /// The entry.
    pub entry: RevocationEntry,
}

/// How often it is asked whether a list has become too old.
const TICK: Duration = Duration::from_secs(1);

// === impl RevocationRegister ===

impl RevocationRegister {
    /// What the documents of `trust` revoke, and what the lists that they name do. Files on this machine are read before this
    /// returns.
    #[must_use]
    pub fn new(trust: &TrustStore, clock: Arc<dyn Clock>, fetcher: Arc<dyn Fetcher>) -> Self {
        Self::kept_in(None, trust, clock, fetcher)
    }

    /// The same, beginning with what is known in `folder`, and keeping there what is known.
    #[must_use]
    pub fn kept_in(
        folder: Option<PathBuf>,
        trust: &TrustStore,
        clock: Arc<dyn Clock>,
        fetcher: Arc<dyn Fetcher>,
    ) -> Self {
        let kept = folder.map(Kept::new);
        let mut state = State::default();
        if let Some(kept) = &kept {
            state.begin_with(kept.running(), clock.now());
        }
        let (state, current) = (Mutex::new(state), ArcSwap::default());
        let changed = watch::Sender::default();
        let known = ArcSwap::default();
        let shared = Arc::new(Shared { clock, fetcher, state, current, changed, known, kept });
        let tick = tokio::spawn(tick(Arc::downgrade(&shared))).abort_handle();
        let register = Self { shared, tick };
        register.follow_from(trust, true);
        register
    }

    /// Follows the lists of `trust` from now on. What is in force of a list that stays goes on.
    pub fn follow(&self, trust: &TrustStore) {
        self.follow_from(trust, false);
    }

    fn follow_from(&self, trust: &TrustStore, start: bool) {
        self.shared.known.store(Arc::new(KnownIssuers::of(trust)));
        let mut state = self.shared.lock();
        state.of_documents = Some(Arc::clone(trust.revocations()));
        state.written = trust
            .revocation_lists()
            .iter()
            .filter(|list| !list.entries().is_empty())
            .map(|list| (list.name().into(), list.entries().into()))
            .collect();
        let mut previous = std::mem::take(&mut state.lists);
        for list in trust.revocation_lists() {
            let Some(source) = list.source() else { continue };
            let followed = match previous.remove(list.name()) {
                // Its task goes on; what may have changed is how old it may become.
                Some(mut kept) if kept.source.is_same_place_as(source) => {
                    kept.source = Arc::clone(source);
                    kept
                }
                Some(moved) => {
                    follow::start(&self.shared, list.name(), moved.moved_to(Arc::clone(source)))
                }
                None => {
                    let fresh = Followed::new(Arc::clone(source), start);
                    follow::start(&self.shared, list.name(), fresh)
                }
            };
            state.lists.insert(list.name().to_owned(), followed);
        }
        self.shared.publish(&state);
    }

    /// What is revoked now.
    #[must_use]
    pub fn current(&self) -> Arc<Revocations> {
        self.shared.current.load_full()
    }

    /// Says whenever something else is revoked than before.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<()> {
        self.shared.changed.subscribe()
    }

    /// Every entry whose text is known: those of documents, and those that were made while servers run. Of lists in the line
    /// form only the keys are kept.
    #[must_use]
    pub fn known(&self) -> Vec<KnownRevocation> {
        let state = self.shared.lock();
        let known = |list: &Arc<str>, entry: &RevocationEntry| KnownRevocation {
            list: Arc::clone(list),
            entry: entry.clone(),
        };
        let written = state.written.iter();
        let written =
            written.flat_map(|(list, entries)| entries.iter().map(move |e| known(list, e)));
        let name: Arc<str> = RUNNING.into();
        let running = state.running.entries().map(|entry| known(&name, entry));
        written.chain(running).collect()
    }

    /// How the lists are doing that are read beside the documents.
    #[must_use]
    pub fn lists(&self) -> Vec<ListStatus> {
        let now = self.shared.clock.now();
        let state = self.shared.lock();
        state.lists.iter().map(|(name, list)| list.status(name, now)).collect()
    }

    /// How sharing is going; `None` where nothing is shared.
    #[must_use]
    pub fn sharing(&self) -> Option<SharingStatus> {
        let state = self.shared.lock();
        let sharing = state.sharing.as_ref()?;
        Some(SharingStatus {
            store: sharing.store.health().kind,
            synced: sharing.synced,
            synced_at: sharing.synced_at,
            unshared: sharing.unshared.len(),
            error: sharing.error.clone(),
        })
    }
}

impl fmt::Debug for RevocationRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationRegister").finish_non_exhaustive()
    }
}

impl Drop for RevocationRegister {
    fn drop(&mut self) {
        self.tick.abort();
    }
}

// === impl Shared ===

impl Shared {
    /// A panic in another task leaves nothing half-done here: what counts is published whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in force what `state` says.
    fn publish(&self, state: &State) {
        let mut tables = Vec::new();
        tables
            .extend(state.of_documents.iter().flat_map(|written| written.tables().iter().cloned()));
        tables.extend(state.lists.values().filter_map(|list| list.table().cloned()));
        tables.push(state.running.table());
        let revocations = Revocations::new(tables).stale_by(state.stale(&*self.clock));
        self.current.store(Arc::new(revocations));
        self.changed.send_replace(());
    }
}

// === impl State ===

impl State {
    /// What was revoked while servers ran, as it was known before the start.
    fn begin_with(&mut self, kept: KeptRunning, now: UnixTime) {
        let known = kept.changes.len();
        self.kept_at = kept.synced_at;
        for change in kept.changes {
            self.running.apply(change);
        }
        self.running.forget(now);
        if known > 0 {
            tracing::info!(known, "running revocations as they were kept before the start");
        }
    }

    /// The first list that nobody can go on without.
    fn stale(&self, clock: &dyn Clock) -> Option<Arc<str>> {
        let unsynced = self.sharing.as_ref().is_some_and(|sharing| {
            !sharing.synced && sharing.before_first_sync != BeforeFirstSync::Allow
        });
        let running = unsynced.then_some(RUNNING);
        let mut refusing = self.lists.iter().filter(|(_, list)| list.refuses(clock.now()));
        refusing.next().map(|(name, _)| name.as_str()).or(running).map(Into::into)
    }
}

// === impl KnownRevocation ===

impl KnownRevocation {
    /// The id by which it is taken back; only what was revoked while servers run can be.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        (&*self.list == RUNNING).then(|| hex(&self.entry.id()))
    }
}

/// Lets lists age, and forgets what has ended.
async fn tick(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(shared) = shared.upgrade() else { return };
        let now = shared.clock.now();
        let mut state = shared.lock();
        state.running.forget(now);
        let stale = state.stale(&*shared.clock);
        let before = shared.current.load();
        if stale.as_deref() == before.stale() {
            continue;
        }
        match (&stale, before.stale()) {
            (Some(list), _) => {
                tracing::error!(%list, "revocation list is too old, every request with a credential is refused")
            }
            (None, list) => tracing::info!(list, "revocation list is fresh again"),
        }
        drop(before);
        shared.publish(&state);
    }
}

#[cfg(test)]
mod tests;
