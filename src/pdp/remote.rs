//! Files on servers that trust depends on: revocation lists, bundles, authorities. Fetched in the background; what was
//! good stays until something better was put in force.
//!
//! A fetched file becomes part of the documents: the whole set is compiled again with it. A set that does not compile is
//! not put in force. Then the last good file is used again, so that one bad answer neither takes anything away nor keeps
//! other changes out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::clock::{Clock, UnixTime};
use crate::document::RemoteContents;
use crate::pdp::fetch::Fetcher;
use crate::sync::lock;
use crate::trust::{RemoteFile, TrustStore};

/// The files by their names, with a task for each.
pub struct RemoteFiles {
    clock: Arc<dyn Clock>,
    fetcher: Arc<dyn Fetcher>,
    entries: Mutex<BTreeMap<String, Entry>>,
    changed: Arc<Notify>,
}

/// How one file is doing.
#[derive(Clone, Debug)]
pub struct RemoteStatus {
    /// The origin of its address.
    pub origin: String,
    /// When it was fetched last, if ever.
    pub fetched_at: Option<UnixTime>,
    /// How many fetches have failed since.
    pub failures: u32,
    /// Whether what was fetched last is not in force, because the documents do not compile with it.
    pub unusable: bool,
}

struct Entry {
    source: Arc<RemoteFile>,
    state: Arc<Mutex<State>>,
    task: AbortHandle,
}

#[derive(Default)]
struct State {
    /// The content that was fetched last.
    newest: Option<Bytes>,
    /// The content that is known to compile.
    good: Option<Bytes>,
    fetched_at: Option<UnixTime>,
    failures: u32,
    unusable: bool,
}

/// After a failed fetch: soon, and less and less soon.
const FIRST_RETRY: Duration = Duration::from_secs(5);

impl RemoteFiles {
    /// No files yet. [`RemoteFiles::follow`] fills it.
    pub fn new(clock: Arc<dyn Clock>, fetcher: Arc<dyn Fetcher>) -> Self {
        let (entries, changed) = (Mutex::default(), Arc::default());
        Self { clock, fetcher, entries, changed }
    }

    /// Fetches what `trust` needs from now on, and nothing else. Called within a tokio runtime.
    pub fn follow(&self, trust: &TrustStore) {
        let mut entries = self.lock();
        let mut previous = std::mem::take(&mut *entries);
        for source in trust.domains().iter().flat_map(|domain| &domain.remotes) {
            let kept = previous.remove(&source.name).filter(|entry| *entry.source == **source);
            let entry = kept.unwrap_or_else(|| self.start(source));
            entries.insert(source.name.clone(), entry);
        }
    }

    fn start(&self, source: &Arc<RemoteFile>) -> Entry {
        let state = Arc::new(Mutex::new(State::default()));
        let task = fetch_forever(
            Arc::clone(source),
            Arc::clone(&state),
            Arc::clone(&self.clock),
            Arc::clone(&self.fetcher),
            Arc::clone(&self.changed),
        );
        Entry { source: Arc::clone(source), state, task: tokio::spawn(task).abort_handle() }
    }

    /// Notified whenever a file has changed.
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// The content that was fetched last.
    pub fn newest(&self) -> RemoteContents {
        self.contents(|state| state.newest.clone())
    }

    /// The content that was put in force last.
    pub fn good(&self) -> RemoteContents {
        self.contents(|state| state.good.clone())
    }

    /// Says that `contents` compile.
    pub fn approve(&self, contents: &RemoteContents) {
        for (name, entry) in &*self.lock() {
            if let Some(bytes) = contents.get(name) {
                let mut state = lock(&entry.state);
                state.good = Some(bytes.clone());
                state.unusable = false;
            }
        }
    }

    /// Says that what was fetched last does not compile, so that what was good before stays in force.
    pub fn refuse(&self) {
        for entry in self.lock().values() {
            let mut state = lock(&entry.state);
            state.unusable = state.newest != state.good;
        }
    }

    /// How every file is doing.
    pub fn status(&self) -> Vec<RemoteStatus> {
        let entries = self.lock();
        let status = |entry: &Entry| {
            let state = lock(&entry.state);
            RemoteStatus {
                origin: entry.source.url.to_string(),
                fetched_at: state.fetched_at,
                failures: state.failures,
                unusable: state.unusable,
            }
        };
        entries.values().map(status).collect()
    }

    fn contents(&self, part: impl Fn(&State) -> Option<Bytes>) -> RemoteContents {
        let entries = self.lock();
        let found = entries.iter().map(|(name, entry)| (name, part(&lock(&entry.state))));
        found.filter_map(|(name, bytes)| Some((name.clone(), bytes?))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        lock(&self.entries)
    }
}

impl fmt::Debug for RemoteFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFiles").finish_non_exhaustive()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn fetch_forever(
    source: Arc<RemoteFile>,
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    fetcher: Arc<dyn Fetcher>,
    changed: Arc<Notify>,
) {
    loop {
        let fetched = fetcher.fetch_file(&source.url, source.authorities.as_deref()).await;
        let pause = match fetched {
            Ok(fetched) => {
                if lock(&state).take(fetched.body, clock.now()) {
                    changed.notify_one();
                }
                source.refresh
            }
            Err(error) => {
                let origin = &source.url;
                tracing::warn!(%origin, %error, "remote file not fetched, the last good one stays in force");
                lock(&state).fail(source.refresh)
            }
        };
        tokio::time::sleep(pause).await;
    }
}

impl State {
    /// Notes what was fetched; says whether it is something new.
    fn take(&mut self, bytes: Bytes, now: UnixTime) -> bool {
        self.fetched_at = Some(now);
        self.failures = 0;
        let new = self.newest.as_ref() != Some(&bytes);
        self.newest = Some(bytes);
        new
    }

    /// Notes a failure; says how long to wait, `refresh` at most.
    fn fail(&mut self, refresh: Duration) -> Duration {
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        FIRST_RETRY.saturating_mul(2u32.saturating_pow(doublings)).min(refresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_soon_and_then_less_often() {
        let mut state = State::default();
        let refresh = Duration::from_secs(600);
        let pauses: Vec<_> = (0..9).map(|_| state.fail(refresh).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert!(state.take(Bytes::from_static(b"a"), UnixTime::from_secs(1)));
        assert!(!state.take(Bytes::from_static(b"a"), UnixTime::from_secs(2)));
        assert_eq!(state.fail(refresh), FIRST_RETRY);
    }
}
