//! `--watch`: doing something again whenever files change.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{Exit, style};
use crate::reload::{folder, is_change};

/// How long files must be quiet: an editor that saves is several events.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Files that are being watched.
struct Watch {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    heard: Receiver<()>,
}

/// Does `work` now and whenever something in `paths`, or in the files that it gives, changes; until somebody interrupts.
pub(super) fn run(paths: &[PathBuf], mut work: impl FnMut() -> Vec<PathBuf>) -> Exit {
    let followed = Watch::new().and_then(|mut watch| watch.follow(paths).map(|()| watch));
    let mut watch = match followed {
        Ok(watch) => watch,
        Err(error) => {
            style::error(format_args!("cannot watch files: {error}"));
            return Exit::Failure;
        }
    };
    loop {
        clear();
        let files = work();
        // What a document points to may have gone, and then the document changes before it does.
        let _ = watch.follow(&files);
        style::hint("waiting for files to change; Ctrl-C ends");
        if !watch.wait() {
            return Exit::Failure;
        }
    }
}

/// What is seen is one run. Where nobody sees it, every run is kept.
fn clear() {
    if io::stdout().is_terminal() {
        let _ = write!(io::stdout(), "\x1b[2J\x1b[3J\x1b[H");
    }
}

// === impl Watch ===

impl Watch {
    fn new() -> notify::Result<Self> {
        let (tell, heard) = channel();
        let hear = move |event| {
            if is_change(&event) {
                // Nobody listens any more when the command ends.
                let _ = tell.send(());
            }
        };
        let watcher = notify::recommended_watcher(hear)?;
        Ok(Self { watcher, watched: BTreeSet::new(), heard })
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

    /// Waits for a change, and then until nothing more is heard for a while. `false` where nothing can be heard any more.
    fn wait(&self) -> bool {
        let changed = self.heard.recv().is_ok();
        while self.heard.recv_timeout(DEBOUNCE).is_ok() {}
        changed
    }
}
