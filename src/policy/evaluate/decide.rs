//! Deciding: default deny, deny overrides, and the order of files and rules never matters.

use super::excuse::excuse;
use super::index::Index;
use super::rule_match::{RuleMatch, fits_form};
use super::strip::Strip;
use super::tally::RuleResults;
use super::trace::PolicyTrace;
use crate::document::policy::Effect;
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{Decision, DecisionRequest, Denial};
use crate::policy::requirement::condition::begin_request;
use crate::reason::{Reason, Rejection};
use crate::request::Target;

/// Decides `question` by the rules in `index`; `strip` is everything that any rule can set.
pub(super) fn evaluate<T: PolicyTrace>(
    index: &Index,
    strip: &Strip,
    question: &DecisionRequest<'_>,
    trace: &mut T,
) -> Decision {
    begin_request();
    let target = match admissible(index, question) {
        Ok(target) => target,
        // It is at no policy's hosts and paths, so it gets no policy's answer.
        Err(rejection) => return Decision::Deny(Denial::new(rejection)),
    };
    // A certificate that was refused denies, also if no rule needs one.
    if let Some(rejection) = question.subject.peer().rejection() {
        let custom = index.answer_for(question.request);
        return Decision::Deny(Denial { custom, ..Denial::new(rejection.clone()) });
    }
    if let Some(rejection) = question.subject.tokens().rejection() {
        let excused = excuse(index, strip, question, target, trace);
        return excused.map_or_else(|| refused(index, question, rejection), Decision::Allow);
    }
    if index.is_empty() {
        return Decision::Deny(Denial::new(
            Reason::PolicyUnavailable.because("no policy is loaded"),
        ));
    }
    let mut tally = RuleResults::default();
    for (host, rule) in index.candidates(target) {
        match RuleMatch::new(rule, host, question.request, target) {
            Ok(fit) => tally.add(fit, question, trace),
            Err(why) => trace.not_about(&rule.name, why),
        }
    }
    tally.decide(index, strip, question)
}

/// The target of a request that can be compared with rules.
fn admissible<'a>(index: &Index, question: &DecisionRequest<'a>) -> Result<&'a Target, Rejection> {
    let target = question.request.target.as_ref().map_err(Clone::clone)?;
    refuse_other_forms(index, target)?;
    refuse_more_readings(index, target)?;
    Ok(target)
}

/// A token that was refused denies, also where no rule needs one.
fn refused(index: &Index, question: &DecisionRequest<'_>, why: &Rejection) -> Decision {
    let cookies = question.subject.rejected_cookies().iter().map(|cookie| cookie.name.clone());
    let custom = index.answer_for(question.request);
    Decision::Deny(Denial { custom, cookies: cookies.collect(), ..Denial::new(why.clone()) })
}

/// The host decided about is the host that the proxy routes: an authority with a port or a trailing dot is denied, unless an
/// allow rule for the host asks for it in that form.
fn refuse_other_forms(index: &Index, target: &Target) -> Result<(), Rejection> {
    let Some(refusal) = target.form.refusal() else { return Ok(()) };
    let asks = |rule: &Rule| rule.effect == Effect::Allow && fits_form(rule, target);
    match index.of_host(&target.host).any(|(_, rule)| asks(rule)) {
        true => Ok(()),
        false => Err(refusal),
    }
}

/// Invariant 5: a path that has more than one reading is denied, unless the target of an allow rule for the host says how the
/// upstream reads it. The rule's own paths do not matter, so that the reason does not depend on how rules are found.
fn refuse_more_readings(index: &Index, target: &Target) -> Result<(), Rejection> {
    let leniency = target.path.leniency();
    let accepts = |rule: &Rule| {
        let reads = rule.effect == Effect::Allow && rule.target.leniency.covers(leniency);
        reads && fits_form(rule, target)
    };
    let some_rule_accepts = || {
        index.leniency().covers(leniency)
            && index.of_host(&target.host).any(|(_, rule)| accepts(rule))
    };
    match leniency.refusal() {
        Some(refusal) if !some_rule_accepts() => Err(refusal),
        Some(_) | None => Ok(()),
    }
}
