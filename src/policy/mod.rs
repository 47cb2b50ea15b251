//! Who may do what: documents compiled into rules, evaluated against what was verified.
//!
//! Compiling is all or nothing and reports every problem; evaluating is pure, so that the same question to the same
//! set always has the same answer. `docs/policy.md` says what the documents mean.

mod asked;
mod check;
mod compile;
mod duties;
mod evaluate;
mod explain;
mod judge;
mod model;
mod peer;
mod remedy;
mod requirement;
mod server_name;
mod step_up;
mod suite;
mod token;

#[cfg(test)]
mod tests;

pub use asked::Asked;
pub use check::Check;
pub use compile::compiled_rule::{Effect, HostFit, Mode};
pub use duties::{AssertionRequest, HeaderMutation, Obligations, QueryMutation};
pub use evaluate::index::Counting;
pub use evaluate::policy_set::Sources;
pub use evaluate::trace::{
    About, CheckTrace, Mismatch, NoTrace, Recorder, RuleOutcome, RuleTrace, Trace,
};
pub use explain::non_matching_rules::Elsewhere;
pub use model::annotations::Annotations;
pub use model::answer::{Answer, CustomAnswer};
pub use model::decision::{Decision, Denial, Needs, Permit, ProofNeed, RuleName, ShadowOutcome};
pub use model::decision_id::DecisionId;
pub use model::truth::Truth;
pub use requirement::condition::Operand;
pub use requirement::missing::{Datum, Gaps};
pub use requirement::observation::{Fact, Sight};
pub use step_up::StepUp;
pub use suite::{
    CaseReport, Coverage, CoverageReport, Difference, Question, Suite, SuiteReport, UntriedPart,
};

use crate::authn::Subject;
use crate::clock::UnixTime;
use crate::document::Movable;
use crate::request::RequestView;
use crate::secret::Fingerprint;

/// Every policy at one revision, compiled.
#[derive(Debug, Default)]
pub struct PolicySet {
    index: evaluate::index::Index,
    strip: evaluate::strip::Strip,
    /// The fingerprints of the policies' texts, in the order of the index.
    keys: Box<[Fingerprint]>,
    /// The fingerprint of everything else that their meaning depends on; none where there is nothing to keep.
    around: Option<Fingerprint>,
    /// What is odd about policies beside each other, by their positions.
    doubts: Box<[(usize, Movable)]>,
}

/// One question: may this subject make this request now?
#[derive(Clone, Copy, Debug)]
pub struct DecisionRequest<'a> {
    /// Who is asking.
    pub subject: &'a Subject,
    /// For what.
    pub request: &'a RequestView,
    /// When.
    pub now: UnixTime,
    /// What the decision will be called.
    pub id: DecisionId,
}

// === impl PolicySet ===

impl PolicySet {
    /// Whether a rule asks for a signed assertion.
    #[must_use]
    pub fn asserts(&self) -> bool {
        self.index.rules().any(|rule| rule.duties.assertion.is_some())
    }

    /// The issuers whose tokens count for `request`, where the documents say that others are ignored there.
    #[must_use]
    pub fn counting(&self, request: &RequestView) -> Option<Counting<'_>> {
        self.index.counting(&request.target.as_ref().ok()?.host)
    }

    /// Decides. Default deny, deny overrides, order never matters.
    #[must_use]
    pub fn evaluate(&self, question: &DecisionRequest<'_>) -> Decision {
        self.evaluate_traced(question, &mut NoTrace)
    }

    /// Decides like [`PolicySet::evaluate`], watched by `trace`.
    pub fn evaluate_traced<T: Trace>(
        &self,
        question: &DecisionRequest<'_>,
        trace: &mut T,
    ) -> Decision {
        evaluate::evaluate(&self.index, &self.strip, question, trace)
    }

    /// The parts of every rule's condition that `&&`, `||` and `?:` put together, as its document has them.
    pub fn condition_parts(&self) -> impl Iterator<Item = (&RuleName, Vec<String>)> {
        let parts = |rule: &'_ compile::compiled_rule::Rule| {
            rule.when.as_deref().map(requirement::condition::Condition::parts)
        };
        self.index.rules().filter_map(move |rule| Some((&rule.name, parts(rule)?)))
    }

    /// Every rule's name, effect and mode, in no particular order.
    pub fn rules(&self) -> impl Iterator<Item = (&RuleName, Effect, Mode)> {
        self.index.rules().map(|rule| (&rule.name, rule.effect, rule.mode))
    }
}
