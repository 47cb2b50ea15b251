//! The key sets of issuers that publish theirs at an address: fetched in the background, never once per request.
//!
//! One task per address fetches, so there is one flight at a time; requests only ever look, or ask the task to look again.

mod entry;
mod load;
mod state;
mod store;

pub use entry::KeyStatus;
pub use load::{LoadError, Loaded, load};
pub use store::{FirstSeen, LastGood, read as last_good};

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::authn::TokenCache;
use crate::clock::{Clock, Deadline};
use crate::evidence::PresentedToken;
use crate::pdp::fetch::Fetcher;
use crate::pdp::kept_files::KeptFiles;
use crate::pdp::keys::entry::{Entry, Shared};
use crate::sync::lock;
use crate::trust::{Issuer, KeySource, Material, RemoteKeys, TrustStore};

/// Key sets by their address. Outlives the snapshots: an address that stays keeps its keys.
pub struct KeyCache {
    clock: Arc<dyn Clock>,
    fetcher: Arc<dyn Fetcher>,
    files: Option<Arc<KeptFiles>>,
    entries: Mutex<Vec<Arc<Entry>>>,
}

impl KeyCache {
    /// An empty cache. [`KeyCache::follow`] fills it.
    pub fn new(clock: Arc<dyn Clock>, fetcher: Arc<dyn Fetcher>) -> Self {
        Self { clock, fetcher, files: None, entries: Mutex::new(Vec::new()) }
    }

    /// This cache with a folder where the last good keys outlive a restart.
    #[must_use]
    pub fn kept_in(mut self, folder: PathBuf) -> Self {
        self.files = Some(Arc::new(KeptFiles::new(folder)));
        self
    }

    /// The folder, where there is one.
    pub fn kept_files(&self) -> Option<&KeptFiles> {
        self.files.as_deref()
    }

    /// Follows the addresses in `trust` from now on: new ones are fetched in the background, those that stay keep their keys,
    /// and those that neither `trust` nor `previous` has are forgotten. Requests that still hold the previous snapshot
    /// are served to their end. Called within a tokio runtime, before the new snapshot is published.
    pub fn follow(&self, trust: &TrustStore, previous: Option<&TrustStore>) {
        let wanted: Vec<_> = sources(trust).chain(previous.into_iter().flat_map(sources)).collect();
        let mut entries = lock(&self.entries);
        entries.retain(|entry| wanted.iter().any(|source| entry.shared.serves(source)));
        for source in wanted {
            if !entries.iter().any(|entry| entry.shared.serves(source)) {
                entries.push(Arc::new(self.start(source)));
            }
        }
    }

    fn start(&self, source: &Arc<RemoteKeys>) -> Entry {
        let (clock, fetcher) = (Arc::clone(&self.clock), Arc::clone(&self.fetcher));
        Entry::start(source, self.files.clone(), clock, fetcher)
    }

    /// The key sets that `tokens` need and that are not in `trust` itself.
    ///
    /// Waits, for `patience` at most in all, only where there are no keys yet, or where a token names an unknown key and the issuer
    /// may be asked again. A token that `memory` knows is not read for it.
    pub async fn gather(
        &self,
        tokens: &[PresentedToken],
        trust: &TrustStore,
        memory: &dyn TokenCache,
        patience: Duration,
    ) -> Material {
        let mut material = Material::default();
        let mut deadline = None;
        for token in tokens {
            let known = memory.recall(&token.fingerprint).filter(|known| known.is(token));
            let key_id = match &known {
                Some(known) => known.key_id(),
                None => token.jws().ok().and_then(|jws| jws.header.key_id.as_deref()),
            };
            let verified = known.as_ref().and_then(|known| trust.issuer(known.issuer_name()));
            let claimed = if known.is_none() { issuers_of(token, trust) } else { Vec::new() };
            for (issuer, source) in verified.into_iter().chain(claimed).filter_map(remote) {
                let Some(shared) = self.find(source) else { continue };
                let deadline = deadline.get_or_insert_with(|| Deadline::within(patience));
                let patience = deadline.left();
                if let Some(keys) = shared.keys_for(key_id, self.clock.as_ref(), patience).await {
                    if key_id.is_some_and(|id| !keys.has(id)) && shared.is_failing() {
                        material.note_behind(&issuer.name);
                    }
                    material.insert(&issuer.name, keys);
                }
            }
        }
        material
    }

    /// How every key set is doing.
    pub fn status(&self) -> Vec<KeyStatus> {
        let now = self.clock.now();
        lock(&self.entries).iter().map(|entry| entry.shared.status(now)).collect()
    }

    /// Waits until every address has been asked at least once, well or badly: what a start may want to wait for.
    pub async fn settled(&self) {
        let all: Vec<_> =
            lock(&self.entries).iter().map(|entry| entry.shared.completed.subscribe()).collect();
        for mut completed in all {
            // An error means that the address is no longer followed.
            let _ = completed.wait_for(|count| *count > 0).await;
        }
    }

    /// Has every task look at the clock again.
    pub fn recheck(&self) {
        for entry in lock(&self.entries).iter() {
            entry.shared.wake.notify_one();
        }
    }

    fn find(&self, source: &Arc<RemoteKeys>) -> Option<Arc<Shared>> {
        let entries = lock(&self.entries);
        let entry = entries.iter().find(|entry| entry.shared.serves(source))?;
        Some(Arc::clone(&entry.shared))
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCache").finish_non_exhaustive()
    }
}

/// Issuers in `trust` that `token` may be from.
fn issuers_of<'a>(token: &'a PresentedToken, trust: &'a TrustStore) -> Vec<&'a Issuer> {
    let named = trust.issuers_named(token.claimed_issuer(), token.claimed_subject());
    named.filter(|issuer| issuer.places.contains(&token.place)).collect()
}

/// An issuer whose keys have to be fetched, with where.
fn remote(issuer: &Issuer) -> Option<(&Issuer, &Arc<RemoteKeys>)> {
    match &issuer.keys {
        KeySource::Remote(source) => Some((issuer, source)),
        KeySource::Local(_) | KeySource::Introspected(_) => None,
    }
}

fn sources(trust: &TrustStore) -> impl Iterator<Item = &Arc<RemoteKeys>> {
    trust.issuers().iter().filter_map(remote).map(|(_, source)| source)
}

#[cfg(test)]
mod tests;
