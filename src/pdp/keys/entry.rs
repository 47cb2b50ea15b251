//! One source of keys: what is known of it, how requests wait for it, and how it is followed.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::asks::Permission;
use super::load::{FirstSeen, KnownVersions, LastGood, Loaded, address, load};
use super::state::KeyState;
use crate::clock::{Clock, UnixTime};
use crate::limits::SECOND_TOKEN_WAIT;
use crate::pdp::fetch::Fetcher;
use crate::pdp::follow::{
    FetchFailure, MAX_SAVED_BYTES, RefreshState, RemoteResource, Saved, refresh_after,
};
use crate::pdp::state_files::StateFiles;
use crate::sync::lock;
use crate::trust::{KeySet, RemoteKeys};

/// How the keys of one issuer are doing: for `/readyz`, metrics and `/status`.
#[derive(Clone, Debug)]
pub struct KeyStatus {
    /// The name of the issuer's document.
    pub issuer: String,
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
    /// Why the last one failed.
    pub error: Option<String>,
}

/// The state that the task and the requests share.
pub(super) struct Shared {
    pub(super) source: Arc<RemoteKeys>,
    pub(super) issuers: Mutex<Vec<String>>,
    files: Option<Arc<StateFiles>>,
    state: Mutex<KeyState>,
    /// How many fetches have begun, of all sources.
    fetches: Arc<AtomicU64>,
    pub(super) refresh_state: Arc<RefreshState>,
}

/// The key that a token needs.
#[derive(Clone, Copy)]
pub(super) enum Need<'a> {
    /// The key that it names, or any.
    Key(Option<&'a str>),
    /// Other keys than those that it does not verify with.
    Change,
}

impl<'a> Need<'a> {
    /// The id of the key, or a text that stands for any.
    fn key_id(self) -> &'a str {
        let Self::Key(Some(id)) = self else { return "" };
        id
    }
}

/// The next step of a request that needs other keys.
enum WaitStep {
    Done,
    /// Without an answer of the issuer, which was not asked.
    Unasked,
    Wait,
    SecondToken,
}

/// The task's part.
pub(super) struct FollowedKeys {
    pub(super) shared: Arc<Shared>,
    pub(super) fetcher: Arc<dyn Fetcher>,
    pub(super) known: KnownVersions,
}

impl Shared {
    /// Begins with the `newest` keys at hand, or with those that were saved in `files`.
    pub(super) fn new(
        source: &Arc<RemoteKeys>,
        newest: Option<LastGood>,
        files: Option<Arc<StateFiles>>,
        clock: Arc<dyn Clock>,
        fetches: Arc<AtomicU64>,
    ) -> Self {
        let saved = |files: &StateFiles| {
            let read = |saved| LastGood::of(saved, source);
            Saved::restore(files, &address(source), MAX_SAVED_BYTES, read)
        };
        let held = newest.or_else(|| saved(files.as_deref()?));
        let state = Mutex::new(KeyState::new(source.max_stale, held, clock.now()));
        let (source, issuers) = (Arc::clone(source), Mutex::default());
        let refresh_state = RefreshState::new(source.refresh, clock);
        Self { source, issuers, files, state, fetches, refresh_state }
    }

    /// True if the keys are those of `source`.
    pub(super) fn serves(&self, source: &Arc<RemoteKeys>) -> bool {
        Arc::ptr_eq(&self.source, source) || self.source == *source
    }

    /// The keys, unless they are too old.
    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        lock(&self.state).keys(self.refresh_state.now()).cloned()
    }

    /// The last good keys, however old.
    pub(super) fn held(&self) -> Option<LastGood> {
        lock(&self.state).held().cloned()
    }

    /// True if it has the `newest` keys of several sources. Where they are the same, they count from when the newest were fetched.
    pub(super) fn catches_up(&self, newest: Option<&LastGood>) -> bool {
        newest.is_none_or(|newest| lock(&self.state).catches_up(newest))
    }

    /// Waits, for `patience` at most, where keys that `need` asks for may come, and has them fetched where it may. Whether
    /// the answer has not arrived by then.
    pub(super) async fn wait(&self, need: Need<'_>, patience: Duration) -> bool {
        let is_pending = || self.refresh_state.schedule().is_moving(self.refresh_state.now());
        let Some(_place) = self.refresh_state.wait() else { return is_pending() };
        self.refresh_state.want(lock(&self.state).asks.name(need.key_id()));
        let mut ended = self.refresh_state.ended();
        let arrived = self.refresh_state.schedule().begun();
        let waiting = async {
            let mut may_ask = true;
            loop {
                match self.step(need, arrived, may_ask) {
                    WaitStep::Done => return false,
                    WaitStep::Unasked => return true,
                    // An error means that the source is no longer followed.
                    WaitStep::Wait => drop(ended.changed().await),
                    WaitStep::SecondToken => {
                        may_ask = false;
                        let _ = tokio::time::timeout(SECOND_TOKEN_WAIT.0, ended.changed()).await;
                    }
                }
            }
        };
        tokio::time::timeout(patience, waiting).await.unwrap_or_else(|_| is_pending())
    }

    /// The next step of a request that arrived when `arrived` fetches had begun.
    fn step(&self, need: Need<'_>, arrived: u64, may_ask: bool) -> WaitStep {
        let now = self.refresh_state.now();
        let mut state = lock(&self.state);
        let mut schedule = self.refresh_state.schedule();
        let is_there = match need {
            Need::Key(id) => state.keys(now).is_some_and(|keys| id.is_none_or(|id| keys.has(id))),
            Need::Change => false,
        };
        if is_there || schedule.good() > arrived {
            return WaitStep::Done;
        }
        if schedule.is_moving(now) {
            return WaitStep::Wait;
        }
        if schedule.ended() > arrived || !schedule.permits(now) {
            return WaitStep::Done;
        }
        if !may_ask {
            let unasked = matches!(need, Need::Key(Some(id)) if state.asks.is_unasked(id));
            return if unasked { WaitStep::Unasked } else { WaitStep::Done };
        }
        let permission = match need {
            Need::Key(_) => state.asks.unknown_key(need.key_id(), now),
            Need::Change => state.asks.changed_key(now),
        };
        match permission {
            Permission::None => WaitStep::Done,
            Permission::Unasked => WaitStep::Unasked,
            Permission::SecondToken => WaitStep::SecondToken,
            Permission::Fetch => {
                schedule.hurry(now);
                self.refresh_state.want(1);
                drop(schedule);
                self.refresh_state.recheck();
                WaitStep::Wait
            }
        }
    }

    /// True if there were keys at any time.
    pub(super) fn was_fetched(&self) -> bool {
        lock(&self.state).held().is_some()
    }

    /// True if the issuer did not answer when it was last asked.
    pub(super) fn is_failing(&self) -> bool {
        self.refresh_state.schedule().failures() > 0
    }

    /// How it is doing, once for each issuer.
    pub(super) fn status(&self) -> Vec<KeyStatus> {
        let state = lock(&self.state);
        let (held, schedule) = (state.held(), self.refresh_state.schedule());
        let status = |issuer: &String| KeyStatus {
            issuer: issuer.clone(),
            origin: self.source.url.to_string(),
            keys: state.keys(self.refresh_state.now()).cloned(),
            fetched_at: held.map(|held| held.fetched_at),
            first_seen: held.map(|held| held.first_seen.clone()).unwrap_or_default(),
            next_fetch: schedule.next(),
            failures: schedule.failures(),
            error: schedule.error().map(str::to_owned),
        };
        lock(&self.issuers).iter().map(status).collect()
    }

    /// Puts what the `fetch` gave in force, and saves it in the background: no check waits for a disk. Of two fetches of one address
    /// the one that began last stays saved (P671).
    fn put_in_force(self: &Arc<Self>, loaded: Loaded, fetch: u64) {
        let now = self.refresh_state.now();
        let next_fetch = now.plus(refresh_after(self.source.refresh, loaded.max_age));
        let mut state = lock(&self.state);
        match loaded.keys {
            None => state.confirm(now, next_fetch, fetch),
            Some((keys, text)) => {
                let (keys, next_fetch) = (Arc::new(keys), Some(next_fetch));
                let first_seen = FirstSeen::new();
                let fresh = LastGood { keys, text, fetched_at: now, next_fetch, first_seen, fetch };
                if state.succeed(fresh.clone()) {
                    self.report(&fresh.keys);
                }
            }
        }
        let (Some(files), Some(held)) = (self.files.clone(), state.held().cloned()) else { return };
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = held.saved().write(&files, &address(&shared.source), fetch) {
                let origin = &shared.source.url;
                tracing::error!(%origin, %error, "keys could not be kept for a restart");
            }
        });
    }

    fn report(&self, keys: &KeySet) {
        let (origin, issuers) = (&self.source.url, &*lock(&self.issuers));
        let (usable, skipped) = (keys.keys().len(), keys.skipped().len());
        tracing::info!(%origin, ?issuers, keys = usable, skipped, "keys have changed");
        for skipped in keys.skipped() {
            if skipped.fault.is_secret() {
                tracing::error!(%origin, ?issuers, key = skipped.position, "the issuer publishes a secret: {}", skipped.fault);
            }
        }
    }
}

impl RemoteResource for FollowedKeys {
    async fn look(&mut self, wanted: &Arc<AtomicU32>) -> Result<Option<Duration>, FetchFailure> {
        let Self { shared, fetcher, known } = self;
        let fetch = shared.fetches.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        match load(&shared.source, fetcher.as_ref(), known, Some(wanted)).await {
            Ok(loaded) => {
                let max_age = loaded.max_age;
                shared.put_in_force(loaded, fetch);
                Ok(max_age)
            }
            Err(error) => {
                lock(&shared.state).asks.end(true);
                let (origin, issuers) = (&shared.source.url, &*lock(&shared.issuers));
                tracing::warn!(%origin, ?issuers, %error, "keys could not be fetched");
                Err(error.into())
            }
        }
    }
}
