//! Recording an evaluation: every rule of the host, and every check with what the rule wants and what is there.

use crate::document::policy::{Effect, Mode};
use crate::policy::evaluate::rule_match::{HostFit, Mismatch, RuleMatch};
use crate::policy::evaluate::trace::{EvaluatedCheck, PolicyTrace};
use crate::policy::model::rule_name::RuleName;
use crate::policy::model::truth::Truth;
use crate::policy::requirement::missing::MissingData;
use crate::policy::requirement::observation::{Observation, ObservedValue, Operand};
use crate::policy::requirement::requirement::Explanation;

/// Records everything.
#[derive(Clone, Debug)]
pub struct TraceRecorder {
    missing: MissingData,
    /// Every rule of the request's host that was looked at.
    pub rules: Vec<RuleTrace>,
    pending: Vec<CheckTrace>,
}

/// The trace of one rule.
#[derive(Clone, Debug)]
pub struct RuleTrace {
    /// The rule.
    pub rule: RuleName,
    /// Its result.
    pub outcome: RuleOutcome,
}

/// The result of one rule.
#[derive(Clone, Debug)]
pub enum RuleOutcome {
    /// It is not about the request.
    NotAbout(Mismatch),
    /// It was judged.
    Judged {
        /// Its effect.
        effect: Effect,
        /// Its mode.
        mode: Mode,
        /// How it matches the host.
        host: HostFit,
        /// The path template that the path matches; none if it is about every path.
        template: Option<String>,
        /// The result of all its requirements.
        result: Truth,
        /// Each check, in order.
        checks: Vec<CheckTrace>,
    },
}

/// The trace of one check of one rule.
#[derive(Clone, Debug)]
pub struct CheckTrace {
    /// The thing that is looked at, such as `token.scopes`.
    pub check: String,
    /// Its result.
    pub truth: Truth,
    /// The values that the rule wants there, as its document says them.
    pub wanted: Vec<String>,
    /// The values that are there.
    pub observed: Vec<Observation>,
    /// The parts of a condition.
    pub operands: Vec<Operand>,
    /// The change that would make it hold, if it does not.
    pub suggestion: Option<String>,
}

impl CheckTrace {
    fn new(check: &EvaluatedCheck<'_>, truth: Truth) -> Self {
        let EvaluatedCheck { requirement, cx } = check;
        let is_recorded = requirement.is_recorded(cx.missing);
        let Explanation { name, wanted, mut observed, operands, suggestion } =
            requirement.explain(cx);
        if !is_recorded {
            observed.iter_mut().for_each(|own| own.value = ObservedValue::NotRecorded);
        }
        let suggestion = match truth {
            Truth::Holds => None,
            Truth::Fails => Some(suggestion),
            Truth::Unknown if !is_recorded => Some(requirement.failure().unrecorded()),
            Truth::Unknown => {
                Some(format!("{suggestion}; that cannot be determined from this request"))
            }
        };
        Self { check: name, truth, wanted, observed, operands, suggestion }
    }
}

impl TraceRecorder {
    /// Records the evaluation of a request whose record lacks this data.
    pub const fn with_missing(missing: MissingData) -> Self {
        Self { missing, rules: Vec::new(), pending: Vec::new() }
    }
}

impl Default for TraceRecorder {
    fn default() -> Self {
        Self::with_missing(MissingData::NONE)
    }
}

impl PolicyTrace for TraceRecorder {
    const WANTS_EVERY_CHECK: bool = true;

    fn missing(&self) -> MissingData {
        self.missing
    }

    fn not_about(&mut self, rule: &RuleName, why: Mismatch) {
        self.rules.push(RuleTrace { rule: rule.clone(), outcome: RuleOutcome::NotAbout(why) });
    }

    fn check(&mut self, check: &EvaluatedCheck<'_>, truth: Truth) {
        self.pending.push(CheckTrace::new(check, truth));
    }

    fn judged(&mut self, fit: &RuleMatch<'_>, result: Truth) {
        let outcome = RuleOutcome::Judged {
            effect: fit.rule.effect,
            mode: fit.rule.mode,
            host: fit.host,
            template: fit.template.map(|own| own.as_str().to_owned()),
            result,
            checks: std::mem::take(&mut self.pending),
        };
        // A rule that several tokens might meet is judged with each; the best result is shown, as it is the one that counts.
        if let Some(last) = self.rules.last_mut()
            && last.rule == fit.rule.name
            && let RuleOutcome::Judged { result: before, .. } = &last.outcome
        {
            if result.is_better_than(*before) {
                last.outcome = outcome;
            }
            return;
        }
        self.rules.push(RuleTrace { rule: fit.rule.name.clone(), outcome });
    }
}
