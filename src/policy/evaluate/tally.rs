//! Combining the rules that are about a request: default deny, deny overrides, and the narrowest rule speaks.

use std::sync::Arc;

use super::index::Index;
use super::judge::{FailedCheck, RuleResult, judge};
use super::rule_match::RuleMatch;
use super::strip::Strip;
use super::trace::{EvaluatedCheck, PolicyTrace};
use crate::document::policy::{Effect, Mode};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{
    Decision, DecisionRequest, Denial, Obligations, Permit, ShadowOutcome, Truth,
};
use crate::policy::requirement::context::CheckContext;
use crate::reason::Reason;

/// The results of the rules that are about a request, so far. Of several rules, the narrowest counts.
#[derive(Debug, Default)]
pub(super) struct RuleResults<'r> {
    /// A deny rule that matched.
    denied: Option<RuleMatch<'r>>,
    /// A deny rule that may match or not.
    doubted: Option<(RuleMatch<'r>, FailedCheck<'r>)>,
    /// An allow rule that matched, with what it obliges to.
    allowed: Option<(RuleMatch<'r>, Obligations)>,
    /// The allow rule that came closest, with the check it failed.
    closest: Option<(RuleMatch<'r>, RuleResult<'r>)>,
    pub(super) shadows: Vec<Shadow<'r>>,
}

/// A rule in shadow mode that is about the request.
#[derive(Debug)]
pub(super) struct Shadow<'r> {
    pub(super) fit: RuleMatch<'r>,
    pub(super) result: Truth,
    /// Of an allow rule that holds.
    pub(super) obligations: Option<Obligations>,
}

impl<'r> RuleResults<'r> {
    pub(super) fn add<T: PolicyTrace>(
        &mut self,
        fit: RuleMatch<'r>,
        question: &DecisionRequest<'_>,
        trace: &mut T,
    ) {
        for cx in fit.contexts(question, trace.missing()) {
            self.add_with(fit, &cx, trace);
        }
    }

    /// Judges the rule with one of the tokens of its issuers.
    fn add_with<T: PolicyTrace>(
        &mut self,
        fit: RuleMatch<'r>,
        cx: &CheckContext<'_>,
        trace: &mut T,
    ) {
        let rule = fit.rule;
        let mut verdict = judge(rule, cx, trace);
        match (rule.mode, rule.effect) {
            (Mode::Shadow, effect) => {
                let result = Truth::from(verdict);
                let allows = effect == Effect::Allow && result == Truth::Holds;
                let obligations = allows.then(|| rule.obligations.render(cx).ok()).flatten();
                // As of a rule that counts: a value that must not be sent keeps it from allowing.
                let unsure = allows && obligations.is_none();
                let result = if unsure { Truth::Unknown } else { result };
                self.add_shadow(Shadow { fit, result, obligations });
            }
            (Mode::Enforce, Effect::Deny) => self.add_deny(fit, verdict),
            (Mode::Enforce, Effect::Allow) => {
                verdict = self.add_allow(fit, verdict, cx, trace);
            }
        }
        trace.judged(&fit, verdict.into());
    }

    /// Of one rule with several tokens the best result counts.
    fn add_shadow(&mut self, shadow: Shadow<'r>) {
        match self.shadows.last_mut().filter(|last| std::ptr::eq(last.fit.rule, shadow.fit.rule)) {
            Some(last) if shadow.result.is_better_than(last.result) => *last = shadow,
            Some(_) => {}
            None => self.shadows.push(shadow),
        }
    }

    fn add_deny(&mut self, fit: RuleMatch<'r>, verdict: RuleResult<'r>) {
        match verdict {
            RuleResult::Holds if self.denied.is_none_or(|other| fit.is_narrower_than(&other)) => {
                self.denied = Some(fit);
            }
            RuleResult::Unknown(check)
                if self.doubted.is_none_or(|(other, _)| fit.is_narrower_than(&other)) =>
            {
                self.doubted = Some((fit, check));
            }
            RuleResult::Holds | RuleResult::Unknown(_) | RuleResult::Fails(_) => {}
        }
    }

    /// Gives the verdict, which what is to be injected may have changed.
    fn add_allow<T: PolicyTrace>(
        &mut self,
        fit: RuleMatch<'r>,
        verdict: RuleResult<'r>,
        cx: &CheckContext<'_>,
        trace: &mut T,
    ) -> RuleResult<'r> {
        if !matches!(verdict, RuleResult::Holds) {
            self.add_miss(fit, verdict);
            return verdict;
        }
        let beaten = self.allowed.as_ref().is_some_and(|(other, _)| !fit.is_narrower_than(other));
        if beaten && !T::WANTS_EVERY_CHECK {
            return verdict;
        }
        // A value that must not be sent keeps this rule from allowing, as anything does that cannot be evaluated.
        match fit.rule.obligations.render(cx) {
            Ok(_) if beaten => verdict,
            Ok(obligations) => {
                self.allowed = Some((fit, obligations));
                verdict
            }
            Err(unsendable) => {
                let failed = FailedCheck::of_injection(unsendable);
                trace.check(
                    &EvaluatedCheck { requirement: failed.requirement(), cx },
                    Truth::Unknown,
                );
                let verdict = RuleResult::Unknown(failed);
                self.add_miss(fit, verdict);
                verdict
            }
        }
    }

    fn add_miss(&mut self, fit: RuleMatch<'r>, verdict: RuleResult<'r>) {
        let closer = |(other, others): &(RuleMatch<'r>, RuleResult<'r>)| {
            let stages = verdict.stage().cmp(&others.stage());
            stages.then_with(|| fit.cmp_narrowness(other)).is_gt()
        };
        if self.closest.as_ref().is_none_or(closer) {
            self.closest = Some((fit, verdict));
        }
    }

    pub(super) fn decide(
        mut self,
        index: &Index,
        strip: &Strip,
        question: &DecisionRequest<'_>,
    ) -> Decision {
        let mut shadows = std::mem::take(&mut self.shadows);
        shadows.retain(|shadow| shadow.result != Truth::Fails);
        let would_allow: Vec<_> =
            shadows.iter().map(|shadow| self.would_allow(shadow, strip, question)).collect();
        let decision = self.combine(index, strip, question);
        let allows = matches!(decision, Decision::Allow(_));
        let outcome = |(Shadow { fit, result, .. }, would_allow): (Shadow<'_>, Option<bool>)| {
            let (rule, effect) = (fit.rule.name.clone(), fit.rule.effect);
            let changes = would_allow.is_some_and(|would_allow| would_allow != allows);
            ShadowOutcome { rule, effect, result, changes }
        };
        let shadows = shadows.into_iter().zip(would_allow).map(outcome).collect();
        decision.with_shadows(shadows)
    }

    /// True if the decision would be an allow if the rule counted. Nothing where the other rules decide all the same.
    fn would_allow(
        &self,
        shadow: &Shadow<'_>,
        strip: &Strip,
        question: &DecisionRequest<'_>,
    ) -> Option<bool> {
        let fit = &shadow.fit;
        if fit.rule.effect == Effect::Deny {
            return Some(false);
        }
        let narrower = |(other, _): &(RuleMatch<'_>, _)| other.is_narrower_than(fit);
        let others_decide = self.denied.is_some()
            || self.doubted.is_some()
            || self.allowed.as_ref().is_some_and(narrower);
        let obligations = shadow.obligations.as_ref().filter(|_| !others_decide)?;
        // A value that must not go upstream and cannot be removed keeps it from allowing (P221).
        Some(strip.from(fit.rule, obligations, question.request).is_ok())
    }

    fn combine(self, index: &Index, strip: &Strip, question: &DecisionRequest<'_>) -> Decision {
        let denial = |fit: RuleMatch<'r>, why| {
            let Rule { name, annotations, answer, .. } = fit.rule;
            let denial = Denial::new(why).of(name.clone(), annotations.clone());
            Denial { custom: answer.clone(), ..denial }
        };
        if let Some(fit) = self.denied {
            return Decision::Deny(denial(fit, Reason::RuleDenied.because("a deny rule matches")));
        }
        if let Some((fit, check)) = self.doubted {
            return Decision::Deny(denial(fit, check.undetermined()));
        }
        if let Some((fit, obligations)) = self.allowed {
            return match strip.from(fit.rule, &obligations, question.request) {
                Ok((headers, query)) => {
                    let (rule, notes) = (fit.rule.name.clone(), fit.rule.annotations.clone());
                    let permit = Permit::grant(rule, notes, obligations, headers, query);
                    Decision::Allow(permit.answering(fit.rule.answer.clone()))
                }
                Err(why) => Decision::Deny(denial(fit, why)),
            };
        }
        let Some((fit, verdict)) = self.closest else {
            let why = "no allow rule is about this host, method and path";
            let custom = index.answer_for(question.request);
            let target = question.request.target.as_ref().ok();
            let of_host = target.and_then(|target| index.of_host(&target.host).next());
            let policy = of_host.map(|(_, rule)| Arc::clone(&rule.name.policy));
            let denial = Denial::new(Reason::NoRule.because(why));
            return Decision::Deny(Denial { custom, policy, ..denial });
        };
        let (why, needs) = verdict.explain(&fit.rule.requirements);
        Decision::Deny(Denial { needs, ..denial(fit, why) })
    }
}
