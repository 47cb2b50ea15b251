//! What a person reads.

use std::io::Write as _;

use crate::answer::Difference;
use crate::run::Outcome;
use crate::world::World;

/// Prints a line or more.
pub fn line(text: &str) {
    // A reader that is gone misses nothing.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a difference: both answers, and the documents with the case.
pub fn print(seed: u64, case: &str, world: &World, differences: &[Difference]) {
    line(&format!("\n=== seed {seed}, case {case}"));
    differences.iter().for_each(|difference| line(&difference.to_string()));
    for document in world.documents.iter().chain(&world.suites) {
        line(&format!("---\n{}", serde_norway::to_string(document).unwrap_or_default().trim_end()));
    }
}

/// Prints the sums of a run.
pub fn sums(outcome: &Outcome) {
    let Outcome { cases, worlds, refused, outside, took, .. } = outcome;
    line(&format!("\n{}", outcome.coverage.table()));
    for (name, count) in outside {
        line(&format!("the oracle does not decide {name}: {count} cases"));
    }
    if let Some(first) = refused.first() {
        line(&format!("{} worlds have documents that are refused, the first: {first}", refused.len()));
    }
    let rate = u64::try_from(took.as_millis()).ok().and_then(|ms| cases.saturating_mul(1000).checked_div(ms)).unwrap_or(0);
    line(&format!("{cases} cases in {worlds} worlds, {} s, {rate} a second", took.as_secs()));
}
