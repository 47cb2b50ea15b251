//! Watching files: when a document or a file it points to changes, the whole set is read again and put in force, or, where
//! anything is wrong with it, left out of force with the reasons in the log (P77).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::document::{Diagnostic, RemoteContents, Severity};
use crate::pdp::{KeptLists, Load, Pdp, RemoteFiles, Retired, Snapshot};

/// How long files must be quiet before they are read: a ConfigMap update is half a dozen events.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// How long that may take.
const LONGEST_DEBOUNCE: Duration = Duration::from_secs(1);

/// How often files are read even if nothing was heard: some file systems do not tell.
const POLL: Duration = Duration::from_secs(60);

/// How reloading is going.
#[derive(Debug, Default)]
pub struct ReloadStatus {
    /// Sets of documents that were put in force, the first one not counted.
    pub applied: AtomicU64,
    /// Sets of documents that were refused.
    pub refused: AtomicU64,
    /// Whether the files differ from what is in force, because they have errors.
    pub stale: AtomicBool,
    /// The errors they have, one line each.
    pub errors: ArcSwap<Vec<String>>,
}

/// Keeps a decision point in step with its files.
#[derive(Debug)]
pub struct Reloader {
    work: Arc<Work>,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    changed: Arc<Notify>,
}

/// What is done on a thread that may block: everything that takes longer with more documents.
#[derive(Debug)]
struct Work {
    pdp: Arc<Pdp>,
    paths: Vec<PathBuf>,
    status: Arc<ReloadStatus>,
    remote: Arc<RemoteFiles>,
    /// Where revocation lists outlive a restart.
    kept: Option<Arc<KeptLists>>,
}

// === impl Reloader ===

impl Reloader {
    /// Watches `paths`, every file in `files` and those that `remote` fetches, for `pdp`.
    ///
    /// # Errors
    /// Where the operating system has no watches left.
    pub fn new(
        pdp: Arc<Pdp>,
        remote: Arc<RemoteFiles>,
        paths: Vec<PathBuf>,
        files: &[PathBuf],
    ) -> io::Result<Self> {
        let changed = remote.changed();
        let heard = Arc::clone(&changed);
        let hear = move |event| {
            if is_change(&event) {
                heard.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(hear).map_err(io::Error::other)?;
        let (status, kept) = (Arc::default(), None);
        let work = Arc::new(Work { pdp, paths, status, remote, kept });
        let mut reloader = Self { work, watcher, watched: BTreeSet::new(), changed };
        reloader.watch(files);
        Ok(reloader)
    }

    /// The same, keeping revocation lists that are put in force in `kept`.
    #[must_use]
    pub fn keeping(mut self, kept: Option<Arc<KeptLists>>) -> Self {
        let Work { pdp, paths, status, remote, .. } = &*self.work;
        let (pdp, status, remote) = (Arc::clone(pdp), Arc::clone(status), Arc::clone(remote));
        self.work = Arc::new(Work { pdp, paths: paths.clone(), status, remote, kept });
        self
    }

    /// How it is going, now and later.
    #[must_use]
    pub fn status(&self) -> Arc<ReloadStatus> {
        Arc::clone(&self.work.status)
    }

    /// Reloads for as long as it is polled.
    pub async fn run(mut self) {
        loop {
            // A timeout is as good as an event.
            let _ = tokio::time::timeout(POLL, self.changed.notified()).await;
            self.settle().await;
            let work = Arc::clone(&self.work);
            match spawn_blocking(move || work.reload()).await {
                Ok(None) => {}
                Ok(Some((files, retired))) => {
                    self.watch(&files);
                    tokio::spawn(retired.free());
                }
                Err(error) => {
                    tracing::error!(%error, "reload failed, the last good documents stay in force")
                }
            }
        }
    }

    /// Waits until nothing was heard for a while; files that never rest are read all the same.
    async fn settle(&self) {
        let quiet = async {
            while tokio::time::timeout(DEBOUNCE, self.changed.notified()).await.is_ok() {}
        };
        let _ = tokio::time::timeout(LONGEST_DEBOUNCE, quiet).await;
    }

    /// Watches the folders: a watch on a file ends with the first swap of the link that a ConfigMap is mounted by.
    fn watch(&mut self, files: &[PathBuf]) {
        let paths = &self.work.paths;
        let (folders, named): (Vec<_>, Vec<_>) = paths.iter().partition(|path| path.is_dir());
        let others = named.into_iter().chain(files).map(|file| folder(file).to_owned());
        let others = others.map(|path| (path, RecursiveMode::NonRecursive));
        let all =
            folders.into_iter().map(|path| (path.clone(), RecursiveMode::Recursive)).chain(others);
        for (path, mode) in all.collect::<Vec<_>>() {
            if !self.watched.insert(path.clone()) {
                continue;
            }
            if let Err(error) = self.watcher.watch(&path, mode) {
                tracing::warn!(path = %path.display(), %error, "cannot watch, changes are seen within a minute");
            }
        }
    }
}

// === impl Work ===

impl Work {
    /// Reads everything, and puts it in force where it is right and other than before. What it was made from then, and what
    /// was in force.
    fn reload(&self) -> Option<(Vec<PathBuf>, Retired)> {
        let read = |remote| self.pdp.inspect(|before| Load::again(before, &self.paths, remote));
        let load = load(read, &self.remote);
        report(&load.problems);
        let stale = load.snapshot.is_none();
        let errors = load.problems.iter().filter(|problem| problem.severity == Severity::Error);
        self.status.errors.store(Arc::new(errors.map(ToString::to_string).collect()));
        self.status.stale.store(stale, Ordering::Relaxed);
        match load.snapshot {
            None => {
                self.status.refused.fetch_add(1, Ordering::Relaxed);
                let revision = self.pdp.revision();
                tracing::error!(%revision, "reload refused, the last good documents stay in force");
                None
            }
            Some(snapshot) if *snapshot.revision() == self.pdp.revision() => None,
            Some(snapshot) => Some(self.publish(snapshot)),
        }
    }

    fn publish(&self, snapshot: Snapshot) -> (Vec<PathBuf>, Retired) {
        let revision = snapshot.revision().clone();
        let files = snapshot.files().map(Path::to_owned).collect();
        self.remote.follow(snapshot.trust());
        if let Some(kept) = &self.kept {
            kept.write(snapshot.trust().known_lists());
        }
        let retired = self.pdp.publish(snapshot);
        tracing::info!(%revision, "reloaded");
        self.status.applied.fetch_add(1, Ordering::Relaxed);
        (files, retired)
    }
}

/// The documents with what was fetched last; where that does not compile, with as much of it as does beside what was in force
/// before, so that one bad file from a server keeps neither other changes nor other files out. Does blocking I/O.
fn load(read: impl Fn(RemoteContents) -> Load, remote: &RemoteFiles) -> Load {
    let (newest, good) = (remote.newest(), remote.good());
    let load = read(newest.clone());
    if load.snapshot.is_some() {
        remote.approve(&newest);
        return load;
    }
    if newest == good {
        return load;
    }
    report(&load.problems);
    let (used, load) = without_bad_files(&read, &newest, good);
    if load.snapshot.is_some() {
        remote.approve(&used);
    }
    remote.refuse();
    tracing::error!(
        "some of what was fetched last cannot be used, the last good remote files stay in force"
    );
    load
}

/// `good` with each of the newest files that the documents compile with.
fn without_bad_files(
    read: impl Fn(RemoteContents) -> Load,
    newest: &RemoteContents,
    good: RemoteContents,
) -> (RemoteContents, Load) {
    let (mut used, mut load) = (good.clone(), read(good));
    let changed = newest.iter().filter(|(name, bytes)| used.get(*name) != Some(*bytes));
    let changed: Vec<_> = changed.collect();
    // With a single one it is the bad one, and a mistake in the documents is not that of any file.
    if changed.len() < 2 || load.snapshot.is_none() {
        return (used, load);
    }
    for (name, bytes) in changed {
        let mut tried = used.clone();
        tried.insert(name.clone(), bytes.clone());
        let with = read(tried.clone());
        if with.snapshot.is_some() {
            (used, load) = (tried, with);
        }
    }
    (used, load)
}

/// Writes problems to the log, one line each.
pub fn report(problems: &[Diagnostic]) {
    for problem in problems {
        match problem.severity {
            Severity::Error => tracing::error!(code = problem.code, "{problem}"),
            Severity::Warning => tracing::warn!(code = problem.code, "{problem}"),
        }
    }
}

/// Whether files may be others than before. Reading them is heard of too, and we read them ourselves: whoever takes that
/// for a change reads for ever. An error of the watcher is a reason to look.
#[must_use]
pub fn is_change(event: &notify::Result<Event>) -> bool {
    let read = |kind: &AccessKind| *kind != AccessKind::Close(AccessMode::Write);
    !matches!(event, Ok(Event { kind: EventKind::Access(kind), .. }) if read(kind))
}

/// The folder that `path` is in.
#[must_use]
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

#[cfg(test)]
mod tests;
