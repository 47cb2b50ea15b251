//! Loads documents as a server does, with what they need from other servers.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Runtime;

use super::{CommandError, style};
use crate::config::{Config, Overrides, standard_proxies};
use crate::document::{Diagnostic, RemoteContents, any_error};
use crate::evidence::PeerSources;
use crate::pdp::{FetchRequest, Fetcher as _, HttpsFetcher, Load, Snapshot};
use crate::policy::KnownIssuer;
use crate::trust::{Issuer, TrustStore};
use crate::words::{counted, of_system};

/// The documents that are `given`, else those of the settings in the file `config`. Settings that cannot be read are an error either
/// way: an argument or a variable with a slip in it is not passed over.
pub(super) fn named(
    given: &[PathBuf],
    config: Option<&Path>,
) -> Result<Vec<PathBuf>, CommandError> {
    Ok(with_settings(given, config)?.1)
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

/// The same, with the warnings about them.
pub(super) fn read_with_warnings(
    paths: &[PathBuf],
) -> Result<(Snapshot, Vec<Diagnostic>), CommandError> {
    let load = Load::from_paths(paths);
    let warnings = load.problems.clone();
    Ok((checked(load)?, warnings))
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

/// The names of documents that the file of a request, and a condition, may use.
#[derive(Debug, Default)]
pub(super) struct KnownNames<'a> {
    pub(super) domains: Vec<&'a str>,
    pub(super) issuers: Vec<KnownIssuer<'a>>,
    /// The `iss` of their tokens; every one where there are none.
    pub(super) iss: Vec<&'a str>,
}

impl<'a> KnownNames<'a> {
    pub(super) fn of(trust: &'a TrustStore) -> Self {
        let known = |own: &'a Issuer| {
            let Issuer { name, profile, iss, client_claim, .. } = own;
            KnownIssuer::of(name, *profile, iss.clone(), client_claim.as_deref())
        };
        // With tenants there is more than one for a document.
        let has_tenants = trust.issuers().iter().any(|issuer| issuer.iss.is_template());
        let iss = trust.issuers().iter().filter(|_| !has_tenants);
        Self {
            domains: trust.domains().iter().map(|domain| domain.name.as_str()).collect(),
            issuers: trust.issuers().iter().map(known).collect(),
            iss: iss.map(|issuer| issuer.iss.as_str()).collect(),
        }
    }
}

/// The remedy where rules ask for peers, and no source of peers is on.
pub(super) const PEER_SOURCES_REMEDY: &str = "set `listener.peerSources` to what your proxies send, such as `{ sourceCertificate: true, xfcc: true }`";

/// The warning that `wanting` rules ask for peers, and that no source of peers is on (P652).
pub(super) fn peers_are_off(sources: &PeerSources, wanting: usize) -> Option<String> {
    (sources.are_off() && wanting > 0).then(|| {
        format!(
            "`listener.peerSources` is off: {} with `peer` allow no request (`peer_missing`)",
            counted(wanting, "rule")
        )
    })
}

/// A runtime for network calls.
pub(super) fn runtime() -> Result<Runtime, CommandError> {
    Runtime::new().map_err(|error| {
        CommandError::failure(format_args!("cannot start threads: {}", of_system(&error)))
    })
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
