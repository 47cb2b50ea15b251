//! `--watch`: runs a command again whenever files change.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::{CommandError, style};
use crate::reload::FileWatch;

/// How long files must be quiet: an editor that saves is several events.
pub(super) const DEBOUNCE: Duration = Duration::from_millis(100);

/// Does `work` now, and again whenever something in `paths`, or in the files that it returns, changes.
pub(super) fn run(paths: &[PathBuf], mut work: impl FnMut() -> Vec<PathBuf>) -> CommandError {
    let (send, changes) = channel();
    let tell = move || {
        // The receiver is gone when the command ends.
        let _ = send.send(());
    };
    let mut watch = FileWatch::new(Arc::new(tell));
    watch.arm(paths, &[]);
    loop {
        clear();
        let files = work();
        watch.arm(paths, &files);
        style::hint("waiting for files to change; Ctrl-C ends");
        if !wait(&mut watch, &changes, paths, &files) {
            return CommandError::failure("cannot watch files: the watch ended");
        }
    }
}

/// Waits for a change, and then until no more follow for a while. `false` if changes can no longer be observed.
fn wait(
    watch: &mut FileWatch,
    changes: &Receiver<()>,
    paths: &[PathBuf],
    files: &[PathBuf],
) -> bool {
    loop {
        match changes.recv_timeout(watch.patience()) {
            Ok(()) => break,
            // Without notifications it looks for changes.
            Err(RecvTimeoutError::Timeout) if watch.problem().is_some() => return true,
            Err(RecvTimeoutError::Timeout) => drop(watch.arm(paths, files)),
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    while changes.recv_timeout(DEBOUNCE).is_ok() {}
    true
}

/// A terminal shows one run at a time; redirected output keeps every run.
fn clear() {
    if io::stdout().is_terminal() {
        let _ = write!(io::stdout(), "\x1b[2J\x1b[3J\x1b[H");
    }
}
