//! Documents as a server has them once everything that they need from other servers has arrived.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use tokio::runtime::Runtime;

use super::{Exit, style};
use crate::document::{RemoteContents, any_error};
use crate::pdp::{Fetcher as _, HttpsFetcher, Load, Snapshot};

/// Reads the documents in `paths`.
///
/// # Errors
/// How the command ends, after every problem was printed.
pub(super) fn read(paths: &[PathBuf]) -> Result<Snapshot, Exit> {
    checked(Load::from_paths(paths))
}

/// The same, with the revocation lists, bundles and authorities that they get from servers. Those that cannot be had are told.
///
/// # Errors
/// How the command ends, after every problem was printed.
pub(super) fn fetch(paths: &[PathBuf]) -> Result<Snapshot, Exit> {
    let snapshot = read(paths)?;
    if snapshot.trust().domains().iter().all(|domain| domain.remotes().is_empty()) {
        return Ok(snapshot);
    }
    let contents = runtime()?.block_on(remote_files(&snapshot));
    checked(Load::with_remote(paths, contents))
}

/// A place for network calls to run in.
///
/// # Errors
/// How the command ends.
pub(super) fn runtime() -> Result<Runtime, Exit> {
    Runtime::new().map_err(|error| {
        style::error(format_args!("cannot start threads: {error}"));
        Exit::Failure
    })
}

fn checked(load: Load) -> Result<Snapshot, Exit> {
    load.snapshot.filter(|_| !any_error(&load.problems)).ok_or_else(|| {
        style::diagnostics(&load.problems);
        style::error("nothing was judged: the documents have errors");
        Exit::Documents
    })
}

async fn remote_files(snapshot: &Snapshot) -> RemoteContents {
    let mut contents = RemoteContents::new();
    for file in snapshot.trust().domains().iter().flat_map(|domain| domain.remotes()) {
        let origin = file.url.to_string();
        let progress = Progress::begin(&origin);
        let fetched = HttpsFetcher.fetch_file(&file.url, file.authorities.as_deref()).await;
        drop(progress);
        match fetched {
            Ok(fetched) => drop(contents.insert(file.name.clone(), fetched.body)),
            Err(error) => style::error(format_args!(
                "a file from {} was not fetched: {error}",
                style::visible(&origin)
            )),
        }
    }
    contents
}

/// One line on a terminal that goes away when the wait is over.
pub(super) struct Progress;

// === impl Progress ===

impl Progress {
    /// Says whom we wait for, where somebody sees it.
    pub(super) fn begin(origin: &str) -> Option<Self> {
        let mut stderr = io::stderr();
        if !stderr.is_terminal() {
            return None;
        }
        // Nobody is left to tell where standard error is closed.
        let _ = write!(stderr, "asking {} ...", style::visible(origin));
        let _ = stderr.flush();
        Some(Self)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let _ = write!(io::stderr(), "\r\x1b[2K");
    }
}
