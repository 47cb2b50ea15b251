//! Watching files. When a document or a file that it points to changes, the whole set is read again and put in force. Where
//! anything is wrong with it, the old set stays in force and the log has the reasons (P77).
//!
//! A file that is being written looks like a complete one at any time, and one that was cut or emptied like one whose owner took
//! the rest away. So a change counts once the files have rested, and a loss once it is confirmed, unless the whole set was swapped.

mod options;
mod status;
mod watch;

pub use options::{ReloadOptions, Removals};
pub use status::{ReloadStatus, report};
pub use watch::FileWatch;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, spawn_blocking};

use crate::clock::Stopwatch;
use crate::document::{Code, Diagnostic, RemoteContents, Severity, SourceFile, Span};
use crate::pdp::{
    FileSet, Inventory, Load, Pdp, RefusedFiles, RemoteFiles, RetiredSnapshot, SavedLists, Snapshot,
};
use crate::sync::lock;

/// How long files must be quiet before they are read: a ConfigMap update is half a dozen events.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// How long that may take.
const LONGEST_DEBOUNCE: Duration = Duration::from_secs(1);

/// Files that change for longer than this without a rest are shown as stale.
const RESTLESS: Duration = Duration::from_secs(30);

/// Keeps a decision point in step with its files.
#[derive(Debug)]
pub struct Reloader {
    work: Arc<Work>,
    watch: Arc<Mutex<FileWatch>>,
    /// The files that the documents in force name.
    files: Vec<PathBuf>,
    changed: Arc<Notify>,
}

/// The work for a thread that may block: everything that takes longer with more documents.
#[derive(Debug)]
struct Work {
    pdp: Arc<Pdp>,
    paths: Vec<PathBuf>,
    status: Arc<ReloadStatus>,
    remote: Arc<RemoteFiles>,
    options: ReloadOptions,
    /// The folder in which revocation lists outlive a restart.
    saved_lists: Option<Arc<SavedLists>>,
    /// The address at which a removal is confirmed.
    admin: Option<SocketAddr>,
    seen: Mutex<SeenFiles>,
}

/// The files as they were seen since a set was put in force.
#[derive(Debug, Default)]
struct SeenFiles {
    /// The set in force, where it is in another folder by now: one with the same contents was swapped in (P672).
    moved: Option<Inventory>,
    /// The last set with errors.
    refused: Option<RefusedFiles>,
}

impl Reloader {
    /// Watches `paths`, every file in `files` and those that `remote` fetches, for `pdp`. The log has `problems` already.
    pub fn new(
        pdp: Arc<Pdp>,
        remote: Arc<RemoteFiles>,
        paths: Vec<PathBuf>,
        files: Vec<PathBuf>,
        problems: &[Diagnostic],
        options: ReloadOptions,
    ) -> Self {
        let changed = remote.changed();
        let status = Arc::new(ReloadStatus::new(Arc::clone(&changed), problems));
        let (saved_lists, admin, seen) = (None, None, Mutex::default());
        let work = Work { pdp, paths, status, remote, options, saved_lists, admin, seen };
        let work = Arc::new(work);
        let notified = Arc::clone(&changed);
        let watch = FileWatch::new(Arc::new(move || notified.notify_one()));
        Self { work, watch: Arc::new(Mutex::new(watch)), files, changed }
    }

    /// The same, saving revocation lists that are put in force in `saved_lists`.
    #[must_use]
    pub fn saving(mut self, saved_lists: Option<Arc<SavedLists>>) -> Self {
        if let Some(work) = Arc::get_mut(&mut self.work) {
            work.saved_lists = saved_lists;
        }
        self
    }

    /// The same, whose advice names `admin`, the listener at which a removal is confirmed.
    #[must_use]
    pub fn confirmed_at(mut self, admin: Option<SocketAddr>) -> Self {
        if let Some(work) = Arc::get_mut(&mut self.work) {
            work.admin = admin;
        }
        self
    }

    /// How it is going, now and later.
    pub fn status(&self) -> Arc<ReloadStatus> {
        Arc::clone(&self.work.status)
    }

    /// Reloads for as long as it is polled.
    pub async fn run(mut self) {
        let mut patience = self.arm().await;
        loop {
            // A timeout counts as an event.
            let _ = tokio::time::timeout(patience, self.changed.notified()).await;
            patience = self.arm().await;
            if let Err(error) = self.reload().await {
                tracing::error!(%error, "reload failed, the last good documents stay in force");
            }
        }
    }

    /// Watches the files where they are now. How long to wait for a change of them.
    async fn arm(&self) -> Duration {
        let (watch, work, files) =
            (Arc::clone(&self.watch), Arc::clone(&self.work), self.files.clone());
        let changed = Arc::clone(&self.changed);
        let arming = spawn_blocking(move || {
            let mut watch = lock(&watch);
            if watch.arm(&work.paths, &files) {
                // Another look sees changes from before it was watched.
                changed.notify_one();
            }
            work.status.unnotified.store(watch.problem().cloned().map(Arc::new));
            watch.patience()
        });
        // The runtime reports a panic there.
        arming.await.unwrap_or(watch::LOOK_UNHEARD)
    }

    async fn reload(&mut self) -> Result<(), JoinError> {
        let load = self.rested().await?;
        let work = Arc::clone(&self.work);
        if let Some((files, retired)) = spawn_blocking(move || work.conclude(load)).await? {
            self.files = files;
            self.arm().await;
            tokio::spawn(retired.free());
        }
        Ok(())
    }

    /// Loads the files once they have not changed for a while. Fetched files are always complete.
    async fn rested(&self) -> Result<Load, JoinError> {
        let settle = self.work.options.settle.get();
        let since = Stopwatch::start();
        loop {
            self.quiet().await;
            let work = Arc::clone(&self.work);
            let load = spawn_blocking(move || work.read()).await?;
            if settle.is_zero() || self.work.is_in_force(&load.set) {
                return Ok(load);
            }
            let rest = settle.saturating_sub(DEBOUNCE);
            let notified = tokio::time::timeout(rest, self.changed.notified()).await.is_ok();
            if !notified {
                // Not every file system tells.
                let (work, set) = (Arc::clone(&self.work), load.set.clone());
                if spawn_blocking(move || set.is_there(&work.paths)).await? {
                    return Ok(load);
                }
            }
            if since.elapsed() > RESTLESS {
                self.work.refuse(&[self.work.restless()], None);
            }
        }
    }

    /// Waits until there was no notification for a moment; files that never rest are read all the same.
    async fn quiet(&self) {
        let quiet = async {
            while tokio::time::timeout(DEBOUNCE, self.changed.notified()).await.is_ok() {}
        };
        let _ = tokio::time::timeout(LONGEST_DEBOUNCE, quiet).await;
    }
}

impl Work {
    fn read(&self) -> Load {
        let read = |remote| self.pdp.inspect(|before| Load::again(before, &self.paths, remote));
        load(read, &self.remote)
    }

    fn is_in_force(&self, set: &FileSet) -> bool {
        self.pdp.inspect(|before| before.inventory().set() == set.name())
    }

    /// Puts `load` in force where it is right and other than before. What it was made from then, and what was in force.
    fn conclude(&self, load: Load) -> Option<(Vec<PathBuf>, RetiredSnapshot)> {
        let Load { snapshot, mut problems, set, refused, .. } = load.within(self.pdp.deadline());
        let mut seen = lock(&self.seen);
        let Some(snapshot) = snapshot else {
            self.refuse(&problems, None);
            let earlier = seen.refused.take();
            seen.refused = refused.map(|refused| refused.first_seen(earlier));
            return None;
        };
        let set = set.name().as_str();
        if self.options.removals == Removals::Confirmed && !self.status.is_confirmed(set) {
            let lost = self.lost(&seen, snapshot.inventory());
            if !lost.is_empty() {
                problems.extend(self.losses(&lost, set));
                self.refuse(&problems, Some(set));
                return None;
            }
        }
        *seen = SeenFiles::default();
        let is_new = *snapshot.revision() != self.pdp.revision();
        let published = if is_new {
            Some(self.publish(snapshot))
        } else {
            let now = snapshot.into_inventory();
            let stays = self.pdp.inspect(|before| before.inventory().is_where(&now));
            seen.moved = (!stays).then_some(now);
            None
        };
        self.status.current(&problems);
        published
    }

    /// The content in force that `next` lacks and that was not swapped with its whole set.
    fn lost(&self, seen: &SeenFiles, next: &Inventory) -> Vec<String> {
        let lost_in = |held: &Inventory| held.lost_in(next, seen.refused.as_ref());
        match &seen.moved {
            Some(moved) => lost_in(moved),
            None => self.pdp.inspect(|before| lost_in(before.inventory())),
        }
    }

    fn refuse(&self, problems: &[Diagnostic], set: Option<&str>) {
        if self.status.refuse(problems, set) {
            let revision = self.pdp.revision();
            tracing::error!(%revision, "reload refused, the last good documents stay in force");
        }
    }

    fn losses(&self, lost: &[String], set: &str) -> Vec<Diagnostic> {
        let (place, help) = (self.place(), how_to_confirm(self.admin, set));
        let shown = |lost: &String| {
            let message = format!("{lost} is in force and is not in the files any more");
            Diagnostic::error(Code::RemovedInPlace, place.clone(), message).help(help.clone())
        };
        lost.iter().map(shown).collect()
    }

    fn restless(&self) -> Diagnostic {
        let message = "the files have kept changing for half a minute, and count once they rest";
        Diagnostic::error(Code::FilesInMotion, self.place(), message)
    }

    /// The place of the documents.
    fn place(&self) -> Span {
        let path = self.paths.first().cloned().unwrap_or_default();
        Span::start_of(&SourceFile::new(path, ""))
    }

    fn publish(&self, snapshot: Snapshot) -> (Vec<PathBuf>, RetiredSnapshot) {
        let revision = snapshot.revision().clone();
        let files = snapshot.files().map(Path::to_owned).collect();
        self.remote.follow(snapshot.trust());
        if let Some(saved_lists) = &self.saved_lists {
            saved_lists.write(snapshot.trust().known_lists());
        }
        let retired = self.pdp.publish(snapshot);
        tracing::info!(%revision, "reloaded");
        self.status.applied.fetch_add(1, Ordering::Relaxed);
        (files, retired)
    }
}

/// The command that confirms a removal, to be copied from the log of the server that it is for.
fn how_to_confirm(admin: Option<SocketAddr>, set: &str) -> String {
    let Some(mut admin) = admin else {
        return String::from(
            "where that is meant, restart: without `admin` in the settings there is no other way to confirm it",
        );
    };
    if admin.ip().is_unspecified() {
        admin.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    format!(
        "where that is meant: `curl -X PUT -d {set} http://{admin}/documents/confirmed` on this machine, or a restart"
    )
}

/// The documents with what was fetched last; where that does not compile, with as much of it as does beside what was in force
/// before, so that one bad file from a server keeps neither other changes nor other files out; its errors are among the problems
/// then. Does blocking I/O.
pub fn load(read: impl Fn(RemoteContents) -> Load, remote: &RemoteFiles) -> Load {
    let (newest, good) = (remote.newest(), remote.good());
    let load = read(newest.clone());
    if load.snapshot.is_some() {
        remote.approve(&newest);
        return load;
    }
    if newest == good {
        return load;
    }
    let errors = load.problems.into_iter().filter(|problem| problem.severity == Severity::Error);
    let errors: Vec<_> = errors.collect();
    let (used, mut load) = without_bad_files(&read, &newest, good);
    if load.snapshot.is_some() {
        remote.approve(&used);
    }
    remote.refuse();
    let new: Vec<_> = errors.into_iter().filter(|error| !load.problems.contains(error)).collect();
    load.problems.extend(new);
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

#[cfg(test)]
mod tests;
