//! The settings, documents, files and folders of this machine.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::finding::{Matter, Report, Severity};
use crate::app::{judge_assertions, listener_certificate, trust_domain_health};
use crate::cli::files::shown;
use crate::cli::{CommandError, check, documents, lint_mesh};
use crate::clock::{SystemClock, UnixTime};
use crate::config::Config;
use crate::document::{self, any_error};
use crate::envoy::Tls;
use crate::mesh::{IdentityHeaders, lint};
use crate::pdp::{HttpsFetcher, Load, Snapshot};
use crate::signer::{AssertionKeys, Signer};
use crate::store::StoreOptions;
use crate::trust::{LifePhase, TrustDomain};
use crate::words::counted;

/// The documents, with the files that `fetcher` gets for them.
pub(super) async fn documents(
    config: &Config,
    fetcher: Option<&HttpsFetcher>,
    report: &mut Report,
) -> Option<Snapshot> {
    let mut load = Load::from_paths(&config.documents);
    if let (Some(fetcher), Some(snapshot)) = (fetcher, &load.snapshot) {
        let (contents, missing) = documents::remote_files(snapshot, fetcher).await;
        if !contents.is_empty() {
            report.good(
                Matter::RemoteFiles,
                format_args!("{} fetched", counted(contents.len(), "file")),
            );
            load = Load::with_remote(&config.documents, contents);
        }
        missing.iter().for_each(|told| report.fail(Matter::RemoteFiles, told));
    }
    let Load { snapshot, problems, files, .. } = load.within(config.pdp.deadline);
    let summary = check::summary(&problems, files);
    if any_error(&problems) {
        report.fail(Matter::Documents, summary);
        return None;
    }
    let snapshot = snapshot?;
    let rules = snapshot.policies().rules().count();
    let summary =
        format!("{summary}; {}, revision {}", counted(rules, "rule"), snapshot.revision());
    match (rules, problems.is_empty()) {
        (0, _) => report.fail(Matter::Documents, "there is no policy: every request is denied"),
        (_, true) => report.good(Matter::Documents, summary),
        (_, false) => report.warn(Matter::Documents, summary),
    }
    Some(snapshot)
}

/// The peers that rules ask for, and the authorities that vouch for them.
pub(super) fn trust(
    (config, offline): (&Config, bool),
    snapshot: &Snapshot,
    now: UnixTime,
    report: &mut Report,
) {
    let (sources, wanting) = (&config.listener.peer_sources, snapshot.policies().rules_with_peer());
    let level = sources.least_evidence.as_str();
    if sources.are_off() && wanting > 0 {
        let wanting = counted(wanting, "rule");
        report.fail(
            Matter::Peers,
            format_args!("`listener.peerSources` is off: {wanting} with `peer` allow no request (`peer_missing`)"),
        );
    } else if !sources.are_off() {
        let by = if sources.rely_on_proxies() { "the proxies' word" } else { "their certificates" };
        report.good(Matter::Peers, format_args!("believed by {by}, `leastEvidence: {level}`"));
    }
    let domains = snapshot.trust().domains().iter();
    // A domain whose files were not fetched is no fault.
    for domain in domains.filter(|domain| !offline || domain.remotes.is_empty()) {
        for part in trust_domain_health(domain, now) {
            match is_closed(domain, now) {
                true => {
                    report.fail(Matter::Authorities, format_args!("{}: {}", part.name, part.detail))
                }
                false => report.part(Matter::Authorities, &part),
            }
        }
    }
    let judged = judge_assertions(config, snapshot).map_err(|error| error.to_string());
    let signer = config.assertion.as_ref();
    let signer = signer.map(|options| Signer::new(options, Arc::new(SystemClock)).map(drop));
    if let Err(why) = judged.and(signer.unwrap_or(Ok(()))) {
        report.fail(Matter::Assertions, why);
    }
}

/// True if no certificate of `domain` is accepted.
fn is_closed(domain: &TrustDomain, now: UnixTime) -> bool {
    let over = |phase| matches!(phase, LifePhase::Early | LifePhase::Over);
    let stale = domain
        .revocation
        .as_ref()
        .is_some_and(|own| own.next_update().is_none_or(|due| now > due.plus(own.grace)));
    stale || domain.authorities.iter().all(|own| over(own.validity.phase(now)))
}

/// The files that a server reads and writes.
pub(super) fn files(config: &Config, now: UnixTime, report: &mut Report) {
    if let Some(options) = &config.listener.tls {
        match Tls::load(options.clone()) {
            Ok(tls) => report.part(Matter::Certificate, &listener_certificate(&tls.status(), now)),
            Err(why) => report.fail(Matter::Certificate, why),
        }
    }
    for path in private_files(config) {
        let Ok(found) = fs::metadata(&path) else { continue };
        let mode = found.permissions().mode() & 0o777;
        if found.is_file() && mode & 0o007 != 0 {
            let shown = shown(&path);
            let told = format!("every user of this machine can open `{shown}` (mode {mode:04o})");
            report.warn(Matter::PrivateFiles, told);
        }
    }
    match config.audit.as_ref().map(|audit| audit.file()) {
        None => report.warn(
            Matter::Audit,
            "no decision is recorded: `explain --decision` and `decisions` find none",
        ),
        Some(None) => report.good(Matter::Audit, "recorded, and not in a file here"),
        Some(Some(path)) => writable(Matter::Audit, path, appendable(path), report),
    }
    if let Some(folder) = &config.state_folder {
        writable(Matter::StateFolder, folder, can_make_files(folder, true), report);
    }
}

fn writable(matter: Matter, path: &Path, tried: io::Result<()>, report: &mut Report) {
    let path = shown(path);
    match tried {
        Ok(()) => report.good(matter, format_args!("`{path}` can be written")),
        Err(error) => report.fail(matter, format_args!("`{path}` cannot be written: {error}")),
    }
}

fn appendable(path: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            can_make_files(path.parent().unwrap_or(Path::new(".")), false)
        }
        tried => tried.map(drop),
    }
}

/// Tries it, and leaves nothing. A server makes folders that are missing if `makes_folders`.
fn can_make_files(folder: &Path, makes_folders: bool) -> io::Result<()> {
    let there = folder.ancestors().find(|own| !makes_folders || own.exists());
    let there = there.filter(|own| !own.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::NamedTempFile::new_in(there).map(drop).map_err(|error| {
        // Its message has the name of the file that was tried.
        io::Error::from(error.kind())
    })
}

/// The files with secrets that the settings name.
fn private_files(config: &Config) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    all.extend(config.listener.tls.iter().map(|tls| tls.key.clone()));
    let revocations = config.admin.iter().filter_map(|admin| admin.revocations.as_ref());
    all.extend(revocations.map(|own| own.token_file.clone()));
    if let StoreOptions::Redis(redis) = &config.store {
        let sentinel = redis.sentinel.as_ref().and_then(|own| own.password.as_ref());
        all.extend(redis.password.iter().chain(sentinel).map(|own| own.file.clone()));
        all.extend(redis.key.clone());
    }
    match config.assertion.as_ref().map(|own| &own.keys) {
        Some(AssertionKeys::Files(files)) => all.extend(files.iter().cloned()),
        Some(AssertionKeys::Folder(folder)) => {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            all.extend(entries.map(|entry| entry.path()));
        }
        Some(AssertionKeys::Generated(_)) | None => {}
    }
    all
}

/// The proxies' configurations in `paths`.
pub(super) fn proxies(
    paths: &[PathBuf],
    snapshot: Option<&Snapshot>,
    report: &mut Report,
) -> Result<(), CommandError> {
    let files = lint_mesh::read_all(paths)?;
    for (path, text) in &files {
        let lower = text.to_ascii_lowercase();
        if lower.contains("ext_authz")
            && !["decision_id", "x-request-id"].iter().any(|own| lower.contains(own))
        {
            report.warn(
                Matter::AccessLog,
                format_args!("`{path}` logs neither decision ids nor request ids"),
            );
        }
    }
    let injected = snapshot.iter().flat_map(|own| own.policies().injected_headers());
    let identity = IdentityHeaders::with(injected.map(str::to_owned));
    let count = files.len();
    let problems = lint(files, &identity);
    if problems.is_empty() && count > 0 {
        report.good(Matter::Envoy, check::summary(&problems, count));
    }
    for problem in problems {
        let severity = match problem.severity {
            document::Severity::Error => Severity::Error,
            document::Severity::Warning => Severity::Warning,
        };
        let (line, column) = problem.span.line_column();
        let place = problem.span.file().path().display();
        let detail = format!("{place}:{line}:{column}: {}", problem.message);
        let explain = format!("`countersign check --explain {}`", problem.code.as_str());
        report.advise(Matter::Envoy, severity, detail, problem.help.unwrap_or(explain));
    }
    Ok(())
}
