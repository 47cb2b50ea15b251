//! Checking the requirements of one rule, one after the other.

use super::trace::{EvaluatedCheck, PolicyTrace};
use crate::policy::compile::compiled_rule::Rule;
use crate::policy::model::{Needs, Truth};
use crate::policy::requirement::context::CheckContext;
use crate::policy::requirement::injection::Unsendable;
use crate::policy::requirement::list::{AnyRequirement, CheckStage, Requirements};
use crate::policy::requirement::missing::MissingData;
use crate::policy::requirement::requirement::Requirement;
use crate::policy::requirement::template::Unsafe;
use crate::reason::{Reason, Rejection};

/// The result of checking a rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum RuleResult<'r> {
    /// Every requirement holds.
    Holds,
    /// This requirement does not hold.
    Fails(FailedCheck<'r>),
    /// This requirement is unknown, and no other one settles the rule.
    Unknown(FailedCheck<'r>),
}

/// A requirement that does not hold, or may not.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedCheck<'r> {
    stage: CheckStage,
    requirement: &'r dyn Requirement,
    /// Why a value must not be sent.
    unsafe_value: Option<Unsafe<'r>>,
}

/// Checks every requirement of `rule`, until one settles the verdict and `trace` does not want the others.
///
/// A requirement that depends on unrecorded data is unknown. Unknown never allows, so a record explains less and never more.
pub(super) fn judge<'r, T: PolicyTrace>(
    rule: &'r Rule,
    cx: &CheckContext<'_>,
    trace: &mut T,
) -> RuleResult<'r> {
    let mut verdict = RuleResult::Holds;
    for own in rule.requirements.iter() {
        let truth = match own.holds(cx) {
            // The requirement before it has said that there is nothing to look at.
            None if verdict.is_settled() => continue,
            None => Truth::Unknown,
            Some(_) if !is_recorded(own, cx.missing) => Truth::Unknown,
            Some(truth) => truth,
        };
        trace.check(&EvaluatedCheck { requirement: own.as_requirement(), cx }, truth);
        verdict = verdict.and(own, truth);
        if verdict.is_settled() && !T::WANTS_EVERY_CHECK {
            break;
        }
    }
    verdict
}

fn is_recorded(own: &AnyRequirement, missing: MissingData) -> bool {
    missing == MissingData::NONE || own.as_requirement().is_recorded(missing)
}

impl<'r> FailedCheck<'r> {
    pub(super) fn of_injection((own, why): Unsendable<'r>) -> Self {
        Self { stage: CheckStage::Injection, requirement: own, unsafe_value: Some(why) }
    }

    pub(super) fn undetermined(self) -> Rejection {
        let failure = self.requirement.failure();
        match self.unsafe_value {
            Some(why) => failure.undetermined_since(&why.explain()),
            None => failure.undetermined(),
        }
    }

    pub(super) const fn requirement(self) -> &'r dyn Requirement {
        self.requirement
    }
}

impl<'r> RuleResult<'r> {
    /// This verdict and the result of one more check. False settles the rule; the first false one is kept.
    fn and(self, own: &'r AnyRequirement, truth: Truth) -> Self {
        let failed = || FailedCheck {
            stage: own.stage(),
            requirement: own.as_requirement(),
            unsafe_value: None,
        };
        match (self, truth) {
            (Self::Fails(_), _) | (_, Truth::Holds) => self,
            (_, Truth::Fails) => Self::Fails(failed()),
            (Self::Unknown(_), Truth::Unknown) => self,
            (Self::Holds, Truth::Unknown) => Self::Unknown(failed()),
        }
    }

    /// How far the rule got: none for one that holds.
    pub(super) const fn stage(self) -> Option<CheckStage> {
        match self {
            Self::Holds => None,
            Self::Fails(failed) | Self::Unknown(failed) => Some(failed.stage),
        }
    }

    /// Why an allow rule with these requirements does not allow, and what a challenge names.
    pub(super) fn explain(self, requirements: &Requirements) -> (Rejection, Needs) {
        match self {
            Self::Holds => (Reason::NoRule.because("the rule holds"), Needs::default()),
            Self::Fails(failed) => {
                let failure = failed.requirement.failure();
                let needs = requirements.needs(&failure);
                (failure.failed(), needs)
            }
            Self::Unknown(failed) => (failed.undetermined(), Needs::default()),
        }
    }

    /// True if no further check can change it.
    const fn is_settled(self) -> bool {
        matches!(self, Self::Fails(_))
    }
}

impl From<RuleResult<'_>> for Truth {
    fn from(verdict: RuleResult<'_>) -> Self {
        match verdict {
            RuleResult::Holds => Self::Holds,
            RuleResult::Fails(_) => Self::Fails,
            RuleResult::Unknown(_) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::requirement::peer::PeerPresent;
    use crate::policy::requirement::server_name::ServerNameIsHost;

    /// P74: unknown and then false is false; unknown and then true stays unknown.
    #[test]
    fn the_first_false_check_settles_a_rule() {
        use Truth::{Fails, Holds, Unknown};
        let (a, b) = (AnyRequirement::from(ServerNameIsHost), AnyRequirement::from(PeerPresent));
        for (truths, expected, stage) in [
            ([Holds, Holds], Holds, None),
            ([Unknown, Holds], Unknown, Some(a.stage())),
            ([Unknown, Unknown], Unknown, Some(a.stage())),
            ([Unknown, Fails], Fails, Some(b.stage())),
            ([Fails, Fails], Fails, Some(a.stage())),
        ] {
            let verdict = RuleResult::Holds.and(&a, truths[0]).and(&b, truths[1]);
            assert_eq!((Truth::from(verdict), verdict.stage()), (expected, stage), "{truths:?}");
        }
    }
}
