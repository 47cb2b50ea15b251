//! One address of keys: its state, and the task that alone fetches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::clock::{Clock, UnixTime, jitter};
use crate::limits::MAX_KEY_WAITERS;
use crate::pdp::fetch::Fetcher;
use crate::pdp::kept_files::KeptFiles;
use crate::pdp::keys::load::{self, Loaded};
use crate::pdp::keys::state::{Held, KeyState};
use crate::pdp::keys::store;
use crate::pdp::keys::store::{FirstSeen, LastGood};
use crate::sync::lock;
use crate::trust::{KeyFault, KeySet, KeyUrl, RemoteKeys};

/// How one key set is doing: for `/readyz`, metrics and `countersign keys`.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    /// The address' origin.
    pub origin: String,
    /// The keys, unless they are too old to be used.
    pub keys: Option<Arc<KeySet>>,
    /// When the last good keys were fetched.
    pub fetched_at: Option<UnixTime>,
    /// When each of them was first fetched.
    pub first_seen: FirstSeen,
    /// When they are fetched next.
    pub next_fetch: UnixTime,
    /// How many fetches have failed since the last good one.
    pub failures: u32,
}

/// One address and its task.
pub(super) struct Entry {
    pub(super) shared: Arc<Shared>,
    task: AbortHandle,
}

/// The state that the task and the requests share.
pub(super) struct Shared {
    source: Arc<RemoteKeys>,
    files: Option<Arc<KeptFiles>>,
    pub(super) state: Mutex<KeyState>,
    /// How many fetches have ended.
    pub(super) completed: watch::Sender<u64>,
    pub(super) wake: Notify,
    waiters: AtomicUsize,
}

/// One request's place among those that wait.
struct Waiting<'a>(&'a AtomicUsize);

/// A sleeping task does not notice that the wall clock jumps, so it looks at it now and then (P82).
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

impl Entry {
    /// Takes over what was kept of `source` in `files`, and begins to fetch.
    pub(super) fn start(
        source: &Arc<RemoteKeys>,
        files: Option<Arc<KeptFiles>>,
        clock: Arc<dyn Clock>,
        fetcher: Arc<dyn Fetcher>,
    ) -> Self {
        let now = clock.now();
        let mut state = KeyState::new(source.refresh, source.max_stale, now);
        let kept = files.as_deref().and_then(|files| store::restore(files, source));
        if let Some(kept) = kept {
            state.restore(kept, now);
        }
        let shared = Arc::new(Shared {
            source: Arc::clone(source),
            files,
            state: Mutex::new(state),
            completed: watch::Sender::new(0),
            wake: Notify::new(),
            waiters: AtomicUsize::new(0),
        });
        let task = refresh_forever(Arc::clone(&shared), clock, fetcher);
        Self { shared, task: tokio::spawn(task).abort_handle() }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Whether the keys are those of `source`.
    pub(super) fn serves(&self, source: &Arc<RemoteKeys>) -> bool {
        Arc::ptr_eq(&self.source, source) || self.source == *source
    }

    /// The keys for a token with this key id; waits where waiting may help.
    pub(super) async fn keys_for(
        &self,
        key_id: Option<&str>,
        clock: &dyn Clock,
        patience: Duration,
    ) -> Option<Arc<KeySet>> {
        if let Some(keys) = self.sufficient(key_id, clock.now()) {
            return Some(keys);
        }
        let mut completed = self.completed.subscribe();
        if self.is_worth_waiting(key_id, clock.now())
            && let Some(_place) = Waiting::begin(&self.waiters)
        {
            // Running out of patience is no error: what is there decides.
            let _ = Box::pin(tokio::time::timeout(patience, completed.changed())).await;
        }
        lock(&self.state).keys(clock.now()).cloned()
    }

    /// The keys, if a token with this key id has no use for others.
    fn sufficient(&self, key_id: Option<&str>, now: UnixTime) -> Option<Arc<KeySet>> {
        let state = lock(&self.state);
        state.keys(now).filter(|keys| key_id.is_none_or(|id| keys.has(id))).cloned()
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

    /// Whether the issuer did not answer when it was last asked.
    pub(super) fn is_failing(&self) -> bool {
        lock(&self.state).failures() > 0
    }

    /// How it is doing.
    pub(super) fn status(&self, now: UnixTime) -> KeyStatus {
        let state = lock(&self.state);
        KeyStatus {
            origin: self.source.url.to_string(),
            keys: state.keys(now).cloned(),
            fetched_at: state.held().map(|held| held.fetched_at),
            first_seen: state.held().map(|held| held.first_seen.clone()).unwrap_or_default(),
            next_fetch: state.next_attempt(),
            failures: state.failures(),
        }
    }
}

/// Fetches whenever it is due, until it is aborted.
async fn refresh_forever(shared: Arc<Shared>, clock: Arc<dyn Clock>, fetcher: Arc<dyn Fetcher>) {
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
                keep(shared, text, &state);
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

/// Writes the keys to the folder in the background: no check waits for a disk.
fn keep(shared: &Arc<Shared>, text: Bytes, state: &KeyState) {
    let (Some(files), Some(held)) = (shared.files.clone(), state.held().cloned()) else { return };
    let Held { keys, fetched_at, first_seen } = held;
    let last = LastGood { keys, fetched_at, next_fetch: Some(state.next_attempt()), first_seen };
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = store::write(&files, &shared.source, &text, &last) {
            let origin = &shared.source.url;
            tracing::error!(%origin, %error, "keys could not be kept for a restart");
        }
    });
}

/// A well-formed set is the issuer's word, so it counts even where none of its keys can be used; but an operator should
/// know.
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
