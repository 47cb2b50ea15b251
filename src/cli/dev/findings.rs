//! Findings of `lint-mesh` in the configuration of Envoy that `dev` starts.

use std::path::PathBuf;

use super::programs::ENVOY;
use crate::cli::style;
use crate::document::{Diagnostic, Severity};
use crate::mesh::{IdentityHeaders, lint};
use crate::pdp::Load;

/// Shows each finding as a warning. Envoy runs all the same: `dev` is for trying things out.
pub(super) fn show(documents: &[PathBuf]) {
    let found = of(&std::fs::read_to_string(ENVOY).unwrap_or_default(), documents);
    if found.is_empty() {
        return;
    }
    style::diagnostics(&found);
    let (number, weaken) = match found.len() {
        1 => (String::from("a setting"), "weakens"),
        many => (format!("{many} settings"), "weaken"),
    };
    style::warning(format_args!(
        "Envoy runs with {number} in `{ENVOY}` that {weaken} authorization; `countersign lint-mesh {ENVOY}` shows them again"
    ));
}

fn of(envoy: &str, documents: &[PathBuf]) -> Vec<Diagnostic> {
    let snapshot = Load::from_paths(documents).snapshot;
    let injected = snapshot.iter().flat_map(|own| own.policies().injected_headers());
    let identity = IdentityHeaders::with(injected.map(str::to_owned));
    let mut found = lint(vec![(ENVOY.to_owned(), envoy.to_owned())], &identity);
    found.iter_mut().for_each(|problem| problem.severity = Severity::Warning);
    found
}
