//! Rules that cannot let anyone in, by what they say: the caller has nothing of what they ask, or a deny rule is always in the way.

use ipnet::IpNet;

use super::witness::{Callers, instances};
use crate::document::policy::{BindingSpec, ScopeForm};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::evaluate::rule_match::RuleMatch;
use crate::policy::model::decision_request::DecisionRequest;
use crate::policy::model::truth::Truth;
use crate::policy::requirement::list::AnyRequirement;
use crate::policy::requirement::missing::MissingData;
use crate::policy::requirement::peer::PeerPresent;
use crate::policy::requirement::token::{PresenterKnown, TokenBinding, TokenPresent};
use crate::spiffe::SpiffePattern;

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
        allow.requirements.iter().any(|own| covers(needed, own))
            && is_captured_alike(needed, deny, allow)
    };
    let holds = |cx: &_| {
        let mut needed = deny.rule.requirements.iter();
        needed.all(|needed| {
            given(needed) || (is_of_class(needed) && needed.holds(cx) == Some(Truth::Holds))
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

/// True if a requirement that holds for a witness holds for all that it stands for: a witness has only what the allow rule asks for,
/// and its wildcards are filled with names that no rule says.
const fn is_of_class(needed: &AnyRequirement) -> bool {
    use AnyRequirement as Any;
    matches!(
        needed,
        Any::PeerPresent(_)
            | Any::PeerTrustDomain(_)
            | Any::PeerSpiffe(_)
            | Any::PeerDns(_)
            | Any::PeerUris(_)
            | Any::PeerEmails(_)
            | Any::PeerSubjects(_)
            | Any::TokenPresent(_)
            | Any::TokenAudiences(_)
            | Any::TokenSubjects(_)
            | Any::TokenClients(_)
            | Any::TokenScopes(_)
            | Any::TokenAnyScope(_)
    )
}

/// True if `needed` holds wherever `own` does.
pub(super) fn covers(needed: &AnyRequirement, own: &AnyRequirement) -> bool {
    use AnyRequirement as Any;
    match (needed, own) {
        (Any::TokenPresent(needed), Any::TokenPresent(own)) => is_part(&own.0, &needed.0),
        (Any::PeerSpiffe(needed), Any::PeerSpiffe(own)) => {
            own.0.iter().all(|pattern| is_within(pattern, &needed.0))
        }
        (Any::PeerDns(needed), Any::PeerDns(own)) => own
            .0
            .iter()
            .all(|own| needed.0.iter().any(|needed| needed == own || needed.covers(own))),
        (Any::PeerUris(needed), Any::PeerUris(own)) => is_part(&own.0, &needed.0),
        (Any::PeerEmails(needed), Any::PeerEmails(own)) => is_part(&own.0, &needed.0),
        (Any::PeerSubjects(needed), Any::PeerSubjects(own)) => is_part(&own.0, &needed.0),
        (Any::PeerIps(needed), Any::PeerIps(own)) => is_inside(&own.0, &needed.0),
        (Any::TokenAudiences(needed), Any::TokenAudiences(own)) => is_part(&own.0, &needed.0),
        (Any::TokenSubjects(needed), Any::TokenSubjects(own)) => is_part(&own.0, &needed.0),
        (Any::TokenClients(needed), Any::TokenClients(own)) => is_part(&own.0, &needed.0),
        (Any::TokenScopes(needed), Any::TokenScopes(own)) => needed.0.iter().all(|asked| {
            own.0.iter().any(|own_scope| {
                is_scope_within((own_scope, own.1), (std::slice::from_ref(asked), needed.1))
            })
        }),
        (Any::TokenAnyScope(needed), Any::TokenAnyScope(own)) => {
            own.0.iter().all(|scope| is_scope_within((scope, own.1), (&needed.0, needed.1)))
        }
        (Any::TokenAnyScope(needed), Any::TokenScopes(own)) => {
            own.0.iter().any(|scope| is_scope_within((scope, own.1), (&needed.0, needed.1)))
        }
        (Any::PeerEvidenceLevel(needed), Any::PeerEvidenceLevel(own)) => needed.0 <= own.0,
        (Any::TokenAcr(needed), Any::TokenAcr(own)) => is_part(&own.0, &needed.0),
        (Any::TokenMaxAge(needed), Any::TokenMaxAge(own)) => needed.0 >= own.0,
        (Any::TokenSignals(needed), Any::TokenSignals(own)) => is_part(&own.0, &needed.0),
        (Any::SourceNetworks(needed), Any::SourceNetworks(own)) => is_inside(&own.0, &needed.0),
        (Any::DestinationNetworks(needed), Any::DestinationNetworks(own)) => {
            is_inside(&own.0, &needed.0)
        }
        // The same words hold together.
        (needed, own) => {
            needed.stage() == own.stage() && format!("{needed:?}") == format!("{own:?}")
        }
    }
}

/// True if every token that has `scope` in its form has one of `asked` in theirs.
fn is_scope_within(
    (scope, form): (&str, ScopeForm),
    (asked, others): (&[String], ScopeForm),
) -> bool {
    let mut held = form.all_for(scope).into_iter();
    held.all(|held| asked.iter().any(|asked| others.covers(&held, asked)))
}

fn is_inside(part: &[IpNet], whole: &[IpNet]) -> bool {
    part.iter().all(|own| whole.iter().any(|other| other.contains(own)))
}

fn is_part<T: PartialEq>(part: &[T], whole: &[T]) -> bool {
    part.iter().all(|own| whole.contains(own))
}

/// True if every ID that `pattern` matches is matched by one of `others`. An ID of segments that occur nowhere else is matched by
/// wildcards alone, so that one of each length stands for all.
fn is_within(pattern: &SpiffePattern, others: &[SpiffePattern]) -> bool {
    let mut ids = instances(pattern, others).into_iter();
    ids.all(|id| others.iter().any(|other| other.matches(&id)))
}
