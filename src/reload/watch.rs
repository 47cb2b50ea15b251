//! Hearing of changes. A watch belongs to a folder that is there, not to its name: one whose place another takes, or that is
//! reached through a link that changes, tells nothing any more. So the names above it are watched too, and all watches are made
//! again before every look at the files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::sync::lock;

/// How often files are read even without a notification: some file systems send none.
const LOOK: Duration = Duration::from_secs(60);

/// How often they are read where there are no notifications.
pub(super) const LOOK_UNHEARD: Duration = Duration::from_secs(5);

/// Links that lead to links.
const MOST_LINKS: usize = 8;

/// Makes a watcher of the operating system.
type Make = fn(Hear) -> notify::Result<RecommendedWatcher>;

/// Hears of changes in the folders of documents, of the files that they name, and of all the names that lead there.
#[derive(Debug)]
pub struct FileWatch {
    make: Make,
    watcher: Option<RecommendedWatcher>,
    hear: Hear,
    watched: BTreeSet<PathBuf>,
    problem: Option<String>,
}

/// Tells of the events that matter.
#[derive(Clone)]
pub(super) struct Hear {
    places: Arc<Mutex<Places>>,
    tell: Arc<dyn Fn() + Send + Sync>,
}

/// The places of interest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    /// Folders of which everything counts.
    folders: BTreeMap<PathBuf, RecursiveMode>,
    /// Names that lead there.
    names: BTreeSet<PathBuf>,
}

impl FileWatch {
    /// Calls `tell` after changes. Nothing is watched yet.
    pub fn new(tell: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self::made_by(notify::recommended_watcher, tell)
    }

    pub(super) fn made_by(make: Make, tell: Arc<dyn Fn() + Send + Sync>) -> Self {
        let hear = Hear { places: Arc::default(), tell };
        Self { make, watcher: None, hear, watched: BTreeSet::new(), problem: None }
    }

    /// Watches `documents`, and `files` that they name, where they are now. Whether there are other places than before, where a
    /// change may have been missed. Does blocking I/O.
    pub fn arm(&mut self, documents: &[PathBuf], files: &[PathBuf]) -> bool {
        let places = Places::of(documents, files);
        let before = self.problem.take();
        if self.watcher.is_none() {
            match (self.make)(self.hear.clone()) {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) => self.problem = Some(plain(&error)),
            }
        }
        if let Some(watcher) = &mut self.watcher {
            self.problem = places.watch(watcher, &mut self.watched);
        }
        let others = std::mem::replace(&mut *lock(&self.hear.places), places.clone());
        report(before.as_ref(), self.problem.as_ref());
        others != places
    }

    /// Why there are no notifications of changes, where there are none.
    pub const fn problem(&self) -> Option<&String> {
        self.problem.as_ref()
    }

    /// How long to wait for a change before the files are read all the same.
    pub const fn patience(&self) -> Duration {
        if self.problem.is_some() { LOOK_UNHEARD } else { LOOK }
    }
}

/// Says in the log what has changed.
fn report(before: Option<&String>, problem: Option<&String>) {
    match problem {
        Some(why) if before != Some(why) => {
            tracing::warn!(
                why,
                "there are no notifications of changed files; they are read every 5 s"
            );
        }
        None if before.is_some() => {
            tracing::info!("there are notifications of changed files again")
        }
        Some(_) | None => {}
    }
}

/// The library's error in the words of the operating system.
fn plain(error: &notify::Error) -> String {
    if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) {
        return String::from("no watch is left (`fs.inotify.max_user_watches`)");
    }
    if let notify::ErrorKind::Io(error) = &error.kind
        && error.raw_os_error() == Some(24)
    {
        return format!(
            "no watcher is left (`fs.inotify.max_user_instances`, open files): {error}"
        );
    }
    error.to_string()
}

impl Places {
    fn of(documents: &[PathBuf], files: &[PathBuf]) -> Self {
        let mut places = Self::default();
        let (folders, named): (Vec<_>, Vec<_>) = documents.iter().partition(|path| path.is_dir());
        for path in folders {
            places.add(&absolute(path), RecursiveMode::Recursive);
        }
        for file in named.into_iter().chain(files) {
            let file = absolute(file);
            places.add(file.parent().unwrap_or(&file), RecursiveMode::NonRecursive);
            places.add_names(&file, MOST_LINKS);
        }
        places
    }

    fn add(&mut self, folder: &Path, mode: RecursiveMode) {
        let known = self.folders.entry(real(folder)).or_insert(mode);
        if mode == RecursiveMode::Recursive {
            *known = mode;
        }
        self.add_names(folder, MOST_LINKS);
    }

    /// Every name on the way to `path`, and on the way that a link among them leads.
    fn add_names(&mut self, path: &Path, links: usize) {
        for name in path.ancestors().filter(|name| name.parent().is_some()) {
            let (Some(above), Some(last)) = (name.parent(), name.file_name()) else { continue };
            if !self.names.insert(real(above).join(last)) {
                continue;
            }
            if let Ok(target) = name.read_link()
                && let (Some(folder), Some(left)) = (name.parent(), links.checked_sub(1))
            {
                self.add_names(&absolute(&folder.join(target)), left);
            }
        }
    }

    /// Watches everything, again where it was watched: the name may lead to another folder now. Nothing is unwatched meanwhile, or
    /// a change at that moment would be missed. The first reason why something cannot be watched.
    fn watch(
        &self,
        watcher: &mut RecommendedWatcher,
        watched: &mut BTreeSet<PathBuf>,
    ) -> Option<String> {
        let mut problem = None;
        let before = std::mem::take(watched);
        for (folder, mode) in self.folders.iter().filter(|(folder, _)| !self.is_within(folder)) {
            match watcher.watch(folder, *mode) {
                Ok(()) => drop(watched.insert(folder.clone())),
                Err(error) => {
                    let why = format!("`{}`: {}", folder.display(), plain(&error));
                    problem.get_or_insert(why);
                }
            }
        }
        let above: BTreeSet<_> = self.names.iter().filter_map(|name| name.parent()).collect();
        for folder in above.into_iter().filter(|folder| !self.folders.contains_key(*folder)) {
            // One that may not be read is not watched: what changes there is seen when the files are next read.
            if !self.is_within(folder) && watcher.watch(folder, RecursiveMode::NonRecursive).is_ok()
            {
                watched.insert(folder.to_owned());
            }
        }
        for gone in before.difference(watched) {
            // It is an error where the folder has gone.
            let _ = watcher.unwatch(gone);
        }
        problem
    }

    /// True if `folder` is below one that is watched with everything in it.
    fn is_within(&self, folder: &Path) -> bool {
        let whole = |path: &Path| self.folders.get(path) == Some(&RecursiveMode::Recursive);
        folder.ancestors().skip(1).any(whole)
    }

    fn matter(&self, event: &Event) -> bool {
        let matters = |path: &PathBuf| {
            self.names.contains(path) || self.folders.keys().any(|folder| path.starts_with(folder))
        };
        event.paths.is_empty() || event.paths.iter().any(matters)
    }
}

/// The one path of a folder: two spellings of it would be one watch, and tell of changes in one of them.
fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// `path` from the root on, without what `..` and links make of it.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

impl fmt::Debug for Hear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hear").field("places", &self.places).finish_non_exhaustive()
    }
}

impl notify::EventHandler for Hear {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        let matters = event.as_ref().map_or(true, |event| lock(&self.places).matter(event));
        if is_change(&event) && matters {
            (self.tell)();
        }
    }
}

/// True if files may have changed. The watcher also reports reads, and we read them ourselves: to take a read for a change
/// would never end. An error of the watcher is a reason to look.
pub(super) fn is_change(event: &notify::Result<Event>) -> bool {
    let read = |kind: &AccessKind| *kind != AccessKind::Close(AccessMode::Write);
    !matches!(event, Ok(Event { kind: EventKind::Access(kind), .. }) if read(kind))
}
