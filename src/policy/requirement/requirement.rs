//! The trait of requirements: whether one holds, which denial follows where it does not, and how `explain` shows it.

use std::fmt;

use super::context::CheckContext;
use super::missing::{MissingData, RecordField};
use super::observation::{Observation, ObservedValue, Operand};
use crate::policy::model::{Needs, Truth};
use crate::reason::{Reason, Rejection};

/// Something that a rule requires, with the data from its document.
pub(in crate::policy) trait Requirement: fmt::Debug {
    /// Its result. None if the thing it is about is not there, which an earlier requirement of the rule has said.
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth>;

    /// The denial that follows if it does not hold.
    fn failure(&self) -> RequirementFailure;

    /// Its name, the values that it wants, the values that are there, and the change that would make it hold. Only for people:
    /// serving does not call it.
    fn explain(&self, cx: &CheckContext<'_>) -> Explanation;

    /// True if a record that lacks `missing` holds what it looks at.
    fn is_recorded(&self, _missing: MissingData) -> bool {
        true
    }

    /// The first part of `missing` that its result may depend on.
    fn lacks(&self, missing: MissingData) -> Option<RecordField> {
        missing.all().find(|field| !self.is_recorded(MissingData::NONE.and(*field)))
    }
}

/// The denial that follows if a requirement does not hold, or if that cannot be determined.
#[derive(Clone, Debug)]
pub(in crate::policy) struct RequirementFailure {
    reason: Reason,
    holds: String,
    fails: String,
    /// Why it cannot be determined, if there is one cause that settings can fix.
    unknown_because: &'static str,
    /// The credentials that a challenge names. They come from the policy, never from the token.
    pub(in crate::policy) needs: Needs,
}

/// A requirement beside a request, for people.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Explanation {
    /// The thing that is looked at, such as `token.scopes`.
    pub(in crate::policy) name: String,
    /// The values that the rule wants there, as its document says them.
    pub(in crate::policy) wanted: Vec<String>,
    pub(in crate::policy) observed: Vec<Observation>,
    /// The parts of a condition.
    pub(in crate::policy) operands: Vec<Operand>,
    /// The change that would make it hold. Values of callers are not in it.
    pub(in crate::policy) suggestion: String,
}

impl RequirementFailure {
    /// Of a requirement which says in a sentence that it `holds` and that it `fails`.
    pub(in crate::policy) fn new(
        reason: Reason,
        holds: impl Into<String>,
        fails: impl Into<String>,
    ) -> Self {
        let (holds, fails) = (holds.into(), fails.into());
        Self { reason, holds, fails, unknown_because: "", needs: Needs::default() }
    }

    /// Of a requirement that `what` matches.
    pub(in crate::policy) fn to_match(reason: Reason, what: &str) -> Self {
        Self::new(reason, format!("{what} matches"), format!("{what} does not match"))
    }

    pub(in crate::policy) fn unknown_because(self, unknown_because: &'static str) -> Self {
        Self { unknown_because, ..self }
    }

    pub(in crate::policy) fn needing(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }

    /// The denial for a requirement of the closest allow rule that does not hold.
    pub(in crate::policy) fn failed(self) -> Rejection {
        self.reason.because(self.fails)
    }

    /// The denial for a requirement that may hold or not.
    pub(in crate::policy) fn undetermined(&self) -> Rejection {
        let Self { holds, unknown_because, .. } = self;
        Reason::EvalError.because(format!("cannot determine whether {holds}{unknown_because}"))
    }

    /// The same, with the cause that evaluation found.
    pub(in crate::policy) fn undetermined_since(&self, why: &str) -> Rejection {
        Reason::EvalError.because(format!("cannot determine whether {}: {why}", self.holds))
    }

    /// The sentence for a record that does not hold the data that the requirement looks at.
    pub(in crate::policy) fn unrecorded(&self) -> String {
        format!("the record does not say whether {}", self.holds)
    }
}

impl Explanation {
    /// Of a requirement that looks at the value called `name`.
    pub(in crate::policy) fn new(
        name: impl Into<String>,
        wanted: Vec<String>,
        found: ObservedValue,
        suggestion: String,
    ) -> Self {
        let name = name.into();
        let observed = vec![Observation::new(name.clone(), found)];
        Self { name, wanted, observed, operands: Vec::new(), suggestion }
    }

    /// The same, with one more value that it looks at.
    pub(in crate::policy) fn and(mut self, name: impl Into<String>, found: ObservedValue) -> Self {
        self.observed.push(Observation::new(name, found));
        self
    }

    /// The same, with the value that is there instead, if it may be shown.
    pub(in crate::policy) fn but_is(mut self) -> Self {
        if let Some(ObservedValue::Open(value)) = self.observed.first().map(|own| &own.value) {
            self.suggestion = format!("{}, and it is `{value}`", self.suggestion);
        }
        self
    }
}

/// The entries of a list, as its document says them.
pub(in crate::policy) fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// `` `a` or `b` ``
pub(in crate::policy) fn one_of<T: fmt::Display>(values: &[T]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ")
}
