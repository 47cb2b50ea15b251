//! The register of all revocations.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::list::{ListStatus, TrackedList};
use super::state::{RegisterShared, RegisterState};
use super::state_folder::RevocationFolder;
use super::track;
use crate::clock::{Clock, UnixTime};
use crate::pdp::fetch::Fetcher;
use crate::pdp::state_files::StateFiles;
use crate::secret::hex;
use crate::store::StoreKind;
use crate::trust::{RUNNING, RevocationEntry, RevocationView, TrustStore};

/// All revocations, kept up to date. It has to be created within a tokio runtime.
pub struct RevocationRegister {
    pub(super) shared: Arc<RegisterShared>,
    tick: AbortHandle,
}

/// The state of sharing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SharingStatus {
    /// `memory` or `redis`.
    pub store: StoreKind,
    /// True if all of it was read at least once.
    pub synced: bool,
    /// True if requests with a credential are refused because it was not.
    #[serde(default)]
    pub refuses: bool,
    /// When it was read last: seconds since 1970.
    pub synced_at: Option<i64>,
    /// How many changes other replicas do not know yet.
    pub unshared: usize,
    /// The reason why it cannot be read or written now.
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

impl RevocationRegister {
    /// The revocations of the documents of `trust` and of the lists that they name, beginning with the state in `folder`, which
    /// is saved there. Files on this machine are read before this returns.
    pub fn saved_in(
        folder: Option<PathBuf>,
        trust: &TrustStore,
        clock: Arc<dyn Clock>,
        fetcher: Arc<dyn Fetcher>,
    ) -> Self {
        let folder = folder.map(RevocationFolder::new);
        let mut state = RegisterState::default();
        let is_whole = folder.as_ref().is_none_or(|folder| {
            let saved = folder.changes();
            let is_whole = saved.is_whole;
            state.begin_with(saved, clock.now());
            is_whole
        });
        let (state, current) = (Mutex::new(state), ArcSwap::default());
        let changed = watch::Sender::default();
        let known = ArcSwap::default();
        let shared =
            Arc::new(RegisterShared { clock, fetcher, state, current, changed, known, folder });
        let tick = tokio::spawn(tick(Arc::downgrade(&shared))).abort_handle();
        let register = Self { shared, tick };
        if !is_whole {
            // The log and `state_files` say where that fails.
            let _ = register.shared.write_changes();
        }
        register.follow_from(trust, true);
        register
    }

    /// Tracks the lists of `trust` from now on. A list that stays keeps what is in force.
    pub fn follow(&self, trust: &TrustStore) {
        self.follow_from(trust, false);
    }

    fn follow_from(&self, trust: &TrustStore, start: bool) {
        self.shared.known.store(Arc::new(trust.known_issuers()));
        let mut state = self.shared.lock();
        state.of_documents = Some(Arc::clone(trust.revocations()));
        state.written = trust
            .revocation_lists()
            .iter()
            .filter(|list| !list.entries.is_empty())
            .map(|list| (list.name.as_str().into(), list.entries.as_slice().into()))
            .collect();
        let mut previous = std::mem::take(&mut state.lists);
        let clock = || Arc::clone(&self.shared.clock);
        for list in trust.revocation_lists() {
            let Some(source) = list.source.as_ref() else { continue };
            let tracked = match previous.remove(&list.name) {
                // Its task goes on; what may have changed is how old it may become.
                Some(mut kept) if kept.source.is_same_place_as(source) => {
                    kept.source = Arc::clone(source);
                    kept
                }
                Some(moved) => {
                    let moved = moved.moved_to(Arc::clone(source), clock());
                    track::start(&self.shared, &list.name, moved)
                }
                None => {
                    let fresh = TrackedList::new(Arc::clone(source), start, clock());
                    track::start(&self.shared, &list.name, fresh)
                }
            };
            state.lists.insert(list.name.to_owned(), tracked);
        }
        self.shared.publish(&state);
    }

    /// The revocations in force.
    pub fn current(&self) -> Arc<RevocationView> {
        self.shared.current.load_full()
    }

    /// How many revocations count now.
    pub fn in_force(&self) -> usize {
        self.current().in_force(self.shared.clock.now())
    }

    /// Checks that a new entry revokes something.
    ///
    /// # Errors
    /// As [`RevocationEntry::check_not_over`].
    pub fn check_not_over(&self, entry: &RevocationEntry) -> Result<(), String> {
        entry.check_not_over(self.shared.clock.now())
    }

    /// Signals every change of the revocations in force.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.shared.changed.subscribe()
    }

    /// Every entry whose text is known: those of documents, and those that were made while servers run. Of lists in the line
    /// form only the keys are kept.
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
        let running = state.live.entries().map(|entry| known(&name, entry));
        written.chain(running).collect()
    }

    /// The state of the lists that are read beside the documents.
    pub fn lists(&self) -> Vec<ListStatus> {
        let now = self.shared.clock.now();
        let state = self.shared.lock();
        state.lists.iter().map(|(name, list)| list.status(name, now)).collect()
    }

    /// The files in which it is saved, where there is a folder.
    pub fn state_files(&self) -> Option<&StateFiles> {
        self.shared.folder.as_ref().map(RevocationFolder::files)
    }

    /// The state of sharing, or `None` if nothing is shared.
    pub fn sharing(&self) -> Option<SharingStatus> {
        let state = self.shared.lock();
        let sharing = state.sharing.as_ref()?;
        Some(SharingStatus {
            store: sharing.store.health().kind,
            synced: sharing.synced,
            refuses: sharing.refuses(),
            synced_at: sharing.synced_at.map(UnixTime::as_secs),
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

impl KnownRevocation {
    /// The id by which it is withdrawn. Only revocations that were made while servers run have one.
    pub fn id(&self) -> Option<String> {
        (&*self.list == RUNNING).then(|| hex(&self.entry.id()))
    }
}

/// Lets lists age, and forgets entries that have ended.
async fn tick(shared: Weak<RegisterShared>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(shared) = shared.upgrade() else { return };
        let now = shared.clock.now();
        let mut state = shared.lock();
        let forgot = state.live.forget(now);
        let stale = state.stale(&*shared.clock);
        let before = shared.current.load();
        if stale.as_deref() == before.stale() {
            if forgot {
                shared.publish(&state);
            }
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
