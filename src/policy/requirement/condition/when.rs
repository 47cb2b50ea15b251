//! `when` and `conditions`: the condition of a rule as one of its requirements.

use super::compiled::Condition;
use crate::policy::model::Truth;
use crate::policy::requirement::context::CheckContext;
use crate::policy::requirement::missing::{MissingData, RecordField};
use crate::policy::requirement::requirement::{Explanation, Requirement, RequirementFailure};
use crate::policy::requirement::rule_key::{FittingRules, RuleKey};
use crate::reason::Reason;

/// The condition holds. It is in a box, since few rules have one and it is large.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct When(pub(in crate::policy) Box<Condition>);

impl Requirement for When {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(self.0.holds(cx))
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::new(Reason::NoRule, "the condition holds", "the condition does not hold")
            .unknown_because(
                ": a value that the condition reads is absent, is null, or may be several values, or it takes too many steps",
            )
    }

    /// Each operand shows what it reads.
    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let operands = self.0.operands(cx);
        let mut failed = operands.iter().filter(|operand| operand.truth != Truth::Holds);
        let text = match (failed.next(), failed.next()) {
            (Some(one), None) => one.text.clone(),
            // The conditions of fragments end with their line, since a comment may stand there.
            (Some(_), Some(_)) | (None, _) => {
                let words: Vec<_> = self.0.as_str().split_whitespace().collect();
                words.join(" ").replace(" )", ")")
            }
        };
        Explanation {
            name: Self::PATH.to_owned(),
            wanted: vec![self.0.as_str().to_owned()],
            observed: Vec::new(),
            suggestion: format!("`{text}` must hold"),
            operands,
        }
    }

    fn lacks(&self, missing: MissingData) -> Option<RecordField> {
        self.0.record_fields().find(|field| missing.covers(*field))
    }
}

impl RuleKey for When {
    const PATH: &'static str = "when";
    const RULES: FittingRules = FittingRules::Any;
}
