//! The results of the rules, as values.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::pdp::Outcome;
use crate::policy::{
    CheckTrace, Effect, HostFit, Mismatch, Mode, NonMatchingRule, Observation, ObservedValue,
    Operand, PolicySet, RuleOutcome, TraceRecorder, Truth,
};
use crate::request::RequestView;

/// All rules of the request's host.
pub(super) struct RulesReport {
    pub(super) policies: Vec<PolicyReport>,
    pub(super) non_matching_rules: Vec<NonMatchingRuleReport>,
}

/// A policy with rules about the request.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PolicyReport {
    pub(super) policy: String,
    /// How its target matches the host.
    pub(super) host: HostFit,
    pub(super) rules: Vec<RuleReport>,
}

/// A rule about the request.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RuleReport {
    pub(super) rule: String,
    pub(super) effect: Effect,
    pub(super) mode: Mode,
    pub(super) result: Truth,
    /// True if it is the rule that the answer names.
    pub(super) named: bool,
    /// The path template that the path matched; none where the rule is about every path.
    pub(super) path: Option<String>,
    pub(super) checks: Vec<RuleCheckReport>,
}

/// One check of a rule.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RuleCheckReport {
    /// The thing that is looked at, such as `token.scopes`.
    pub(super) check: String,
    pub(super) result: Truth,
    /// The values that the rule wants, as its document says them.
    pub(super) wants: Vec<String>,
    pub(super) found: Vec<ObservationReport>,
    /// The parts of a condition.
    pub(super) operands: Vec<OperandReport>,
    /// The change that would make it hold, if it does not.
    pub(super) change: Option<String>,
}

/// A part of a condition.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct OperandReport {
    pub(super) text: String,
    pub(super) result: Truth,
    pub(super) found: Vec<ObservationReport>,
}

/// Something that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct ObservationReport {
    pub(super) name: String,
    pub(super) state: ObservedState,
    /// The kind of a masked value.
    pub(super) kind: Option<&'static str>,
    pub(super) value: Option<String>,
}

/// The form in which an observed value is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum ObservedState {
    Shown,
    /// Of its kind alone, since it may be about people.
    Masked,
    Absent,
    Unreadable,
    NotRecorded,
}

/// A rule that is about other requests to the host.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NonMatchingRuleReport {
    pub(super) rule: String,
    pub(super) effect: Effect,
    /// Everything in which it differs.
    pub(super) differs: Vec<DifferenceReport>,
}

/// Something in which a rule differs from a request.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DifferenceReport {
    pub(super) what: Mismatch,
    /// The values that the rule is about in that respect.
    pub(super) about: Vec<String>,
}

impl RulesReport {
    pub(super) fn new(
        view: &RequestView,
        outcome: &Outcome,
        recorder: &TraceRecorder,
        policies: &PolicySet,
        show_values: bool,
    ) -> Self {
        let named = outcome.decision.rule();
        let mut by_policy = BTreeMap::<String, PolicyReport>::new();
        for trace in &recorder.rules {
            let RuleOutcome::Judged { effect, mode, host, template, result, checks } =
                &trace.outcome
            else {
                continue;
            };
            let report = RuleReport {
                rule: trace.rule.rule.to_string(),
                effect: *effect,
                mode: *mode,
                result: *result,
                named: named == Some(&trace.rule),
                path: template.clone(),
                checks: checks.iter().map(|own| RuleCheckReport::new(own, show_values)).collect(),
            };
            let policy = trace.rule.policy.to_string();
            let empty = || PolicyReport { policy: policy.clone(), host: *host, rules: Vec::new() };
            by_policy.entry(policy.clone()).or_insert_with(empty).rules.push(report);
        }
        let mut all: Vec<_> = by_policy.into_values().collect();
        for policy in &mut all {
            policy.rules.sort_by(|a, b| a.rule.cmp(&b.rule));
        }
        let non_matching_rules = policies
            .non_matching_rules(view)
            .into_iter()
            .map(NonMatchingRuleReport::from)
            .collect();
        Self { policies: all, non_matching_rules }
    }
}

impl RuleReport {
    pub(super) fn is(&self, effect: Effect, mode: Mode) -> bool {
        self.effect == effect && self.mode == mode
    }
}

impl RuleCheckReport {
    fn new(trace: &CheckTrace, show_values: bool) -> Self {
        let CheckTrace { check, truth, wanted, observed, operands, suggestion } = trace;
        Self {
            check: check.clone(),
            result: *truth,
            wants: wanted.clone(),
            found: observed.iter().map(|fact| ObservationReport::new(fact, show_values)).collect(),
            operands: operands.iter().map(|own| OperandReport::new(own, show_values)).collect(),
            change: suggestion.clone(),
        }
    }
}

impl OperandReport {
    pub(in crate::cli) fn new(operand: &Operand, show_values: bool) -> Self {
        let found = operand.observed.iter().map(|fact| ObservationReport::new(fact, show_values));
        Self { text: operand.text.clone(), result: operand.truth, found: found.collect() }
    }
}

impl ObservationReport {
    fn new(fact: &Observation, show_values: bool) -> Self {
        let (state, kind, value) = match &fact.value {
            ObservedValue::Absent => (ObservedState::Absent, None, None),
            ObservedValue::NotRecorded => (ObservedState::NotRecorded, None, None),
            ObservedValue::Unreadable => (ObservedState::Unreadable, None, None),
            ObservedValue::Open(value) => (ObservedState::Shown, None, Some(value.clone())),
            ObservedValue::Masked { kind, value } if show_values => {
                (ObservedState::Shown, Some(*kind), Some(value.expose().clone()))
            }
            ObservedValue::Masked { kind, .. } => (ObservedState::Masked, Some(*kind), None),
        };
        Self { name: fact.name.clone(), state, kind, value }
    }
}

impl From<NonMatchingRule> for NonMatchingRuleReport {
    fn from(own: NonMatchingRule) -> Self {
        let difference = |(what, about)| DifferenceReport { what, about };
        Self {
            rule: own.rule.to_string(),
            effect: own.effect,
            differs: own.differs.into_iter().map(difference).collect(),
        }
    }
}
