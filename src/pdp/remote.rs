//! Files on servers that trust depends on: revocation lists, bundles, authorities. Fetched in the background; what was
//! good stays until something better was put in force, or it is older than its `maxStale`.
//!
//! A fetched file becomes part of the documents: the whole set is compiled again with it. A set that does not compile is
//! not put in force. Then the last good file is used again, so that one bad answer neither takes anything away nor keeps
//! other changes out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::clock::{Clock, UnixTime};
use crate::document::RemoteContents;
use crate::limits::{MAX_REMOTE_FILE_BYTES, UNKNOWN_AUTHORITY_FETCHES};
use crate::pdp::fetch::{FetchRequest, Fetched, Fetcher, Validators};
use crate::pdp::follow::{
    FetchFailure, RefreshState, RefreshTask, RemoteResource, SAVE_AGAIN, Saved, TokenBucket,
};
use crate::pdp::state_files::StateFiles;
use crate::sync::lock;
use crate::trust::{Access, RemoteFile, RemotePart, TrustStore, refresh_hint};

/// The files by their names, with a task for each.
pub struct RemoteFiles {
    clock: Arc<dyn Clock>,
    fetcher: Arc<dyn Fetcher>,
    files: Option<StateFiles>,
    entries: Mutex<BTreeMap<String, FileEntry>>,
    changed: Arc<Notify>,
}

/// How one file is doing.
#[derive(Clone, Debug)]
pub struct RemoteStatus {
    /// The name of the trust domain's document.
    pub trust_domain: String,
    /// The key of the document, and a number where it has several.
    pub file: String,
    /// The origin of its address.
    pub origin: String,
    /// When it was fetched last, if ever.
    pub fetched_at: Option<UnixTime>,
    /// When it is fetched next.
    pub next_fetch: UnixTime,
    /// How many fetches have failed since.
    pub failures: u32,
    /// Why the last one failed.
    pub error: Option<String>,
    /// True if the content that was fetched last is not in force, because the documents do not compile with it.
    pub unusable: bool,
    /// True if it is older than its document allows, so that it does not count.
    pub stale: bool,
}

struct FileEntry {
    shared: Arc<SharedFile>,
    _task: RefreshTask,
}

/// The state that the task and the others share.
struct SharedFile {
    source: Arc<RemoteFile>,
    /// The documents that name it, and where.
    named: Mutex<Vec<Named>>,
    state: Mutex<FileState>,
    refresh_state: Arc<RefreshState>,
}

#[derive(Default)]
struct FileState {
    /// The content that was fetched last, and when.
    newest: Option<(Bytes, UnixTime)>,
    /// The content that is known to compile, and when it was fetched last.
    good: Option<(Bytes, UnixTime)>,
    /// The content that was saved.
    saved: Option<(Bytes, UnixTime)>,
    unusable: bool,
    stale: bool,
    asks: Option<TokenBucket>,
}

/// A document, its key, and how it is shown.
type Named = (String, RemotePart, String);

struct FollowedFile {
    shared: Arc<SharedFile>,
    fetcher: Arc<dyn Fetcher>,
    changed: Arc<Notify>,
    known: Validators,
}

/// Escaping at most doubles a text.
const MAX_SAVED_BYTES: usize = MAX_REMOTE_FILE_BYTES.saturating_mul(2);

impl RemoteFiles {
    /// No files yet. [`RemoteFiles::follow`] fills it.
    pub fn new(clock: Arc<dyn Clock>, fetcher: Arc<dyn Fetcher>) -> Self {
        let (entries, changed) = (Mutex::default(), Arc::default());
        Self { clock, fetcher, files: None, entries, changed }
    }

    /// The same with a folder where the last good files outlive a restart.
    #[must_use]
    pub fn saved_in(self, folder: Option<PathBuf>) -> Self {
        Self { files: folder.map(StateFiles::new), ..self }
    }

    /// The folder, where there is one.
    pub const fn state_files(&self) -> Option<&StateFiles> {
        self.files.as_ref()
    }

    /// Fetches what `trust` needs from now on, and nothing else. A file stays when only the way to fetch it is new. Called within
    /// a tokio runtime.
    pub fn follow(&self, trust: &TrustStore) {
        let mut entries = lock(&self.entries);
        let mut previous = std::mem::take(&mut *entries);
        let mut wanted: BTreeMap<&str, Arc<RemoteFile>> = BTreeMap::new();
        for source in trust.domains().iter().flat_map(|domain| &domain.remotes) {
            let own = wanted.entry(&source.name).or_insert_with(|| Arc::clone(source));
            *own = Arc::new(own.stricter(source));
        }
        for domain in trust.domains() {
            let mut parts: BTreeMap<RemotePart, usize> = BTreeMap::new();
            for own in &domain.remotes {
                let source = wanted.get(&*own.name).unwrap_or(own);
                let entry = entries.entry(source.name.clone()).or_insert_with(|| {
                    match previous.remove(&source.name) {
                        Some(kept) if kept.shared.source.is_fetched_like(source) => {
                            lock(&kept.shared.named).clear();
                            kept
                        }
                        before => self.start(source, before),
                    }
                });
                let count = parts.entry(own.part).and_modify(|count| *count += 1).or_insert(1);
                let file = match count {
                    1 => own.part.to_string(),
                    count => format!("{} {count}", own.part),
                };
                lock(&entry.shared.named).push((domain.name.clone(), own.part, file));
            }
        }
    }

    fn start(&self, source: &Arc<RemoteFile>, before: Option<FileEntry>) -> FileEntry {
        let state = match before {
            Some(before) => std::mem::take(&mut *lock(&before.shared.state)),
            None => FileState { newest: self.restore(source), ..FileState::default() },
        };
        let refresh_state = RefreshState::new(source.refresh, Arc::clone(&self.clock));
        let state = Mutex::new(state);
        let (source, named) = (Arc::clone(source), Mutex::default());
        let shared = Arc::new(SharedFile { source, named, state, refresh_state });
        let followed = FollowedFile {
            shared: Arc::clone(&shared),
            fetcher: Arc::clone(&self.fetcher),
            changed: Arc::clone(&self.changed),
            known: Validators::default(),
        };
        let task = RefreshTask::start(&shared.refresh_state, followed);
        FileEntry { shared, _task: task }
    }

    /// The content that was saved before the start.
    fn restore(&self, source: &RemoteFile) -> Option<(Bytes, UnixTime)> {
        let now = self.clock.now();
        let read = |saved: Saved| Some((saved.text, saved.fetched_at.min(now)));
        Saved::restore(self.files.as_ref()?, &source.name, MAX_SAVED_BYTES, read)
    }

    /// Notified whenever a file has changed, or does not count any more.
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// The content that was fetched last.
    pub fn newest(&self) -> RemoteContents {
        self.contents(|state| &state.newest)
    }

    /// The content that was put in force last.
    pub fn good(&self) -> RemoteContents {
        self.contents(|state| &state.good)
    }

    /// Says that `contents` compile, and saves them. Does blocking I/O.
    pub fn approve(&self, contents: &RemoteContents) {
        for (name, entry) in &*lock(&self.entries) {
            let Some(bytes) = contents.get(name) else { continue };
            let mut state = lock(&entry.shared.state);
            let fetched = state.newest.clone().filter(|(newest, _)| newest == bytes);
            state.good = fetched.or_else(|| state.good.take());
            state.unusable = false;
            self.save(&entry.shared.source, &mut state);
        }
    }

    /// Revocation lists are saved elsewhere, with their numbers.
    fn save(&self, source: &RemoteFile, state: &mut FileState) {
        let (Some(files), Some((text, at))) = (&self.files, &state.good) else { return };
        let is_saved = state
            .saved
            .as_ref()
            .is_some_and(|(saved, saved_at)| saved == text && at.since(*saved_at) < SAVE_AGAIN);
        if source.part == RemotePart::Crls || is_saved {
            return;
        }
        let (text, fetched_at, first_seen) = (text.clone(), *at, BTreeMap::new());
        let saved = Saved { text, fetched_at, next_fetch: None, first_seen };
        if let Err(error) = saved.write(files, &source.name, files.ticket()) {
            let origin = &source.url;
            tracing::error!(%origin, %error, "remote file could not be kept for a restart");
            return;
        }
        state.saved.clone_from(&state.good);
    }

    /// Says that what was fetched last does not compile, so that what was good before stays in force.
    pub fn refuse(&self) {
        for entry in lock(&self.entries).values() {
            let mut state = lock(&entry.shared.state);
            let text = |own: &Option<(Bytes, UnixTime)>| own.as_ref().map(|(text, _)| text.clone());
            state.unusable = text(&state.newest) != text(&state.good);
        }
    }

    /// A certificate names an authority that the trust domain called `name` does not have: has its authorities fetched again,
    /// within a budget.
    pub fn ask_for_authorities(&self, name: &str) {
        for entry in lock(&self.entries).values() {
            let names =
                |own: &(String, RemotePart, String)| own.0 == name && own.1.has_authorities();
            if lock(&entry.shared.named).iter().any(names) {
                entry.shared.ask();
            }
        }
    }

    /// How every file is doing, once for each place that names it.
    pub fn status(&self) -> Vec<RemoteStatus> {
        let entries = lock(&self.entries);
        let of = |entry: &FileEntry| {
            let named = lock(&entry.shared.named).clone();
            named.iter().map(|own| entry.status(own)).collect::<Vec<_>>()
        };
        entries.values().flat_map(of).collect()
    }

    fn contents(&self, part: impl Fn(&FileState) -> &Option<(Bytes, UnixTime)>) -> RemoteContents {
        let (entries, now) = (lock(&self.entries), self.clock.now());
        let found = entries.iter().filter_map(|(name, entry)| {
            let state = lock(&entry.shared.state);
            let (text, at) = part(&state).as_ref()?;
            (!entry.shared.source.is_stale(*at, now)).then(|| (name.clone(), text.clone()))
        });
        found.collect()
    }
}

impl fmt::Debug for RemoteFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFiles").finish_non_exhaustive()
    }
}

impl FileEntry {
    fn status(&self, (trust_domain, _, file): &(String, RemotePart, String)) -> RemoteStatus {
        let (state, schedule) = (lock(&self.shared.state), self.shared.refresh_state.schedule());
        RemoteStatus {
            trust_domain: trust_domain.clone(),
            file: file.clone(),
            origin: self.shared.source.url.to_string(),
            fetched_at: state.newest.as_ref().map(|(_, at)| *at),
            next_fetch: schedule.next(),
            failures: schedule.failures(),
            error: schedule.error().map(str::to_owned),
            unusable: state.unusable,
            stale: state.stale,
        }
    }
}

impl SharedFile {
    /// Its names, as metrics have them.
    fn files(&self) -> Vec<String> {
        lock(&self.named).iter().map(|(domain, _, file)| format!("{domain}/{file}")).collect()
    }

    fn ask(&self) {
        let (most, refill, gap) = UNKNOWN_AUTHORITY_FETCHES;
        let now = self.refresh_state.now();
        let mut state = lock(&self.state);
        let mut schedule = self.refresh_state.schedule();
        let asks = state.asks.get_or_insert_with(|| TokenBucket::full(most, refill, gap));
        if !schedule.is_moving(now) && schedule.permits(now) && asks.take(now) {
            schedule.hurry(now);
            self.refresh_state.recheck();
        }
    }

    /// Takes what was fetched, if it was sent. Whether documents have to be compiled again.
    fn take(&self, body: Option<Bytes>, now: UnixTime) -> bool {
        let mut state = lock(&self.state);
        let before = state.newest.take().map(|(text, _)| text);
        let new = body.is_some() && body != before;
        let text = body.or(before);
        if let Some((good, at)) = &mut state.good
            && Some(&*good) == text.as_ref()
        {
            *at = now;
        }
        state.newest = text.map(|text| (text, now));
        std::mem::take(&mut state.stale) || new
    }

    /// How the server is asked: one that publishes its own authorities is known by the last good ones, while they count.
    fn access(&self) -> Cow<'_, Access> {
        let (access, state) = (&self.source.access, lock(&self.state));
        let now = self.refresh_state.now();
        let counts = |at: UnixTime| self.source.own_endpoint && !self.source.is_stale(at, now);
        match state.good.as_ref().filter(|(_, at)| counts(*at)) {
            Some((text, _)) => {
                Cow::Owned(Access { authorities: Some(text.to_vec()), ..access.clone() })
            }
            None => Cow::Borrowed(access),
        }
    }

    /// True if the content at hand has become too old just now.
    fn lapse(&self, now: UnixTime) -> bool {
        let mut state = lock(&self.state);
        let stale = state.newest.as_ref().is_some_and(|(_, at)| self.source.is_stale(*at, now));
        stale && !std::mem::replace(&mut state.stale, stale)
    }
}

impl RemoteResource for FollowedFile {
    async fn look(&mut self, wanted: &Arc<AtomicU32>) -> Result<Option<Duration>, FetchFailure> {
        let Self { shared, fetcher, changed, known } = self;
        let (url, access) = (&shared.source.url, shared.access());
        let (known_as, wanted) = (known.if_any(), Some(wanted));
        let ask = FetchRequest { known: known_as, wanted, ..FetchRequest::file(url, &access) };
        match fetcher.fetch(ask).await {
            Ok(Fetched { body, max_age, validators, .. }) => {
                *known = validators;
                if shared.take(body, shared.refresh_state.now()) {
                    changed.notify_one();
                }
                let state = lock(&shared.state);
                let hint = state.newest.as_ref().and_then(|(text, _)| refresh_hint(text));
                Ok(hint.or(max_age))
            }
            Err(error) => {
                let had_before = lock(&shared.state).newest.is_some();
                let files = shared.files();
                tracing::warn!(?files, origin = %url, %error, last_good_in_force = had_before, "remote file not fetched");
                if shared.lapse(shared.refresh_state.now()) {
                    tracing::error!(?files, origin = %url, "remote file is older than its `maxStale` and does not count any more");
                    changed.notify_one();
                }
                Err(error.into())
            }
        }
    }
}

#[cfg(test)]
mod tests;
