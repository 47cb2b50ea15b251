//! Loads documents as a server does, with what they need from other servers.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Runtime;

use super::{CommandError, style};
use crate::config::{Config, Overrides, standard_proxies};
use crate::document::{RemoteContents, any_error};
use crate::pdp::{FetchRequest, Fetcher as _, HttpsFetcher, Load, Snapshot};

/// The documents that are `given`, else those of the settings in the file `config`.
pub(super) fn named(
    given: &[PathBuf],
    config: Option<&Path>,
) -> Result<Vec<PathBuf>, CommandError> {
    match config {
        Some(file) if given.is_empty() => {
            Ok(Config::load(Some(file), &Overrides::default())?.documents)
        }
        Some(_) | None => Ok(given.to_vec()),
    }
}

/// The settings in the file `config`, and the documents that are `given`, else those of the settings.
pub(super) fn with_settings(
    given: &[PathBuf],
    config: Option<&Path>,
) -> Result<(Option<Config>, Vec<PathBuf>), CommandError> {
    let overrides = Overrides { documents: given.to_vec(), ..Overrides::default() };
    let config = config.map(|file| Config::load(Some(file), &overrides)).transpose()?;
    let paths = match &config {
        Some(config) if given.is_empty() => config.documents.clone(),
        Some(_) | None => given.to_vec(),
    };
    Ok((config, paths))
}

/// Reads the documents in `paths`.
pub(super) fn read(paths: &[PathBuf]) -> Result<Snapshot, CommandError> {
    checked(Load::from_paths(paths))
}

/// Reads the documents in `paths` and, unless `offline`, fetches the revocation lists, bundles and authorities that they get from
/// servers. Gives a message about each file that cannot be fetched, and is missing.
pub(super) fn fetch(
    paths: &[PathBuf],
    offline: bool,
) -> Result<(Snapshot, Vec<String>), CommandError> {
    let snapshot = read(paths)?;
    if offline || snapshot.trust().domains().iter().all(|domain| domain.remotes.is_empty()) {
        return Ok((snapshot, Vec::new()));
    }
    let fetcher = HttpsFetcher::through(&Arc::new(standard_proxies()));
    let (contents, missing) = runtime()?.block_on(remote_files(&snapshot, &fetcher));
    Ok((checked(Load::with_remote(paths, contents))?, missing))
}

/// A runtime for network calls.
pub(super) fn runtime() -> Result<Runtime, CommandError> {
    Runtime::new()
        .map_err(|error| CommandError::failure(format_args!("cannot start threads: {error}")))
}

fn checked(load: Load) -> Result<Snapshot, CommandError> {
    match load.snapshot.filter(|_| !any_error(&load.problems)) {
        Some(snapshot) => Ok(snapshot),
        None => Err(CommandError::Documents(load.problems, "nothing was evaluated")),
    }
}

/// Asks for the files that trust domains get from servers. Gives a message about each one that is not got.
pub(super) async fn remote_files(
    snapshot: &Snapshot,
    fetcher: &HttpsFetcher,
) -> (RemoteContents, Vec<String>) {
    let (mut contents, mut missing) = (RemoteContents::new(), Vec::new());
    let domains = snapshot.trust().domains().iter();
    for (domain, file) in
        domains.flat_map(|domain| domain.remotes.iter().map(move |file| (&domain.name, file)))
    {
        let origin = file.url.to_string();
        let progress = Progress::begin(&origin);
        let fetched = fetcher.fetch(FetchRequest::file(&file.url, &file.access)).await;
        drop(progress);
        match fetched {
            Ok(fetched) => contents.extend(fetched.body.map(|body| (file.name.clone(), body))),
            Err(error) => missing.push(format!(
                "a file of `{domain}` from {} was not fetched: {error}",
                style::visible(&origin)
            )),
        }
    }
    (contents, missing)
}

/// A line on the terminal that disappears when the wait is over.
pub(super) struct Progress;

impl Progress {
    /// Shows which server is asked, if standard error is a terminal.
    pub(super) fn begin(origin: &str) -> Option<Self> {
        let mut stderr = io::stderr();
        if !stderr.is_terminal() {
            return None;
        }
        // Progress is for a person who watches: if it cannot be written, the command goes on.
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
