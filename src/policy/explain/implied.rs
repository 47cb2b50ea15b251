//! Rules that cannot let anyone in, by what they say: the caller has nothing of what they ask, or a deny rule is always in the way.

use super::witness::Callers;
use crate::document::policy::BindingSpec;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::evaluate::rule_match::RuleMatch;
use crate::policy::model::decision_request::DecisionRequest;
use crate::policy::model::truth::Truth;
use crate::policy::requirement::list::AnyRequirement;
use crate::policy::requirement::missing::MissingData;
use crate::policy::requirement::peer::PeerPresent;
use crate::policy::requirement::token::{PresenterKnown, TokenBinding, TokenPresent};

/// True if `rule` asks for something that `callers` do not show.
pub(super) fn has_no_caller(rule: &Rule, callers: Callers) -> bool {
    let own = &rule.requirements;
    let needs_token = own.has::<TokenPresent>();
    let is_bound = own.each::<TokenBinding>().any(|own| own.0 == BindingSpec::Certificate);
    let needs_peer = own.has::<PeerPresent>() || own.has::<PresenterKnown>() || is_bound;
    match callers {
        Callers::WithoutToken => needs_token,
        Callers::WithoutCertificate => needs_peer,
        Callers::WithoutEither => needs_token || needs_peer,
    }
}

/// True if `deny` denies, or cannot be evaluated, for every caller that `allow` lets in and that the caller of `asked` stands for.
pub(super) fn is_in_the_way(
    deny: &RuleMatch<'_>,
    allow: &Rule,
    asked: &DecisionRequest<'_>,
) -> bool {
    let contexts = deny.contexts(asked, MissingData::BESIDE_CALLER);
    let given = |needed: &AnyRequirement| {
        allow.requirements.iter().any(|own| needed.covers(own) == Some(true))
            && is_captured_alike(needed, deny, allow)
    };
    let holds = |cx: &_| {
        let mut needed = deny.rule.requirements.iter();
        needed.all(|needed| {
            given(needed) || (needed.is_of_class() && needed.holds(cx) == Some(Truth::Holds))
        })
    };
    contexts.into_iter().any(|cx| holds(&cx))
}

/// True if what `needed` reads of the path is the same segment at both rules.
fn is_captured_alike(needed: &AnyRequirement, deny: &RuleMatch<'_>, allow: &Rule) -> bool {
    let AnyRequirement::When(condition) = needed else { return true };
    let is_alike = |name: &str| {
        let template = deny.template;
        allow.paths.iter().all(|own| template.is_some_and(|other| own.captures_as(other, name)))
    };
    condition.0.captures().all(is_alike)
}
