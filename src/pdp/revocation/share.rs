//! What is revoked while servers run: published to the store, and followed from there on every replica.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::running::Change;
use super::{BeforeFirstSync, RevocationRegister, Shared, Sharing};
use crate::limits::MAX_SHARED_PAGE;
use crate::store::{Key, Page, Position, Store, StoreError};
use crate::trust::RevocationEntry;

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The id of the entry.
    pub id: Key,
    /// `memory`: this replica alone knows it. `redis`: all of them do, within a second.
    pub store: &'static str,
    /// Why other replicas do not know it yet; it is tried again until they do.
    pub not_shared: Option<String>,
}

/// Nothing like that was revoked while servers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no running revocation is like that")]
pub struct UnknownRevocation;

/// How often the store is asked where nothing was heard of it, and what is not shared yet is tried again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

// === impl RevocationRegister ===

impl RevocationRegister {
    /// Shares what is revoked while servers run through `store` from now on.
    pub fn share(&self, store: Arc<Store>, before_first_sync: BeforeFirstSync) {
        // Locked before the task can look: finding nothing to share it would come back after a second, and until then a new
        // server is not ready.
        let mut state = self.shared.lock();
        let task = tokio::spawn(follow(Arc::downgrade(&self.shared), Arc::clone(&store)));
        state.sharing = Some(Sharing {
            store,
            before_first_sync,
            position: Position::default(),
            synced: false,
            synced_at: None,
            unshared: Vec::new(),
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

    /// Takes back what was revoked while servers run, by its id.
    ///
    /// # Errors
    /// Nothing is known by this id.
    pub async fn withdraw(&self, id: &Key) -> Result<Published, UnknownRevocation> {
        let entry = {
            let state = self.shared.lock();
            let known = state.running.get(id).filter(|change| !change.withdrawn);
            known.map(|change| change.entry.clone()).ok_or(UnknownRevocation)?
        };
        Ok(self.change(entry, true).await)
    }

    /// The ids of what was revoked while servers run of the thing that `entry` names, with whatever limits.
    #[must_use]
    pub fn like(&self, entry: &RevocationEntry) -> Vec<Key> {
        let state = self.shared.lock();
        let same = state.running.entries().filter(|known| known.digest() == entry.digest());
        same.map(RevocationEntry::id).collect()
    }

    /// Here first: whoever asks wants it to count now.
    async fn change(&self, entry: RevocationEntry, withdrawn: bool) -> Published {
        let (store, change) = {
            let mut state = self.shared.lock();
            let change = state.running.change(entry, withdrawn, self.shared.clock.now());
            state.running.apply(change.clone());
            self.shared.publish(&state);
            (state.sharing.as_ref().map(|sharing| Arc::clone(&sharing.store)), change)
        };
        let id = change.entry.id();
        let Some(store) = store else {
            return Published { id, store: "memory", not_shared: None };
        };
        let published = store.publish(&change.record()).await;
        let not_shared = published.err().map(|error| error.to_string());
        if not_shared.is_some()
            && let Some(sharing) = &mut self.shared.lock().sharing
        {
            sharing.unshared.push(id);
        }
        Published { id, store: store.health().kind, not_shared }
    }
}

/// Reads what others publish, as soon as there is something.
async fn follow(shared: Weak<Shared>, store: Arc<Store>) {
    let mut position = store.position();
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let caught_up = catch_up(&strong, &store).await;
        strong.note(caught_up.as_ref().err());
        if caught_up.is_ok() {
            share_rest(&strong, &store).await;
        }
        drop(strong);
        // A timeout is as good as news.
        let _ = tokio::time::timeout(ASK_AGAIN, position.changed()).await;
    }
}

async fn catch_up(shared: &Arc<Shared>, store: &Store) -> Result<(), StoreError> {
    loop {
        let after = shared.lock().sharing.as_ref().map(|sharing| sharing.position);
        let Some(after) = after else { return Ok(()) };
        let page = store.records_after(after, MAX_SHARED_PAGE).await?;
        let more = page.more;
        shared.apply(&page);
        if !more {
            return Ok(());
        }
    }
}

/// Publishes what others do not know yet.
async fn share_rest(shared: &Arc<Shared>, store: &Store) {
    let (ids, records): (Vec<Key>, Vec<_>) = {
        let state = shared.lock();
        let ids = state.sharing.iter().flat_map(|sharing| &sharing.unshared);
        ids.filter_map(|id| Some((*id, state.running.get(id)?.record()))).unzip()
    };
    for (id, record) in ids.into_iter().zip(records) {
        if store.publish(&record).await.is_err() {
            return;
        }
        if let Some(sharing) = &mut shared.lock().sharing {
            sharing.unshared.retain(|other| *other != id);
        }
    }
}

// === impl Shared ===

impl Shared {
    fn apply(&self, page: &Page) {
        let now = self.clock.now();
        let mut state = self.lock();
        if page.restarted {
            // What the store lost, its replicas still know: it gets everything again.
            let known: Vec<Key> =
                state.running.records().into_iter().map(|record| record.id).collect();
            tracing::warn!(
                known = known.len(),
                "the shared store lost what was revoked, it is told again"
            );
            if let Some(sharing) = &mut state.sharing {
                sharing.unshared = known;
            }
        }
        let mut changed = false;
        for record in &page.records {
            match Change::read(record) {
                Some(change) => changed |= state.running.apply(change),
                None => tracing::error!(
                    "a record in the shared store is no revocation, it is passed over"
                ),
            }
        }
        state.running.forget(now);
        if let Some(sharing) = &mut state.sharing {
            sharing.position = page.position;
            sharing.synced_at = Some(now);
            changed |= !page.more && !sharing.synced;
            sharing.synced |= !page.more;
        }
        if changed {
            self.publish(&state);
        }
    }

    /// Takes note of how the store is doing, and says so in the log where that is news.
    fn note(&self, error: Option<&StoreError>) {
        let mut state = self.lock();
        let Some(sharing) = &mut state.sharing else { return };
        let error = error.map(ToString::to_string);
        match (&error, sharing.failures) {
            (Some(error), 0) => {
                let synced = sharing.synced;
                tracing::warn!(%error, last_known_in_force = synced, "revocations cannot be read from the shared store");
            }
            (None, 1..) => tracing::info!("revocations are read from the shared store again"),
            (Some(_) | None, _) => {}
        }
        sharing.failures = error.as_ref().map_or(0, |_| sharing.failures.saturating_add(1));
        sharing.error = error;
    }
}

// === impl Sharing ===

impl Drop for Sharing {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
