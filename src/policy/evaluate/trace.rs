//! Watching an evaluation. Serving watches nothing and pays nothing; `explain` and `test` record. There is one evaluator, so
//! that they cannot disagree.

use super::rule_match::{Mismatch, RuleMatch};
use crate::policy::model::{RuleName, Truth};
use crate::policy::requirement::context::CheckContext;
use crate::policy::requirement::missing::MissingData;
use crate::policy::requirement::requirement::Requirement;

/// Watches an evaluation.
pub trait PolicyTrace {
    /// True if it wants checks that cannot change a rule's verdict any more.
    const WANTS_EVERY_CHECK: bool;

    /// The data that the record of the request lacks.
    fn missing(&self) -> MissingData {
        MissingData::NONE
    }

    /// A rule of the host is not about this request.
    fn not_about(&mut self, rule: &RuleName, why: Mismatch);

    /// A rule that is about this request was checked for one of its requirements.
    fn check(&mut self, check: &EvaluatedCheck<'_>, truth: Truth);

    /// All requirements of the rule were checked.
    fn judged(&mut self, rule: &RuleMatch<'_>, result: Truth);
}

/// One requirement beside one request.
#[derive(Clone, Copy, Debug)]
pub struct EvaluatedCheck<'a> {
    pub(in crate::policy) requirement: &'a dyn Requirement,
    pub(in crate::policy) cx: &'a CheckContext<'a>,
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPolicyTrace;

impl PolicyTrace for NoPolicyTrace {
    const WANTS_EVERY_CHECK: bool = false;

    fn not_about(&mut self, _: &RuleName, _: Mismatch) {}

    fn check(&mut self, _: &EvaluatedCheck<'_>, _: Truth) {}

    fn judged(&mut self, _: &RuleMatch<'_>, _: Truth) {}
}
