//! Who may do what: documents compiled into rules, evaluated against what was verified.
//!
//! Compiling is all or nothing and reports every problem; evaluating is pure, so that the same question to the same
//! set always has the same answer. `docs/policy.md` says what the documents mean.
//!
//! The folders are in order, and each uses only those before it: `model` (values), `requirement` (what rules require),
//! `compile` (documents to rules), `evaluate` (rules to decisions), `explain` (traces for people), `suite` (tests of policies).

mod compile;
mod evaluate;
mod explain;
mod model;
mod requirement;
mod suite;

#[cfg(test)]
mod tests;

pub use crate::document::policy::{Effect, Mode};
pub use evaluate::policy_set::{PolicySet, PolicySources};
pub use evaluate::rule_match::{HostFit, Mismatch, RuleMatch};
pub use evaluate::trace::{EvaluatedCheck, NoPolicyTrace, PolicyTrace};
pub use explain::changes::{AccessChange, KeyChange, RuleChange, RuleChangeKind};
pub use explain::non_matching_rules::NonMatchingRule;
pub use explain::possible::{Gap, PossibleDecision, RulePrints};
pub use explain::reach::{Possibility, ReachAnswer, ReachQuestion, ReachRule, RuleNeed};
pub use explain::recorder::{CheckTrace, RuleOutcome, RuleTrace, TraceRecorder};
pub use explain::set_changes::{SetChange, SetPart};
pub use explain::witness::{Callers, VouchingDomain};
pub use model::annotations::Annotations;
pub use model::answer::{Answer, CustomAnswer};
pub use model::decision::{Decision, Denial, Needs, Permit, ProofNeed, ShadowOutcome, Throttling};
pub use model::decision_id::DecisionId;
pub use model::decision_request::DecisionRequest;
pub use model::obligations::{AssertionRequest, HeaderMutation, Obligations, QueryMutation};
pub use model::removed_headers::RemovedHeaders;
pub use model::rule_name::RuleName;
pub use model::truth::Truth;
pub use requirement::missing::{MissingData, RecordField};
pub use requirement::observation::{Observation, ObservedValue, Operand};
pub use requirement::rule_key::NamedCallers;
pub use suite::{
    CaseReport, ConditionNames, ConditionTrial, Coverage, CoverageReport, Difference, KnownIssuer,
    Question, Suite, SuiteReport, UntriedPart,
};
