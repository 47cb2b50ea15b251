//! The faults that are found, and the parts that every room of the lint needs.

use std::collections::BTreeSet;

use super::wait::WaitFault;
use crate::document::{Code, Diagnostic, Severity, Span};

/// The faults that are found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) found: Vec<Diagnostic>,
}

/// The names of headers that say who the caller is, in lower case.
#[derive(Clone, Debug)]
pub struct IdentityHeaders(BTreeSet<String>);

impl Faults {
    /// Adds a fault of the severity that its code has, with the remedy of the code.
    pub(super) fn add(&mut self, code: Code, place: Span, message: impl Into<String>) {
        let problem = match code.severity() {
            Severity::Error => Diagnostic::error(code, place, message),
            Severity::Warning => Diagnostic::warning(code, place, message),
        };
        self.found.push(problem.help(code.remedy()));
    }

    /// Adds a fault of an error's code that may be none, as the files do not show enough.
    pub(super) fn warn(&mut self, code: Code, place: Span, message: impl Into<String>) {
        self.found.push(Diagnostic::warning(code, place, message).help(code.remedy()));
    }

    /// Adds the fault of the wait at `node`, which is what `waits` does.
    pub(super) fn add_wait(&mut self, place: Span, waits: &str, fault: WaitFault) {
        match fault {
            WaitFault::Long(wait) => self.add(Code::LongWait, place, format!("{waits} {wait}")),
            WaitFault::Unreadable(message) => self.add(Code::InvalidMeshConfig, place, message),
        }
    }
}

impl IdentityHeaders {
    /// `names`, which policies inject, beside those that always say who the caller is.
    pub fn with(names: impl IntoIterator<Item = String>) -> Self {
        let always = ["x-forwarded-client-cert", "x-peer", "x-subject"].map(String::from);
        let names = names.into_iter().chain(always);
        Self(names.map(|name| name.to_ascii_lowercase()).collect())
    }

    /// True if `name` is one of them; `x_subject` is `x-subject` to many upstreams.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(&name.to_ascii_lowercase().replace('_', "-"))
    }

    /// The first of them that is a word of `text`.
    pub(super) fn within(&self, text: &str) -> Option<&str> {
        let text = text.to_ascii_lowercase();
        self.0.iter().map(String::as_str).find(|name| text.contains(name))
    }
}
