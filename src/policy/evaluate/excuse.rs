//! Callers whose refused cookies a rule ignores: `rejectedCookies: ignored` (P141).

use super::index::Index;
use super::rule_match::RuleMatch;
use super::strip::Strip;
use super::tally::{RuleResults, Shadow};
use super::trace::PolicyTrace;
use crate::document::policy::{Effect, Mode};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{Decision, DecisionRequest, Permit, Truth};
use crate::request::Target;

/// The permit of a caller whose refused cookies are all that was refused, by a rule that says that it ignores them and that
/// asks for no token of their issuers. None where nothing allows, or where anything might deny: then they deny as ever.
pub(super) fn excuse<T: PolicyTrace>(
    index: &Index,
    strip: &Strip,
    question: &DecisionRequest<'_>,
    target: &Target,
    trace: &mut T,
) -> Option<Permit> {
    let passes = |rule: &Rule| rule.effect == Effect::Allow && rule.ignores_rejected_cookies;
    if !index.candidates(target).any(|(_, rule)| passes(rule)) {
        return None;
    }
    let subject = question.subject.without_rejected_cookies()?;
    let cookies = question.subject.rejected_cookies();
    // A broken token may be from any of the issuers whose tokens are in the cookie.
    let is_about = |rule: &Rule| {
        let mut own = rule.requirements.issuers().iter();
        own.any(|own| cookies.iter().any(|c| c.issuers.iter().any(|other| **other == **own)))
    };
    let question = DecisionRequest { subject: &subject, ..*question };
    let mut tally = RuleResults::default();
    for (host, rule) in index.candidates(target) {
        let fit = match RuleMatch::new(rule, host, question.request, target) {
            Ok(fit) => fit,
            Err(why) => {
                trace.not_about(&rule.name, why);
                continue;
            }
        };
        match (rule.mode, rule.effect) {
            // The token that it looks at was refused, so whether it denies cannot be determined.
            (Mode::Enforce, Effect::Deny) if is_about(rule) => return None,
            (Mode::Shadow, Effect::Deny) if is_about(rule) => {
                let (result, obligations) = (Truth::Unknown, None);
                tally.shadows.push(Shadow { fit, result, obligations });
            }
            (_, Effect::Allow) if is_about(rule) || !passes(rule) => {}
            (_, _) => tally.add(fit, &question, trace),
        }
    }
    match tally.decide(index, strip, &question) {
        Decision::Allow(permit) => Some(permit.ignoring_rejected_cookies()),
        Decision::Deny(_) => None,
    }
}
