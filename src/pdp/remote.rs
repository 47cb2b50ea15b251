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
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::clock::{Clock, UnixTime};
use crate::document::RemoteContents;
use crate::limits::{MAX_REMOTE_FILE_BYTES, UNKNOWN_AUTHORITY_FETCHES};
use crate::pdp::fetch::{FetchRequest, Fetched, Fetcher, Validators};
use crate::pdp::follow::{
    FetchFailure, RefreshState, RefreshTask, RemoteResource, Saved, TokenBucket,
};
use crate::pdp::kept_files::KeptFiles;
use crate::sync::lock;
use crate::trust::{Access, RemoteFile, RemotePart, TrustStore, refresh_hint};

/// The files by their names, with a task for each.
pub struct RemoteFiles {
    clock: Arc<dyn Clock>,
    fetcher: Arc<dyn Fetcher>,
    files: Option<KeptFiles>,
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

/// How long the time of a fetch that brought nothing new need not be saved: after a restart a file seems older by at most this
/// much.
const SAVE_AGAIN: Duration = Duration::from_secs(60);

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
    pub fn kept_in(self, folder: Option<PathBuf>) -> Self {
        Self { files: folder.map(KeptFiles::new), ..self }
    }

    /// The folder, where there is one.
    pub const fn kept_files(&self) -> Option<&KeptFiles> {
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
    async fn look(&mut self, urgent: bool) -> Result<Option<Duration>, FetchFailure> {
        let Self { shared, fetcher, changed, known } = self;
        let (url, access) = (&shared.source.url, shared.access());
        let ask =
            FetchRequest { known: known.if_any(), urgent, ..FetchRequest::file(url, &access) };
        match fetcher.fetch(ask).await {
            Ok(Fetched { body, max_age, validators }) => {
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
mod tests {
    use std::collections::VecDeque;

    use futures_util::future::BoxFuture;
    use serde_json::json;

    use super::*;
    use crate::clock::FixedClock;
    use crate::document::{self, Attachments, SourceFile};
    use crate::pdp::fetch::FetchError;
    use crate::trust::tests::pki::{NOW, trust_domain};

    /// Gives its answers one after the other, and then fails.
    #[derive(Debug, Default)]
    struct Server(Mutex<VecDeque<Bytes>>, Mutex<usize>);

    impl Fetcher for Server {
        fn fetch<'a>(&'a self, _: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
            *lock(&self.1) += 1;
            let next = lock(&self.0).pop_front();
            let answer = next.map(|body| Fetched { body: Some(body), ..Fetched::default() });
            Box::pin(async { answer.ok_or(FetchError::Status(503)) })
        }
    }

    const BUNDLE: &str = "https://spire.test/bundle";

    fn trust(more: &str) -> TrustStore {
        let spec = format!(
            "{{ spiffe: prod.example, bundle: {{ remote: {{ url: '{BUNDLE}'{more} }} }} }}"
        );
        let mut problems = Vec::new();
        let source = SourceFile::new("docs/trust.yaml", trust_domain("prod", &spec));
        let documents = document::parse(&source, &mut problems);
        TrustStore::compile(&documents, &Attachments::default(), &mut problems)
    }

    fn files(
        folder: &tempfile::TempDir,
        clock: &FixedClock,
        answers: &[Bytes],
    ) -> (RemoteFiles, Arc<Server>) {
        let server = Arc::new(Server(Mutex::new(answers.to_vec().into()), Mutex::default()));
        let files = RemoteFiles::new(Arc::new(clock.clone()), server.clone());
        (files.kept_in(Some(folder.path().to_owned())), server)
    }

    fn bundle() -> Bytes {
        json!({ "keys": [], "spiffe_refresh_hint": 60 }).to_string().into()
    }

    /// P269: a bundle outlives a restart and a change of how it is fetched, until it is too old.
    #[tokio::test(start_paused = true)]
    async fn a_bundle_outlives_a_restart_and_lapses() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), FixedClock::at(NOW));
        let (before, _) = files(&folder, &clock, &[bundle()]);
        before.follow(&trust(""));
        before.changed().notified().await;
        let hint = before.status()[0].next_fetch.since(NOW);
        assert!(hint <= Duration::from_secs(60), "`spiffe_refresh_hint` counts: {hint:?}");
        before.approve(&before.newest());
        before.follow(&trust(", refresh: 20m"));
        assert_eq!(before.good().get(BUNDLE), Some(&bundle()));
        drop(before);
        clock.advance(Duration::from_secs(23 * 3600));
        let (after, _) = files(&folder, &clock, &[]);
        after.follow(&trust(""));
        assert_eq!(after.newest().get(BUNDLE), Some(&bundle()));
        clock.advance(Duration::from_secs(3601));
        assert!(after.newest().is_empty(), "`maxStale` is 24 h");
        after.changed().notified().await;
        assert!(after.status()[0].stale);
        let (longer, _) = files(&folder, &clock, &[]);
        longer.follow(&trust(", maxStale: 48h"));
        assert_eq!(longer.newest().len(), 1);
    }

    /// P491: a bundle endpoint of the profile `https_spiffe` is known by `ca` until it has published authorities that are in force, and
    /// then by those; one of another trust domain by `ca` alone. When what it published is too old, `ca` counts again.
    #[tokio::test(start_paused = true)]
    async fn a_bundle_endpoint_is_known_by_what_it_published() {
        const ID: &str = "spiffe://prod.example/spire/server";
        let told = bundle();
        let trust = |own: &str| {
            let remote = format!("{{ url: '{BUNDLE}', spiffeId: '{ID}', ca: first.json }}");
            let spec = format!("{{ spiffe: {own}, bundle: {{ remote: {remote} }} }}");
            let mut problems = Vec::new();
            let source = SourceFile::new("docs/trust.yaml", trust_domain("prod", &spec));
            let documents = document::parse(&source, &mut problems);
            let mut attached = Attachments::default();
            attached.insert("docs/first.json".into(), Ok(b"first".to_vec()));
            TrustStore::compile(&documents, &attached, &mut problems)
        };
        for (own, published) in [("prod.example", true), ("other.example", false)] {
            let (folder, clock) = (tempfile::tempdir().unwrap(), FixedClock::at(NOW));
            let (remote, _) = files(&folder, &clock, std::slice::from_ref(&told));
            remote.follow(&trust(own));
            let known_by = || {
                let entries = lock(&remote.entries);
                let access = entries.values().next().unwrap().shared.access().into_owned();
                assert_eq!(access.spiffe.unwrap().as_str(), ID);
                access.authorities.unwrap()
            };
            assert_eq!(known_by(), b"first");
            remote.changed().notified().await;
            assert_eq!(known_by(), b"first", "it may not compile");
            remote.approve(&remote.newest());
            assert_eq!(known_by() == *told, published);
            clock.advance(Duration::from_secs(24 * 3600 + 1));
            assert_eq!(known_by(), b"first");
        }
    }

    /// P271: two documents that name one address with different authorities of its server have a file each, and neither lends the
    /// other its trust; with the same ones the stricter times count.
    #[tokio::test(start_paused = true)]
    async fn the_authorities_of_a_server_are_those_of_each_document() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), FixedClock::at(NOW));
        let spec = |spiffe: &str, more: &str| {
            format!("{{ spiffe: {spiffe}, bundle: {{ remote: {{ url: '{BUNDLE}'{more} }} }} }}")
        };
        let compile = |one: &str, two: &str| {
            let text = trust_domain("one", &spec("one.example", one))
                + &trust_domain("two", &spec("two.example", two));
            let mut problems = Vec::new();
            let documents = document::parse(&SourceFile::new("docs/t.yaml", text), &mut problems);
            let mut attached = Attachments::default();
            for ca in ["a.pem", "b.pem"] {
                attached.insert(format!("docs/{ca}").into(), Ok(ca.into()));
            }
            TrustStore::compile(&documents, &attached, &mut problems)
        };
        let (remote, server) = files(&folder, &clock, &[bundle(), bundle()]);
        remote.follow(&compile(", ca: a.pem", ", ca: b.pem"));
        remote.changed().notified().await;
        tokio::task::yield_now().await;
        assert_eq!((remote.newest().len(), *lock(&server.1)), (2, 2));
        // Another authority is another file: what the old one vouched for does not count.
        let folder = tempfile::tempdir().unwrap();
        let (remote, _) = files(&folder, &clock, &[bundle()]);
        remote.follow(&compile(", ca: a.pem", ", ca: a.pem, maxStale: 20m"));
        remote.changed().notified().await;
        assert_eq!(remote.newest().len(), 1);
        remote.approve(&remote.newest());
        remote.follow(&compile(", ca: b.pem", ", ca: b.pem"));
        assert!(remote.newest().is_empty());
        let folder = tempfile::tempdir().unwrap();
        let (remote, _) = files(&folder, &clock, &[bundle()]);
        remote.follow(&compile(", ca: a.pem, maxStale: 10h", ", ca: a.pem, maxStale: 20m"));
        remote.changed().notified().await;
        clock.advance(Duration::from_secs(1201));
        assert!(remote.newest().is_empty(), "the stricter `maxStale` counts");
    }

    /// P270: an unknown authority has the files of its trust domain fetched, and a flood of them no more than its budget.
    #[tokio::test(start_paused = true)]
    async fn an_unknown_authority_has_its_trust_domain_asked() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), FixedClock::at(NOW));
        let (remote, server) = files(&folder, &clock, &[bundle(), bundle(), bundle(), bundle()]);
        remote.follow(&trust(", refresh: 1h"));
        remote.changed().notified().await;
        for second in 0..3 {
            for name in ["prod", "other"].repeat(100) {
                remote.ask_for_authorities(name);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            clock.set(NOW.plus(Duration::from_secs(second)));
        }
        assert_eq!(*lock(&server.1), 3, "the first, and two that were asked for");
    }
}
