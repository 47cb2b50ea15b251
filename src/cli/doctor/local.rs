//! The settings, documents, files and folders of this machine.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::finding::{Matter, Outcome, Report};
use crate::app::{judge_assertions, judge_signals, listener_certificate, trust_domain_health};
use crate::cli::files::shown;
use crate::cli::placeholders::Placeholders;
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
use crate::words::{counted, of_system};

/// The documents, with the files that `fetcher` gets for them.
pub(super) async fn documents(
    config: &Config,
    fetcher: Option<&HttpsFetcher>,
    report: &mut Report,
) -> Option<Snapshot> {
    let mut load = Load::from_paths(&config.documents);
    if fetcher.is_none() && has_remote_files(&load) {
        report.skip(Matter::RemoteFiles);
    }
    if let (Some(fetcher), Some(snapshot)) = (fetcher, &load.snapshot) {
        let (contents, missing) = documents::remote_files(snapshot, fetcher).await;
        if !contents.is_empty() {
            report.good(
                Matter::RemoteFiles,
                format_args!("{} fetched", counted(contents.len(), "file")),
            );
            load = Load::with_remote(&config.documents, contents);
        }
        missing.iter().for_each(|file| report.fail(Matter::RemoteFiles, file));
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
    if let Some(left) = Placeholders::left_in(&snapshot) {
        report.warn(Matter::Placeholders, left);
    }
    Some(snapshot)
}

fn has_remote_files(load: &Load) -> bool {
    let domains = load.snapshot.iter().flat_map(|snapshot| snapshot.trust().domains());
    domains.into_iter().any(|domain| !domain.remotes.is_empty())
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
    if let Some(warning) = documents::peers_are_off(sources, wanting) {
        report.fail(Matter::Peers, warning);
    } else if !sources.are_off() {
        let by = if sources.rely_on_proxies() { "the proxies' word" } else { "certificates" };
        report.good(Matter::Peers, format_args!("identified by {by}, `leastEvidence: {level}`"));
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
    if let Err(why) = judge_signals(config, snapshot) {
        report.fail(Matter::Documents, why);
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
            let message =
                format!("every user of this machine can open `{shown}` (mode {mode:04o})");
            let remedy = format!("`chmod 600 {shown}`, or mount it for the server's user alone");
            report.advise(Matter::PrivateFiles, Outcome::Warning, message, remedy);
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
        Err(error) => {
            report.fail(matter, format_args!("`{path}` cannot be written: {}", of_system(&error)))
        }
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
        let is_gone = error.kind() == io::ErrorKind::NotFound;
        let kind = error.kind().to_string();
        io::Error::other(if is_gone { "its folder is not there" } else { kind.as_str() })
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

/// The files that a proxy's configuration names and that are neither here nor beside it.
fn missing_files(path: &Path, text: &str, report: &mut Report) {
    let beside = path.parent().unwrap_or(Path::new(""));
    let named = text.match_indices("filename:").filter_map(|(at, key)| {
        let value = text.get(at.saturating_add(key.len())..)?.lines().next()?.trim_start();
        let end = |c: char| matches!(c, ' ' | ',' | '}' | '"' | '\'');
        value.trim_start_matches(['"', '\'']).split(end).next()
    });
    let mut named: Vec<_> = named.filter(|own| !own.is_empty() && !own.contains("${")).collect();
    named.sort_unstable();
    named.dedup();
    for file in
        named.into_iter().filter(|own| !Path::new(own).exists() && !beside.join(own).exists())
    {
        let (path, file) = (shown(path), shown(Path::new(file)));
        let message = format!("`{path}` names `{file}`, which is not on this machine");
        let remedy =
            "put the file there, or correct its name; if the proxy runs elsewhere, look there";
        report.advise(Matter::Envoy, Outcome::Warning, message, remedy.to_owned());
    }
}

/// The ports that a proxy's configuration names and that are none: Envoy refuses it.
fn odd_ports(path: &str, text: &str, report: &mut Report) {
    let keys = ["port_value", "portValue"].into_iter();
    let found = keys.flat_map(|key| text.match_indices(key).map(|(at, key)| (at, key.len())));
    let mut odd: Vec<_> = found
        .filter_map(|(at, length)| {
            let value = text.get(at.saturating_add(length)..)?.lines().next()?;
            let value = value.trim_start_matches(['"', '\'', ':', ' ']);
            let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
            let digits = value.get(..end).filter(|digits| !digits.is_empty())?;
            (digits.parse::<u16>().is_err()).then_some(digits)
        })
        .collect();
    odd.dedup();
    for port in odd {
        let path = shown(Path::new(path));
        let message = format!("`{path}` has the port {port}, and ports are 0 to 65535");
        report.advise(Matter::Envoy, Outcome::Error, message, String::from("correct the port"));
    }
}

/// The proxies' configurations in `paths`.
pub(super) fn proxies(
    paths: &[PathBuf],
    snapshot: Option<&Snapshot>,
    report: &mut Report,
) -> Result<(), CommandError> {
    let files = lint_mesh::read_all(paths)?;
    for (path, text) in &files {
        missing_files(Path::new(path), text, report);
        odd_ports(path, text, report);
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
            document::Severity::Error => Outcome::Error,
            document::Severity::Warning => Outcome::Warning,
        };
        let (line, column) = problem.span.line_column();
        let place = problem.span.file().shown_path();
        let detail = format!("{place}:{line}:{column}: {}", problem.message);
        let explain = format!("`countersign check --explain {}`", problem.code.as_str());
        report.advise(Matter::Envoy, severity, detail, problem.help.unwrap_or(explain));
    }
    Ok(())
}
