//! Shares revocations that are made while servers run: each is published to the store, and read from there on every replica.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::live::{LiveRevocations, RevocationChange, WITHDRAWN_LIFETIME};
use super::options::BeforeFirstSync;
use super::register::RevocationRegister;
use super::state::{RegisterShared, RegisterState, StoreExchange};
use super::state_folder::SavedChanges;
use crate::clock::UnixTime;
use crate::limits::MAX_SHARED_PAGE;
use crate::pdp::follow::SAVE_AGAIN;
use crate::store::{KeyPage, Position, Store, StoreError, StoreKey, StoreKind};
use crate::trust::RevocationEntry;

/// The result of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The id of the entry.
    pub id: StoreKey,
    /// `memory`: this replica alone knows it. `redis`: all of them do, within a second.
    pub store: StoreKind,
    /// The reason why other replicas do not have it yet. It is retried until they do.
    pub not_shared: Option<String>,
    /// The reason why the state folder does not have it: a restart may lose it.
    pub not_saved: Option<String>,
}

/// There is no such revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no revocation on running servers matches")]
pub struct UnknownRevocation;

/// How often the store is asked without a signal from it, and changes that are not shared yet are retried.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl RevocationRegister {
    /// Shares revocations that are made while servers run through `store` from now on.
    pub fn share(&self, store: Arc<Store>, before_first_sync: BeforeFirstSync) {
        // Locked before the task can look: finding nothing to share it would come back after a second, and until then a new
        // server is not ready.
        let mut state = self.shared.lock();
        let known = state.last_known(store.health().kind, self.shared.clock.now());
        let fresh_enough = match before_first_sync {
            BeforeFirstSync::Deny | BeforeFirstSync::Allow => None,
            BeforeFirstSync::LastKnown(longest) => known.filter(|(_, age)| *age <= longest.get()),
        };
        // Whatever the store does not know of it when it was read: it may have lost it meanwhile.
        let unshared = state.live.changes().map(|(id, _)| *id).collect();
        let task = tokio::spawn(follow(Arc::downgrade(&self.shared), Arc::clone(&store)));
        state.sharing = Some(StoreExchange {
            store,
            before_first_sync,
            position: Position::default(),
            synced: fresh_enough.is_some(),
            synced_at: known.map(|(at, _)| at),
            unshared,
            failures: 0,
            error: None,
            task: Some(task.abort_handle()),
        });
        self.shared.publish(&state);
    }

    /// Revokes: in force here when this returns, whatever the store says; elsewhere within a second of the store taking it.
    pub async fn revoke(&self, entry: RevocationEntry) -> Published {
        self.change(entry, false).await
    }

    /// Withdraws a revocation that was made while servers run, by its id.
    ///
    /// # Errors
    /// There is none with this id.
    pub async fn withdraw(&self, id: &StoreKey) -> Result<Published, UnknownRevocation> {
        let entry = {
            let state = self.shared.lock();
            let known = state.live.get(id).filter(|change| !change.withdrawn);
            known.map(|change| change.entry.clone()).ok_or(UnknownRevocation)?
        };
        Ok(self.change(entry, true).await)
    }

    /// The ids of the revocations of the target of `entry` that were made while servers run, whatever their limits.
    pub fn like(&self, entry: &RevocationEntry) -> Vec<StoreKey> {
        let state = self.shared.lock();
        let same =
            state.live.entries().filter(|known| known.target().digest() == entry.target().digest());
        same.map(RevocationEntry::id).collect()
    }

    /// It is applied here first: the caller wants it to count now.
    async fn change(&self, entry: RevocationEntry, withdrawn: bool) -> Published {
        let (store, change) = {
            let mut state = self.shared.lock();
            let change = state.live.change(entry, withdrawn, self.shared.clock.now());
            state.live.apply(change.clone());
            // From here on it is shared even if the caller hangs up.
            if let Some(sharing) = &mut state.sharing {
                sharing.unshared.insert(change.entry.id());
            }
            self.shared.publish(&state);
            (state.sharing.as_ref().map(|sharing| Arc::clone(&sharing.store)), change)
        };
        let not_saved = self.shared.save_changes().await.err();
        let id = change.entry.id();
        let Some(store) = store else {
            return Published { id, store: StoreKind::Memory, not_shared: None, not_saved };
        };
        let published = self.shared.share(&store, &change).await;
        let not_shared = published.err().map(|error| error.to_string());
        Published { id, store: store.health().kind, not_shared, not_saved }
    }
}

/// Reads the changes that others publish, as soon as there are any.
async fn follow(shared: Weak<RegisterShared>, store: Arc<Store>) {
    let mut position = store.position();
    let mut saved_at: Option<UnixTime> = None;
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let caught_up = catch_up(&strong, &store).await;
        let now = strong.clock.now();
        if let Ok(changed) = caught_up
            && (changed || saved_at.is_none_or(|kept| now.since(kept) >= SAVE_AGAIN))
        {
            saved_at = Some(now);
            // The log says where that fails.
            let _ = strong.save_changes().await;
        }
        strong.note(caught_up.as_ref().err());
        if caught_up.is_ok() {
            share_rest(&strong, &store).await;
        }
        drop(strong);
        // After a timeout the store is asked as well.
        let _ = tokio::time::timeout(ASK_AGAIN, position.changed()).await;
    }
}

/// Reads to the end; whether there was anything new.
async fn catch_up(shared: &Arc<RegisterShared>, store: &Store) -> Result<bool, StoreError> {
    let mut changed = false;
    loop {
        let after = shared.lock().sharing.as_ref().map(|sharing| sharing.position);
        let Some(after) = after else { return Ok(changed) };
        let page = store.records_after(after, MAX_SHARED_PAGE).await?;
        let more = page.more;
        changed |= shared.apply(&page);
        if !more {
            return Ok(changed);
        }
    }
}

/// Publishes the changes that others do not have yet.
async fn share_rest(shared: &Arc<RegisterShared>, store: &Store) {
    let changes: Vec<RevocationChange> = {
        let state = shared.lock();
        let ids = state.sharing.iter().flat_map(|sharing| &sharing.unshared);
        ids.filter_map(|id| state.live.get(id).cloned()).collect()
    };
    for change in changes {
        if shared.share(store, &change).await.is_err() {
            return;
        }
    }
}

impl RegisterShared {
    /// Publishes `change`. It stays among those to be shared until the store has it.
    async fn share(&self, store: &Store, change: &RevocationChange) -> Result<(), StoreError> {
        let position = store.publish(&change.record(), change.order()).await?;
        let mut state = self.lock();
        let id = change.entry.id();
        // Meanwhile there may be a later change to the entry, which others do not have.
        let is_latest = state.live.get(&id) == Some(change);
        if let Some(sharing) = &mut state.sharing {
            if is_latest {
                sharing.unshared.remove(&id);
            }
            // Read or not: if the store loses this life, it loses the change.
            if sharing.position == Position::default() {
                sharing.position = Position { revision: 0, ..position };
            }
        }
        Ok(())
    }

    /// Saves the revocations that were made while servers run. No request waits for it.
    async fn save_changes(self: &Arc<Self>) -> Result<(), String> {
        if self.folder.is_none() {
            return Ok(());
        }
        let shared = Arc::clone(self);
        let writing = tokio::task::spawn_blocking(move || shared.write_changes()).await;
        writing.unwrap_or_else(|_| Err(String::from("writing it panicked")))
    }

    pub(super) fn write_changes(&self) -> Result<(), String> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let look = || {
            let state = self.lock();
            let synced_at = state.sharing.as_ref().and_then(|sharing| sharing.synced_at);
            let changes = state.live.changes().map(|(_, change)| change.clone()).collect();
            SavedChanges { synced_at, changes, is_whole: true }
        };
        folder.write_changes(look).map_err(|error| {
            let error = error.kind();
            tracing::error!(%error, "running revocations cannot be saved in the state folder");
            error.to_string()
        })
    }

    /// Applies the changes that others published. Returns whether anything changed.
    pub(super) fn apply(&self, page: &KeyPage) -> bool {
        let now = self.clock.now();
        let mut state = self.lock();
        let lives_on = |sharing: &StoreExchange| {
            let before = sharing.position;
            before == Position::default() || before.epoch == page.position.epoch
        };
        if page.restarted || !state.sharing.as_ref().is_none_or(lives_on) {
            // The replicas still know what the store lost, and publish everything again.
            let known: BTreeSet<StoreKey> = state.live.changes().map(|(id, _)| *id).collect();
            tracing::warn!(
                known = known.len(),
                "the shared store lost its revocations, they are published again"
            );
            if let Some(sharing) = &mut state.sharing {
                sharing.unshared = known;
            }
        }
        let mut changed = false;
        for record in &page.records {
            match RevocationChange::read(record) {
                Some(change) => {
                    let id = change.entry.id();
                    let is_known = state.live.get(&id) == Some(&change);
                    let applied = state.live.apply(change);
                    if (applied || is_known)
                        && let Some(sharing) = &mut state.sharing
                    {
                        sharing.unshared.remove(&id);
                    }
                    changed |= applied;
                }
                None => tracing::error!(
                    "a record in the shared store is not a revocation, it is ignored"
                ),
            }
        }
        state.live.forget(now);
        if let Some(sharing) = &mut state.sharing {
            sharing.position = page.position;
            // A part is not what the store has: a restart that goes by what is kept would take it for all.
            if !page.more {
                sharing.synced_at = Some(now);
                changed |= !sharing.synced;
                sharing.synced = true;
            }
        }
        if changed {
            self.publish(&state);
        }
        changed
    }

    /// Records the state of the store, and logs every change of it.
    fn note(&self, error: Option<&StoreError>) {
        let mut state = self.lock();
        let Some(sharing) = &mut state.sharing else { return };
        let error = error.map(ToString::to_string);
        match (&error, sharing.failures) {
            // Once more first: a server that has just started is not connected yet.
            (Some(error), 1) => {
                let synced = sharing.synced;
                tracing::warn!(%error, last_known_in_force = synced, "revocations cannot be read from the shared store");
            }
            (None, 2..) => tracing::info!("revocations are read from the shared store again"),
            (Some(_) | None, _) => {}
        }
        sharing.failures = error.as_ref().map_or(0, |_| sharing.failures.saturating_add(1));
        sharing.error = error;
    }
}

impl RegisterState {
    /// The time of the last read from the store before the start, and its age. A clock that was ahead then says nothing.
    /// State so old that a withdrawal may have been forgotten since is dropped if other replicas know better.
    fn last_known(&mut self, store: StoreKind, now: UnixTime) -> Option<(UnixTime, Duration)> {
        let at = self.saved_at.filter(|at| *at <= now.plus(SAVE_AGAIN))?;
        let age = now.since(at);
        if store != StoreKind::Memory && age > WITHDRAWN_LIFETIME {
            tracing::warn!("saved running revocations are too old to be used");
            self.live = LiveRevocations::default();
            return None;
        }
        Some((at, age))
    }
}

impl Drop for StoreExchange {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
