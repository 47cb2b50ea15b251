//! Watching an evaluation. Serving watches nothing and pays nothing; `explain` and `test` record. There is one
//! evaluator, so they cannot disagree.

use super::check::Check;
use super::decision::RuleName;
use super::rule::{Effect, Mode};
use super::truth::Truth;

/// Somebody who watches an evaluation.
pub trait Trace {
    /// Whether checks are wanted that cannot change a rule's verdict any more.
    const WANTS_EVERY_CHECK: bool;

    /// A rule of the host is not about this request.
    fn not_about(&mut self, rule: &RuleName, why: Mismatch);

    /// A check of a rule that is about this request.
    fn check(&mut self, rule: &RuleName, check: Check<'_>, truth: Truth);

    /// What became of the rule.
    fn judged(&mut self, rule: &RuleName, effect: Effect, mode: Mode, satisfied: Truth);
}

/// Why a rule is not about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mismatch {
    /// Another port.
    Port,
    /// Another method.
    Method,
    /// Another path.
    Path,
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

/// Keeps everything.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    rules: Vec<RuleTrace>,
    pending: Vec<CheckTrace>,
}

/// What happened with one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTrace {
    /// Which rule.
    pub rule: RuleName,
    /// What became of it.
    pub outcome: RuleOutcome,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleOutcome {
    /// It is not about the request.
    NotAbout(Mismatch),
    /// It was judged.
    Judged {
        /// What a match means.
        effect: Effect,
        /// Whether it counts.
        mode: Mode,
        /// Whether everything it asks for holds.
        satisfied: Truth,
        /// Each check, in order.
        checks: Vec<CheckTrace>,
    },
}

/// One check of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckTrace {
    /// What was asked for, in words.
    pub check: String,
    /// Whether it holds.
    pub truth: Truth,
}

// === impl NoTrace ===

impl Trace for NoTrace {
    const WANTS_EVERY_CHECK: bool = false;

    fn not_about(&mut self, _: &RuleName, _: Mismatch) {}

    fn check(&mut self, _: &RuleName, _: Check<'_>, _: Truth) {}

    fn judged(&mut self, _: &RuleName, _: Effect, _: Mode, _: Truth) {}
}

// === impl Recorder ===

impl Recorder {
    /// Every rule of the request's host that was looked at.
    #[must_use]
    pub fn rules(&self) -> &[RuleTrace] {
        &self.rules
    }
}

impl Trace for Recorder {
    const WANTS_EVERY_CHECK: bool = true;

    fn not_about(&mut self, rule: &RuleName, why: Mismatch) {
        self.rules.push(RuleTrace { rule: rule.clone(), outcome: RuleOutcome::NotAbout(why) });
    }

    fn check(&mut self, _: &RuleName, check: Check<'_>, truth: Truth) {
        self.pending.push(CheckTrace { check: check.to_string(), truth });
    }

    fn judged(&mut self, rule: &RuleName, effect: Effect, mode: Mode, satisfied: Truth) {
        let checks = std::mem::take(&mut self.pending);
        let outcome = RuleOutcome::Judged { effect, mode, satisfied, checks };
        self.rules.push(RuleTrace { rule: rule.clone(), outcome });
    }
}
