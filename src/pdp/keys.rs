//! The key sets of issuers that publish theirs at an address: fetched in the background, never once per request.
//!
//! One task per address fetches, so there is one flight at a time; requests only ever look, or ask the task to look again.

mod load;
mod state;
mod store;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::clock::{Clock, UnixTime};
use crate::evidence::PresentedToken;
use crate::limits::MAX_KEY_WAITERS;
use crate::pdp::fetch::Fetcher;
use crate::pdp::keys::load::Loaded;
use crate::pdp::keys::state::KeyState;
use crate::trust::{Issuer, KeyFault, KeySet, KeySource, KeyUrl, Material, RemoteKeys, TrustStore};

/// Key sets by their address. Outlives the snapshots: an address that stays keeps its keys.
pub struct KeyCache {
    clock: Arc<dyn Clock>,
    fetcher: Arc<dyn Fetcher>,
    folder: Option<PathBuf>,
    entries: Mutex<Vec<Arc<Entry>>>,
}

/// How one key set is doing: for `/readyz`, metrics and `countersign keys`.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    /// The address' origin.
    pub origin: String,
    /// The keys, unless they are too old to be used.
    pub keys: Option<Arc<KeySet>>,
    /// When the last good keys were fetched.
    pub fetched_at: Option<UnixTime>,
    /// When they are fetched next.
    pub next_fetch: UnixTime,
    /// How many fetches have failed since the last good one.
    pub failures: u32,
}

/// One address and its task.
struct Entry {
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// What the task and the requests share.
struct Shared {
    source: Arc<RemoteKeys>,
    folder: Option<PathBuf>,
    state: Mutex<KeyState>,
    /// How many fetches have ended.
    completed: watch::Sender<u64>,
    wake: tokio::sync::Notify,
    waiters: AtomicUsize,
}

/// One request's place among those that wait.
struct Waiting<'a>(&'a AtomicUsize);

/// A sleeping task does not notice that the wall clock jumps, so it looks at it now and then (P82).
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

// === impl KeyCache ===

impl KeyCache {
    /// An empty cache. [`KeyCache::follow`] fills it.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, fetcher: Arc<dyn Fetcher>) -> Self {
        Self { clock, fetcher, folder: None, entries: Mutex::new(Vec::new()) }
    }

    /// This cache with a folder where the last good keys outlive a restart.
    #[must_use]
    pub fn kept_in(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
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
        let now = self.clock.now();
        let mut state = KeyState::new(source.refresh, source.max_stale, now);
        let kept = self.folder.as_deref().and_then(|folder| store::read(folder, source));
        if let Some((keys, fetched_at)) = kept {
            state.restore(Arc::new(keys), fetched_at, now);
        }
        let shared = Arc::new(Shared {
            source: Arc::clone(source),
            folder: self.folder.clone(),
            state: Mutex::new(state),
            completed: watch::Sender::new(0),
            wake: tokio::sync::Notify::new(),
            waiters: AtomicUsize::new(0),
        });
        let task = refresh_for_ever(
            Arc::clone(&shared),
            Arc::clone(&self.clock),
            Arc::clone(&self.fetcher),
        );
        Entry { shared, task: tokio::spawn(task).abort_handle() }
    }

    /// The key sets that `tokens` need and that are not in `trust` itself.
    ///
    /// Waits, for `patience` at most, only where there are no keys yet, or where a token names an unknown key and the issuer
    /// may be asked again.
    pub async fn gather(
        &self,
        tokens: &[PresentedToken],
        trust: &TrustStore,
        patience: Duration,
    ) -> Material {
        let mut material = Material::default();
        for token in tokens {
            for (issuer, source) in remote_issuers(token, trust) {
                let Some(shared) = self.find(source) else { continue };
                let key_id = token.jws().ok().and_then(|jws| jws.header().key_id.as_deref());
                if let Some(keys) = shared.keys_for(key_id, self.clock.as_ref(), patience).await {
                    material.insert(issuer.name(), keys);
                }
            }
        }
        material
    }

    /// How every key set is doing.
    #[must_use]
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

/// Issuers in `trust` that `token` may be from and whose keys have to be fetched.
fn remote_issuers<'a>(
    token: &'a PresentedToken,
    trust: &'a TrustStore,
) -> impl Iterator<Item = (&'a Issuer, &'a Arc<RemoteKeys>)> {
    trust
        .issuers_named(token.claimed_issuer(), token.claimed_subject())
        .filter(|issuer| issuer.places().contains(token.place()))
        .filter_map(|issuer| match issuer.keys() {
            KeySource::Remote(source) => Some((issuer, source)),
            KeySource::Local(_) => None,
        })
}

fn sources(trust: &TrustStore) -> impl Iterator<Item = &Arc<RemoteKeys>> {
    trust.issuers().iter().filter_map(|issuer| match issuer.keys() {
        KeySource::Remote(source) => Some(source),
        KeySource::Local(_) => None,
    })
}

// === impl Entry ===

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Shared ===

impl Shared {
    fn serves(&self, source: &Arc<RemoteKeys>) -> bool {
        Arc::ptr_eq(&self.source, source) || self.source == *source
    }

    /// The keys for a token with this key id; waits where waiting may help.
    async fn keys_for(
        &self,
        key_id: Option<&str>,
        clock: &dyn Clock,
        patience: Duration,
    ) -> Option<Arc<KeySet>> {
        let mut completed = self.completed.subscribe();
        if self.is_worth_waiting(key_id, clock.now())
            && let Some(_place) = Waiting::begin(&self.waiters)
        {
            // Running out of patience is no error: what is there decides.
            let _ = tokio::time::timeout(patience, completed.changed()).await;
        }
        lock(&self.state).keys(clock.now()).cloned()
    }

    /// Whether the next fetch may bring a key that is not there, and will end soon. Has the task fetch at once where a
    /// token names an unknown key and the issuer may be asked again.
    fn is_worth_waiting(&self, key_id: Option<&str>, now: UnixTime) -> bool {
        let mut state = lock(&self.state);
        if let Some(keys) = state.keys(now) {
            if key_id.is_none_or(|id| keys.has(id)) {
                return false;
            }
            if key_id.is_some_and(|id| state.force(id, now)) {
                self.wake.notify_one();
            }
        }
        state.is_moving(now)
    }

    fn status(&self, now: UnixTime) -> KeyStatus {
        let state = lock(&self.state);
        KeyStatus {
            origin: self.source.url.to_string(),
            keys: state.keys(now).cloned(),
            fetched_at: state.held().map(|held| held.fetched_at),
            next_fetch: state.next_attempt(),
            failures: state.failures(),
        }
    }
}

/// Fetches whenever it is due, until it is aborted.
async fn refresh_for_ever(shared: Arc<Shared>, clock: Arc<dyn Clock>, fetcher: Arc<dyn Fetcher>) {
    loop {
        let wait = lock(&shared.state).wait(clock.now());
        if wait.is_zero() {
            refresh(&shared, clock.as_ref(), fetcher.as_ref()).await;
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(wait.min(LONGEST_SLEEP)) => {}
            () = shared.wake.notified() => {}
        }
    }
}

async fn refresh(shared: &Arc<Shared>, clock: &dyn Clock, fetcher: &dyn Fetcher) {
    lock(&shared.state).begin(clock.now());
    let loaded = load::load(&shared.source, fetcher).await;
    let origin = &shared.source.url;
    let count = {
        let mut state = lock(&shared.state);
        let now = clock.now();
        match loaded {
            Ok(Loaded { keys, text, max_age }) => {
                report(&keys, &state, origin);
                state.succeed(Arc::new(keys), max_age, now, jitter());
                keep(shared, text, now);
            }
            Err(error) => {
                state.fail(now);
                let failures = state.failures();
                tracing::warn!(%origin, failures, %error, "keys could not be fetched");
            }
        }
        state.completed()
    };
    shared.completed.send_replace(count);
}

/// Writes the keys to the folder, in the background: nobody waits for a disk.
fn keep(shared: &Arc<Shared>, text: Bytes, now: UnixTime) {
    let Some(folder) = shared.folder.clone() else { return };
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = store::write(&folder, &shared.source, &text, now) {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "keys could not be kept for a restart");
        }
    });
}

/// A well-formed set is the issuer's word, so it counts even where none of its keys can be used; but somebody should know.
fn report(keys: &KeySet, before: &KeyState, origin: &KeyUrl) {
    let same = before.held().is_some_and(|held| held.keys.revision() == keys.revision());
    if same {
        return;
    }
    tracing::info!(%origin, keys = keys.keys().len(), skipped = keys.skipped().len(), "keys have changed");
    for skipped in keys.skipped() {
        if matches!(skipped.fault, KeyFault::Private | KeyFault::Symmetric) {
            tracing::error!(%origin, key = skipped.position, "the issuer publishes a secret: {}", skipped.fault);
        }
    }
    if keys.keys().is_empty() {
        tracing::error!(%origin, "none of the issuer's keys can be used");
    }
}

/// Between 0 and 1, so that replicas that were started together do not ask together.
fn jitter() -> f64 {
    let mut byte = [0];
    // Without randomness there is no jitter, and nothing else depends on it.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

/// A panic elsewhere leaves the state as it was: every change to it is complete when its lock is released.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn begin(waiters: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiters);
        // Dropping the place gives it back, also where there was none to be had.
        let before = waiters.fetch_add(1, Ordering::Relaxed);
        (before < MAX_KEY_WAITERS).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
