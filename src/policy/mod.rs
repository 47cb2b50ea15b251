//! Who may do what: documents compiled into rules, evaluated against what was verified.
//!
//! Compiling is all or nothing and reports every problem; evaluating is pure, so that the same question to the same
//! set always has the same answer. `docs/policy.md` says what the documents mean.

mod annotations;
mod answer;
mod asked;
mod assemble;
mod check;
mod claim;
mod compile;
mod condition;
mod decision;
mod decision_id;
mod during;
mod duties;
mod elsewhere;
mod evaluate;
mod fact;
mod gaps;
mod header;
mod host;
mod index;
mod judge;
mod lint;
mod path;
mod peer;
mod query;
mod remedy;
mod rule;
mod server_name;
mod step_up;
mod strip;
mod suite;
mod target;
mod template;
mod text;
mod token;
mod trace;
mod truth;
mod unit;
mod variable;

#[cfg(test)]
mod tests;

pub use annotations::Annotations;
pub use answer::{Answer, CustomAnswer};
pub use asked::Asked;
pub use assemble::Sources;
pub use check::Check;
pub use condition::Operand;
pub use decision::{Decision, Denial, Needs, Permit, ProofNeed, RuleName, ShadowOutcome};
pub use decision_id::DecisionId;
pub use duties::{AssertionRequest, HeaderMutation, Obligations, QueryMutation};
pub use elsewhere::Elsewhere;
pub use fact::{Fact, Sight};
pub use gaps::{Datum, Gaps};
pub use index::Counting;
pub use rule::{Effect, HostFit, Mode};
pub use step_up::StepUp;
pub use suite::{
    CaseReport, Coverage, CoverageReport, Difference, Question, Suite, SuiteReport, UntriedPart,
};
pub use trace::{About, CheckTrace, Mismatch, NoTrace, Recorder, RuleOutcome, RuleTrace, Trace};
pub use truth::Truth;

use crate::authn::Subject;
use crate::clock::UnixTime;
use crate::document::RelativeDiagnostic;
use crate::request::RequestView;
use crate::secret::Fingerprint;

/// Every policy at one revision, compiled.
#[derive(Debug, Default)]
pub struct PolicySet {
    index: index::Index,
    strip: strip::Strip,
    /// The fingerprints of the policies' texts, in the order of the index.
    keys: Box<[Fingerprint]>,
    /// The fingerprint of everything else that their meaning depends on; none where there is nothing to keep.
    around: Option<Fingerprint>,
    /// What is odd about policies beside each other, by their positions.
    doubts: Box<[(usize, RelativeDiagnostic)]>,
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
        let parts = |rule: &'_ rule::Rule| rule.when.as_deref().map(condition::Condition::parts);
        self.index.rules().filter_map(move |rule| Some((&rule.name, parts(rule)?)))
    }

    /// Every rule's name, effect and mode, in no particular order.
    pub fn rules(&self) -> impl Iterator<Item = (&RuleName, Effect, Mode)> {
        self.index.rules().map(|rule| (&rule.name, rule.effect, rule.mode))
    }
}
