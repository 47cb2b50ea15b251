//! `token.signals`: how the token of a request was used until now, and by this request.

use super::context::CheckContext;
use super::missing::{MissingData, RecordField};
use super::observation::ObservedValue;
use super::requirement::{Explanation, Requirement, RequirementFailure, one_of, texts};
use super::rule_key::{FittingRules, RuleKey, is_part};
use crate::authn::TokenIdentity;
use crate::document::policy::TokenSignal;
use crate::policy::model::Truth;
use crate::reason::Reason;

/// One of these signals is raised about the token. Only deny rules have it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct TokenSignals(pub(in crate::policy) Box<[TokenSignal]>);

impl Requirement for TokenSignals {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let usage = cx.token?.usage();
        let truth =
            |signal: &TokenSignal| usage.is_raised(*signal).map_or(Truth::Unknown, Truth::from);
        Some(Truth::any(self.0.iter().map(truth)))
    }

    fn failure(&self) -> RequirementFailure {
        let signals = one_of(&self.0);
        let holds = format!("{signals} is raised about the token");
        let fails = format!("{signals} is not raised about the token");
        RequirementFailure::new(Reason::NoRule, holds, fails).unknown_because(
            ": `anomalies` is not in the settings, or more tokens were used than are remembered",
        )
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let usage = cx.token.map(TokenIdentity::usage).unwrap_or_default();
        let raised = TokenSignal::ALL.into_iter().filter(|own| usage.is_raised(*own) == Some(true));
        let raised: Vec<_> = raised.map(|own| own.to_string()).collect();
        let suggestion = format!("{} must be raised about the token", one_of(&self.0));
        let found = ObservedValue::list(&raised);
        Explanation::new(Self::PATH, texts(&self.0), found, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::TokenSignals)
    }
}

impl RuleKey for TokenSignals {
    const PATH: &'static str = "token.signals";
    const RULES: FittingRules = FittingRules::Deny;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(is_part(&other.0, &self.0))
    }
}
