//! The findings of `doctor`: one table of matters with their remedies, from which text and JSON are made.

use std::fmt::Display;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::{ComponentHealth, HealthState};
use crate::cli::documents::PEER_SOURCES_REMEDY;
use crate::cli::style::{BAD, GOOD, HEADING, QUIET};
use crate::words::counted;

/// The matters that `doctor` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Matter {
    Settings,
    Documents,
    Placeholders,
    RemoteFiles,
    Peers,
    Authorities,
    Assertions,
    Certificate,
    PrivateFiles,
    Audit,
    StateFolder,
    Keys,
    Clock,
    Store,
    Admin,
    Listener,
    Server,
    Envoy,
    AccessLog,
}

/// Each matter with the word for it, and with what to do where something is wrong with it.
const TABLE: [(Matter, &str, &str); 19] = [
    (Matter::Settings, "settings", "docs/settings.md has every key; nothing else was looked at"),
    (
        Matter::Documents,
        "documents",
        "`countersign check --config FILE` shows each problem with its line",
    ),
    (
        Matter::Placeholders,
        "placeholders",
        "`grep -rn REPLACE .` lists them: fill each in, and remove its comment",
    ),
    (
        Matter::RemoteFiles,
        "remote-files",
        "open the way to its server, or correct its address in the document: nothing that needs the file is accepted",
    ),
    (Matter::Peers, "peers", PEER_SOURCES_REMEDY),
    (
        Matter::Authorities,
        "authorities",
        "put the new authority beside the old one, have certificates issued by it, then remove the old one; replace a revocation list that is due",
    ),
    (Matter::Assertions, "assertions", "set `assertion`, with keys that this user can read"),
    (
        Matter::Certificate,
        "certificate",
        "renew `listener.tls.certificate` and its key: a running server reads them again",
    ),
    (
        Matter::PrivateFiles,
        "private-files",
        "`chmod 600 FILE`, or mount it for the server's user alone",
    ),
    (
        Matter::Audit,
        "audit",
        "set `audit.file` to a file in a folder that the server's user can write to",
    ),
    (
        Matter::StateFolder,
        "state-folder",
        "make the folder, owned by the server's user, or change `stateFolder`",
    ),
    (
        Matter::Keys,
        "keys",
        "open the way to the issuer, or correct `issuer` and `keys`; `countersign keys --config FILE` shows every key",
    ),
    (
        Matter::Clock,
        "clock",
        "let NTP set the clock of this machine: tokens and certificates are judged by it",
    ),
    (
        Matter::Store,
        "store",
        "start Redis, open the way to it, or correct `store.redis`; docs/operations.md (The store) says what a store must keep",
    ),
    (
        Matter::Admin,
        "admin",
        "end the program that listens there, or change `admin.address`; `admin.revocations` needs a token of its own",
    ),
    (
        Matter::Listener,
        "listener",
        "end the program that listens there, or change `listener.address`",
    ),
    (
        Matter::Server,
        "server",
        "docs/runbook.md (Alerts) has a section for each part that needs a look",
    ),
    (Matter::Envoy, "envoy", "`countersign lint-mesh` shows each problem"),
    (
        Matter::AccessLog,
        "access-log",
        "log `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:decision_id)%` or `%REQ(X-REQUEST-ID)%`: `explain --decision` takes either",
    ),
];

/// The outcome of a look at something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    #[serde(rename = "ok")]
    Good,
    Warning,
    Error,
    /// It was not looked at.
    Skipped,
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Finding {
    matter: Matter,
    severity: Outcome,
    detail: String,
    /// Another remedy than that of the matter.
    remedy: Option<String>,
}

/// Everything that was looked at, as programs read it.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct DoctorReport {
    errors: usize,
    findings: Vec<FindingReport>,
    warnings: usize,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
struct FindingReport {
    /// A word of docs/doctor.md.
    check: Matter,
    detail: String,
    /// The thing to do; none where nothing is wrong.
    remedy: Option<String>,
    severity: Outcome,
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
    /// The settings file, which commands in remedies name.
    config: Option<String>,
}

impl Matter {
    /// Its word and its remedy.
    fn row(self) -> (&'static str, &'static str) {
        let row = TABLE.into_iter().find(|(matter, ..)| *matter == self);
        row.map(|(_, word, remedy)| (word, remedy)).unwrap_or_default()
    }
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

impl Finding {
    /// The remedy, with commands for the settings file `config`.
    fn remedy(&self, config: Option<&str>) -> Option<String> {
        let remedy = self.remedy.as_deref().unwrap_or(self.matter.row().1);
        let remedy = match config {
            Some(config) => remedy.replace("--config FILE", &format!("--config {config}")),
            None => remedy.replace(" --config FILE", ""),
        };
        matches!(self.severity, Outcome::Warning | Outcome::Error).then_some(remedy)
    }
}

impl Report {
    /// An empty one about the settings in the file `config`.
    pub(super) fn about(config: Option<String>) -> Self {
        Self { findings: Vec::new(), config }
    }

    /// A matter that `--offline` leaves alone.
    pub(super) fn skip(&mut self, matter: Matter) {
        self.add(matter, Outcome::Skipped, "not asked, by `--offline`");
    }

    pub(super) fn add(&mut self, matter: Matter, severity: Outcome, detail: impl Display) {
        self.findings.push(Finding { matter, severity, detail: detail.to_string(), remedy: None });
    }

    pub(super) fn good(&mut self, matter: Matter, detail: impl Display) {
        self.add(matter, Outcome::Good, detail);
    }

    pub(super) fn warn(&mut self, matter: Matter, detail: impl Display) {
        self.add(matter, Outcome::Warning, detail);
    }

    pub(super) fn fail(&mut self, matter: Matter, detail: impl Display) {
        self.add(matter, Outcome::Error, detail);
    }

    /// A finding with a remedy of its own.
    pub(super) fn advise(
        &mut self,
        matter: Matter,
        severity: Outcome,
        detail: String,
        remedy: String,
    ) {
        self.findings.push(Finding { matter, severity, detail, remedy: Some(remedy) });
    }

    /// A part of a server, as `/readyz?verbose` shows it.
    pub(super) fn part(&mut self, matter: Matter, part: &ComponentHealth) {
        let severity = match part.condition {
            HealthState::Good => Outcome::Good,
            HealthState::Degraded => Outcome::Warning,
            HealthState::Missing | HealthState::Required | HealthState::NotReady => Outcome::Error,
        };
        self.add(matter, severity, format_args!("{}: {}", part.name, part.detail));
    }

    pub(super) fn count(&self, severity: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    pub(super) fn json(&self) -> DoctorReport {
        let findings = self.findings.iter().map(|finding| FindingReport {
            check: finding.matter,
            severity: finding.severity,
            detail: finding.detail.clone(),
            remedy: finding.remedy(self.config.as_deref()),
        });
        DoctorReport {
            errors: self.count(Outcome::Error),
            warnings: self.count(Outcome::Warning),
            findings: findings.collect(),
        }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for finding in &self.findings {
            let style = match finding.severity {
                Outcome::Good => GOOD,
                Outcome::Warning => HEADING,
                Outcome::Error => BAD,
                Outcome::Skipped => QUIET,
            };
            let (severity, matter) = (finding.severity.as_str(), finding.matter.row().0);
            writeln!(out, "{style}{severity:<7}{style:#}  {matter:<13}  {}", finding.detail)?;
            if let Some(remedy) = finding.remedy(self.config.as_deref()) {
                writeln!(out, "{QUIET}{:<24}{remedy}{QUIET:#}", "")?;
            }
        }
        let (errors, warnings) = (self.count(Outcome::Error), self.count(Outcome::Warning));
        writeln!(out, "\n{}, {}", counted(errors, "error"), counted(warnings, "warning"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P593: the page has every matter, in the order in which they are reported.
    #[test]
    fn the_page_lists_every_matter() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/doctor.md");
        let page = std::fs::read_to_string(page).unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        assert_eq!(rows.collect::<Vec<_>>(), TABLE.map(|(matter, ..)| matter.row().0));
    }
}
