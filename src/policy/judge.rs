//! Putting the checks of one rule together.

use super::check::{Check, Verdict};
use super::decision::RuleName;
use super::trace::Trace;
use super::truth::Truth;

/// Collects the checks of one rule into its verdict, and shows each to whoever is watching.
pub(super) struct Judge<'r, 't, T> {
    rule: &'r RuleName,
    verdict: Verdict<'r>,
    trace: &'t mut T,
}

// === impl Judge ===

impl<'r, 't, T: Trace> Judge<'r, 't, T> {
    pub(super) const fn new(rule: &'r RuleName, trace: &'t mut T) -> Self {
        Self { rule, verdict: Verdict::Satisfied, trace }
    }

    /// One check. It is not made where it cannot change the verdict and nobody watches.
    pub(super) fn check(&mut self, check: Check<'r>, truth: impl FnOnce() -> Truth) {
        if self.verdict.is_settled() && !T::WANTS_EVERY_CHECK {
            return;
        }
        let truth = truth();
        self.trace.check(self.rule, check, truth);
        self.verdict = self.verdict.and(check, truth);
    }

    pub(super) const fn verdict(&self) -> Verdict<'r> {
        self.verdict
    }
}
