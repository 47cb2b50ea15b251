//! Deciding: default deny, deny overrides, and the order of files and rules never matters.

mod excuse;
pub(in crate::policy) mod index;
pub(in crate::policy) mod policy_set;
pub(in crate::policy) mod strip;
pub(in crate::policy) mod trace;

use crate::policy::DecisionRequest;
use crate::policy::asked::Asked;
use crate::policy::check::{Check, Verdict};
use crate::policy::compile::compiled_rule::{Effect, Fit, Mode, Rule};
use crate::policy::duties::Obligations;
use crate::policy::evaluate::index::Index;
use crate::policy::evaluate::strip::Strip;
use crate::policy::evaluate::trace::{About, Trace};
use crate::policy::model::decision::{Decision, Denial, Permit, ShadowOutcome};
use crate::policy::model::truth::Truth;
use crate::reason::{Reason, Rejection};
use crate::request::Target;

/// What the rules that are about a request came to, so far. Of several rules, the narrowest speaks.
#[derive(Debug, Default)]
struct Tally<'r> {
    /// A deny rule that matched.
    denied: Option<Fit<'r>>,
    /// A deny rule of which nobody can tell.
    doubted: Option<(Fit<'r>, Check<'r>)>,
    /// An allow rule that matched, with what it obliges to.
    allowed: Option<(Fit<'r>, Obligations)>,
    /// The allow rule that came closest, with the check it failed.
    closest: Option<(Fit<'r>, Verdict<'r>)>,
    shadows: Vec<(Fit<'r>, Truth)>,
}

/// Decides `question` by the rules in `index`; `strip` is everything that any rule can set.
pub(in crate::policy) fn evaluate<T: Trace>(
    index: &Index,
    strip: &Strip,
    question: &DecisionRequest<'_>,
    trace: &mut T,
) -> Decision {
    let target = match admissible(index, question) {
        Ok(target) => target,
        Err(rejection) => {
            let custom = index.answer_for(question.request);
            return Decision::Deny(Denial::new(rejection).told_as(custom));
        }
    };
    if let Some(rejection) = question.subject.tokens().rejection() {
        let excused = excuse::excuse(index, strip, question, target, trace);
        return excused.map_or_else(|| refused(index, question, rejection), Decision::Allow);
    }
    if index.is_empty() {
        return Decision::Deny(Denial::new(
            Reason::PolicyUnavailable.because("no policy is loaded"),
        ));
    }
    let mut tally = Tally::default();
    for (host, rule) in index.candidates(target) {
        match rule.fit(host, question.request, target) {
            Ok(fit) => tally.add(fit, question, trace),
            Err(why) => trace.not_about(&rule.name, why),
        }
    }
    tally.decide(index, strip, question)
}

/// What denies before any rule is looked at: a request that cannot be compared, and a certificate that was refused, also
/// where no rule needs one.
fn admissible<'a>(index: &Index, question: &DecisionRequest<'a>) -> Result<&'a Target, Rejection> {
    let target = question.request.target.as_ref().map_err(Clone::clone)?;
    refuse_other_forms(index, target)?;
    refuse_more_readings(index, target)?;
    match question.subject.peer().rejection() {
        Some(rejection) => Err(rejection.clone()),
        None => Ok(target),
    }
}

/// A token that was refused denies, also where no rule needs one.
fn refused(index: &Index, question: &DecisionRequest<'_>, why: &Rejection) -> Decision {
    let cookies = question.subject.rejected_cookies().iter().map(|cookie| cookie.name.clone());
    let custom = index.answer_for(question.request);
    Decision::Deny(Denial::new(why.clone()).told_as(custom).of_cookies(cookies.collect()))
}

/// The host decided about is the host that the proxy routes: an authority with a port or a trailing dot is denied, unless an
/// allow rule for the host asks for it in that form.
fn refuse_other_forms(index: &Index, target: &Target) -> Result<(), Rejection> {
    let Some(refusal) = target.form.refusal() else { return Ok(()) };
    let asks = |rule: &Rule| rule.effect == Effect::Allow && rule.is_about_form(target);
    match index.of_host(&target.host).any(|(_, rule)| asks(rule)) {
        true => Ok(()),
        false => Err(refusal),
    }
}

/// Invariant 5: a path that has more than one reading is denied, unless an allow rule for it says how the upstream reads it.
fn refuse_more_readings(index: &Index, target: &Target) -> Result<(), Rejection> {
    let leniency = target.path.leniency();
    let accepts =
        |rule: &Rule| rule.effect == Effect::Allow && rule.target.leniency.covers(leniency);
    let some_rule_accepts = || {
        index.leniency().covers(leniency) && index.candidates(target).any(|(_, rule)| accepts(rule))
    };
    match leniency.refusal() {
        Some(refusal) if !some_rule_accepts() => Err(refusal),
        Some(_) | None => Ok(()),
    }
}

// === impl Tally ===

impl<'r> Tally<'r> {
    fn add<T: Trace>(&mut self, fit: Fit<'r>, question: &DecisionRequest<'_>, trace: &mut T) {
        let rule = fit.rule;
        let mut verdict = fit.judge(question, trace);
        match (rule.mode, rule.effect) {
            (Mode::Shadow, _) => self.shadows.push((fit, verdict.into())),
            (Mode::Enforce, Effect::Deny) => self.add_deny(fit, verdict),
            (Mode::Enforce, Effect::Allow) => {
                verdict = self.add_allow(fit, verdict, question, trace);
            }
        }
        trace.judged(&About(fit), verdict.into());
    }

    fn add_deny(&mut self, fit: Fit<'r>, verdict: Verdict<'r>) {
        match verdict {
            Verdict::Satisfied if self.denied.is_none_or(|other| narrower(&fit, &other)) => {
                self.denied = Some(fit);
            }
            Verdict::Indeterminate(check)
                if self.doubted.is_none_or(|(other, _)| narrower(&fit, &other)) =>
            {
                self.doubted = Some((fit, check));
            }
            Verdict::Satisfied | Verdict::Indeterminate(_) | Verdict::NotSatisfied(_) => {}
        }
    }

    /// Gives the verdict, which what is to be injected may have changed.
    fn add_allow<T: Trace>(
        &mut self,
        fit: Fit<'r>,
        verdict: Verdict<'r>,
        question: &DecisionRequest<'_>,
        trace: &mut T,
    ) -> Verdict<'r> {
        if verdict != Verdict::Satisfied {
            self.add_miss(fit, verdict);
            return verdict;
        }
        let beaten = self.allowed.as_ref().is_some_and(|(other, _)| narrower(other, &fit));
        if beaten && !T::WANTS_EVERY_CHECK {
            return verdict;
        }
        // A value that must not be sent keeps this rule from allowing, as anything does that cannot be evaluated.
        match fit.render(question, trace.gaps()) {
            Ok(_) if beaten => verdict,
            Ok(headers) => {
                self.allowed = Some((fit, headers));
                verdict
            }
            Err(check) => {
                trace.check(&Asked::new(fit, question, check, trace.gaps()), Truth::Unknown);
                self.add_miss(fit, Verdict::Indeterminate(check));
                Verdict::Indeterminate(check)
            }
        }
    }

    fn add_miss(&mut self, fit: Fit<'r>, verdict: Verdict<'r>) {
        let closer = |(other, others): &(Fit<'r>, Verdict<'r>)| {
            let stages = verdict.stage().cmp(&others.stage());
            stages.then_with(|| fit.cmp_narrowness(other)).is_gt()
        };
        if self.closest.as_ref().is_none_or(closer) {
            self.closest = Some((fit, verdict));
        }
    }

    fn decide(mut self, index: &Index, strip: &Strip, question: &DecisionRequest<'_>) -> Decision {
        let shadows = std::mem::take(&mut self.shadows);
        // Only a denial for want of an allow rule would be changed by one more allow rule.
        let wants_a_rule = self.denied.is_none() && self.doubted.is_none();
        let decision = self.combine(index, strip, question);
        let shadows = shadows
            .into_iter()
            .filter(|(_, satisfied)| *satisfied != Truth::False)
            .map(|(fit, satisfied)| ShadowOutcome {
                rule: fit.rule.name.clone(),
                effect: fit.rule.effect,
                satisfied,
                changes: match (&decision, fit.rule.effect) {
                    (Decision::Allow(_), effect) => effect == Effect::Deny,
                    (Decision::Deny(_), Effect::Allow) => wants_a_rule && satisfied == Truth::True,
                    (Decision::Deny(_), Effect::Deny) => false,
                },
            })
            .collect();
        decision.with_shadows(shadows)
    }

    fn combine(self, index: &Index, strip: &Strip, question: &DecisionRequest<'_>) -> Decision {
        let denial = |fit: Fit<'r>, why| {
            let Rule { name, annotations, answer, .. } = fit.rule;
            Denial::new(why).of(name.clone(), annotations.clone()).told_as(answer.clone())
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
                    Decision::Allow(Permit::grant(rule, notes, obligations, headers, query))
                }
                Err(why) => Decision::Deny(denial(fit, why)),
            };
        }
        let Some((fit, verdict)) = self.closest else {
            let why = "no allow rule is about this host, method and path";
            let custom = index.answer_for(question.request);
            return Decision::Deny(Denial::new(Reason::NoRule.because(why)).told_as(custom));
        };
        let (why, needs) = verdict.explain();
        Decision::Deny(denial(fit, why).needing(needs))
    }
}

fn narrower(a: &Fit<'_>, b: &Fit<'_>) -> bool {
    a.cmp_narrowness(b).is_gt()
}
