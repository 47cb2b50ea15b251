//! The report for people.

use std::io::Write as _;

use crate::answer::Difference;
use crate::run::{Outcome, Tier};

/// Prints a line or more.
pub fn line(text: &str) {
    // A reader that is gone misses nothing.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a difference: both answers, and the documents with the case.
pub fn print(seed: u64, case: &str, world: &str, differences: &[Difference]) {
    line(&format!("\n=== seed {seed}, case {case}"));
    differences.iter().for_each(|difference| line(&difference.to_string()));
    line(world);
}

/// Prints the sums of a run.
pub fn sums(tier: &Tier, outcome: &Outcome) {
    let Outcome { cases, worlds, refused, outside, took, .. } = outcome;
    line(&format!("\n=== {}\n{}", tier.name, (tier.table)(&outcome.coverage)));
    for (name, count) in outside {
        line(&format!("the oracle does not decide {name}: {count} cases"));
    }
    let undecided: u64 = outside.values().sum();
    let share = |whole: u64| undecided.saturating_mul(10_000).checked_div(whole).unwrap_or(0);
    let hundredths = share(undecided.saturating_add(*cases));
    line(&format!("not decided by the oracle: {undecided} cases, {}.{:02} %", hundredths / 100, hundredths % 100));
    if let Some(first) = refused.first() {
        line(&format!("{} worlds have documents that are refused, the first: {first}", refused.len()));
    }
    let rate = u64::try_from(took.as_millis()).ok().and_then(|ms| cases.saturating_mul(1000).checked_div(ms)).unwrap_or(0);
    line(&format!("{cases} cases in {worlds} worlds, {} s, {rate} a second", took.as_secs()));
}
