//! The findings of `doctor`: one table of matters with their remedies, from which text and JSON are made.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::admin::{ComponentHealth, HealthState};
use crate::cli::style::{BAD, GOOD, HEADING, QUIET};
use crate::words::counted;

/// The matters that `doctor` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matter {
    Documents,
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
const TABLE: [(Matter, &str, &str); 17] = [
    (
        Matter::Documents,
        "documents",
        "`countersign check --config FILE` shows each problem with its line",
    ),
    (
        Matter::RemoteFiles,
        "remote-files",
        "open the way to its server, or correct its address in the document: nothing that needs the file is accepted",
    ),
    (
        Matter::Peers,
        "peers",
        "set `listener.peerSources` to what your proxies send, such as `{ sourceCertificate: true, xfcc: true }`",
    ),
    (
        Matter::Authorities,
        "authorities",
        "put the new authority beside the old one, have certificates issued by it, then remove the old one; fetch lists again",
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
        "start Redis, open the way to it, or correct `store.redis`; docs/reliability.md says what a store must keep",
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
    (Matter::Server, "server", "docs/operations.md explains each line of `/readyz?verbose`"),
    (Matter::Envoy, "envoy", "`countersign lint-mesh FILE` shows each problem"),
    (
        Matter::AccessLog,
        "access-log",
        "log `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:decision_id)%` or `%REQ(X-REQUEST-ID)%`: `explain --decision` takes either",
    ),
];

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Good,
    Warning,
    Error,
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Finding {
    matter: Matter,
    severity: Severity,
    detail: String,
    /// Another remedy than that of the matter.
    remedy: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Matter {
    /// Its word and its remedy.
    fn row(self) -> (&'static str, &'static str) {
        let row = TABLE.into_iter().find(|(matter, ..)| *matter == self);
        row.map(|(_, word, remedy)| (word, remedy)).unwrap_or_default()
    }
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Finding {
    fn remedy(&self) -> Option<&str> {
        let remedy = self.remedy.as_deref().unwrap_or(self.matter.row().1);
        (self.severity != Severity::Good).then_some(remedy)
    }
}

impl Report {
    pub(super) fn add(&mut self, matter: Matter, severity: Severity, detail: impl Display) {
        self.0.push(Finding { matter, severity, detail: detail.to_string(), remedy: None });
    }

    pub(super) fn good(&mut self, matter: Matter, detail: impl Display) {
        self.add(matter, Severity::Good, detail);
    }

    pub(super) fn warn(&mut self, matter: Matter, detail: impl Display) {
        self.add(matter, Severity::Warning, detail);
    }

    pub(super) fn fail(&mut self, matter: Matter, detail: impl Display) {
        self.add(matter, Severity::Error, detail);
    }

    /// A finding with a remedy of its own.
    pub(super) fn advise(
        &mut self,
        matter: Matter,
        severity: Severity,
        detail: String,
        remedy: String,
    ) {
        self.0.push(Finding { matter, severity, detail, remedy: Some(remedy) });
    }

    /// A part of a server, as `/readyz?verbose` shows it.
    pub(super) fn part(&mut self, matter: Matter, part: &ComponentHealth) {
        let severity = match part.condition {
            HealthState::Good => Severity::Good,
            HealthState::Degraded => Severity::Warning,
            HealthState::Missing | HealthState::Required | HealthState::NotReady => Severity::Error,
        };
        self.add(matter, severity, format_args!("{}: {}", part.name, part.detail));
    }

    pub(super) fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|finding| finding.severity == severity).count()
    }

    pub(super) fn json(&self) -> Value {
        let findings = self.0.iter().map(|finding| {
            json!({
                "check": finding.matter.row().0,
                "severity": finding.severity.as_str(),
                "detail": finding.detail,
                "remedy": finding.remedy(),
            })
        });
        json!({
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "findings": findings.collect::<Vec<_>>(),
        })
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for finding in &self.0 {
            let style = match finding.severity {
                Severity::Good => GOOD,
                Severity::Warning => HEADING,
                Severity::Error => BAD,
            };
            let (severity, matter) = (finding.severity.as_str(), finding.matter.row().0);
            writeln!(out, "{style}{severity:<7}{style:#}  {matter:<13}  {}", finding.detail)?;
            if let Some(remedy) = finding.remedy() {
                writeln!(out, "{QUIET}{:<24}{remedy}{QUIET:#}", "")?;
            }
        }
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
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
