//! The faults that are found, and the parts that every room of the lint needs.

use std::collections::BTreeSet;

use crate::document::{Code, Diagnostic, Severity, Span};

/// The text in the place of a `${PLACEHOLDER}`, again and again.
pub(super) const FILLER: &str = "?_";

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

/// The seconds of a duration as protobuf's JSON and Kubernetes write it: `0.25s`, `250ms`, `10m`.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: f64 = number.parse().ok()?;
    let factor = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(number * factor)
}

/// True if nothing should wait for an answer for that long.
pub(super) fn is_long(wait: &str) -> bool {
    // Zero is no limit.
    seconds(wait).is_some_and(|seconds| seconds > 5.0 || seconds == 0.0)
}
