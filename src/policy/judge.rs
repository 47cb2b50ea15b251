//! Putting the checks of one rule together.

use crate::policy::DecisionRequest;
use crate::policy::asked::Asked;
use crate::policy::check::{Check, Verdict};
use crate::policy::compile::compiled_rule::Fit;
use crate::policy::evaluate::trace::Trace;
use crate::policy::model::truth::Truth;

/// Collects the checks of one rule into its verdict, and shows each to whoever is watching.
pub(in crate::policy) struct Judge<'r, 't, T> {
    fit: Fit<'r>,
    question: &'t DecisionRequest<'t>,
    verdict: Verdict<'r>,
    trace: &'t mut T,
}

// === impl Judge ===

impl<'r, 't, T: Trace> Judge<'r, 't, T> {
    pub(in crate::policy) const fn new(
        fit: Fit<'r>,
        question: &'t DecisionRequest<'t>,
        trace: &'t mut T,
    ) -> Self {
        Self { fit, question, verdict: Verdict::Satisfied, trace }
    }

    /// One check. It is not made where it cannot change the verdict and nobody watches, and it cannot be told where it is
    /// about something that was not recorded: doubt never allows, so that a record explains less and never more.
    pub(in crate::policy) fn check(&mut self, check: Check<'r>, truth: impl FnOnce() -> Truth) {
        if self.verdict.is_settled() && !T::WANTS_EVERY_CHECK {
            return;
        }
        let asked = Asked::new(self.fit, self.question, check, self.trace.gaps());
        let truth = if asked.is_recorded() { truth() } else { Truth::Unknown };
        self.trace.check(&asked, truth);
        self.verdict = self.verdict.and(check, truth);
    }

    pub(in crate::policy) const fn verdict(&self) -> Verdict<'r> {
        self.verdict
    }
}
