//! `--watch`: runs a command again whenever files change.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{CommandError, style};
use crate::reload::{folder, is_change};

/// How long files must be quiet: an editor that saves is several events.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Files that are being watched.
struct Watch {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    changes: Receiver<()>,
}

/// Does `work` now, and again whenever something in `paths`, or in the files that it returns, changes.
pub(super) fn run(paths: &[PathBuf], mut work: impl FnMut() -> Vec<PathBuf>) -> CommandError {
    let followed = Watch::new().and_then(|mut watch| watch.follow(paths).map(|()| watch));
    let cannot = |why: &dyn std::fmt::Display| {
        CommandError::failure(format_args!("cannot watch files: {why}"))
    };
    let mut watch = match followed {
        Ok(watch) => watch,
        Err(error) => return cannot(&error),
    };
    loop {
        clear();
        let files = work();
        // A file that a document points to may be gone: the document changes before the file returns.
        let _ = watch.follow(&files);
        style::hint("waiting for files to change; Ctrl-C ends");
        if !watch.wait() {
            return cannot(&"the watch ended");
        }
    }
}

/// A terminal shows one run at a time; redirected output keeps every run.
fn clear() {
    if io::stdout().is_terminal() {
        let _ = write!(io::stdout(), "\x1b[2J\x1b[3J\x1b[H");
    }
}

impl Watch {
    fn new() -> notify::Result<Self> {
        let (send, changes) = channel();
        let notify = move |event| {
            if is_change(&event) {
                // The receiver is gone when the command ends.
                let _ = send.send(());
            }
        };
        let watcher = notify::recommended_watcher(notify)?;
        Ok(Self { watcher, watched: BTreeSet::new(), changes })
    }

    /// Watches folders whole, and the folders of files: an editor may put another file in a file's place.
    fn follow(&mut self, paths: &[PathBuf]) -> notify::Result<()> {
        for path in paths {
            let (folder, mode) = match path.is_dir() {
                true => (path.as_path(), RecursiveMode::Recursive),
                false => (folder(path), RecursiveMode::NonRecursive),
            };
            if self.watched.insert(folder.to_owned()) {
                self.watcher.watch(folder, mode)?;
            }
        }
        Ok(())
    }

    /// Waits for a change, and then until no more follow for a while. `false` if changes can no longer be observed.
    fn wait(&self) -> bool {
        let changed = self.changes.recv().is_ok();
        while self.changes.recv_timeout(DEBOUNCE).is_ok() {}
        changed
    }
}
