//! `during`: the times at which a rule counts.

use super::context::CheckContext;
use super::missing::{MissingData, RecordField};
use super::observation::ObservedValue;
use super::requirement::{Explanation, Requirement, RequirementFailure};
use super::rule_key::{FittingRules, RuleKey};
use crate::policy::model::{Schedule, Truth};
use crate::reason::Reason;

impl Requirement for Schedule {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(self.includes(cx.now).into())
    }

    fn failure(&self) -> RequirementFailure {
        let (holds, fails) =
            ("the rule's schedule includes the time", "the time is outside of the rule's schedule");
        RequirementFailure::new(Reason::NoRule, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let found = ObservedValue::open(Some(cx.now.to_rfc3339()));
        let suggestion = format!("the rule counts {self}");
        Explanation::new(Self::PATH, vec![self.to_string()], found, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::Time)
    }
}

impl RuleKey for Schedule {
    const PATH: &'static str = "during";
    const RULES: FittingRules = FittingRules::Any;
    const IS_ABOUT_CALLERS: bool = false;
}
