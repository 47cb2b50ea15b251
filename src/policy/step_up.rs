//! How, and how lately, the user behind a token must have authenticated (RFC 9470).

use std::time::Duration;

use serde_json::Value;

use crate::authn::TokenIdentity;
use crate::clock::UnixTime;
use crate::policy::check::Check;
use crate::policy::evaluate::trace::Trace;
use crate::policy::judge::Judge;
use crate::policy::model::decision::Needs;
use crate::policy::model::truth::Truth;

/// What a rule asks of the user's authentication. Whoever does not meet it can: by authenticating again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepUp {
    /// The values of `acr` of which the token must have one; empty where any will do.
    pub(in crate::policy) acr: Box<[String]>,
    /// How long ago the user may have authenticated (`auth_time`).
    pub(in crate::policy) max_age: Option<Duration>,
}

/// How far ahead of ours the clock of an issuer may be. An `auth_time` further ahead is none.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

// === impl StepUp ===

impl StepUp {
    pub(in crate::policy) fn judge<'r, T: Trace>(
        &'r self,
        token: &TokenIdentity,
        now: UnixTime,
        judge: &mut Judge<'r, '_, T>,
    ) {
        if !self.acr.is_empty() {
            judge.check(Check::TokenAcr(self), || self.acr_fits(token.claim("/acr")));
        }
        if let Some(max_age) = self.max_age {
            judge.check(Check::TokenAge(self), || {
                is_recent(token.claim("/auth_time"), max_age, now)
            });
        }
    }

    /// An `acr` that is not there is one that does not fit; one that is no text cannot be told.
    fn acr_fits(&self, acr: Option<&Value>) -> Truth {
        match acr {
            None => Truth::False,
            Some(Value::String(acr)) => self.acr.contains(acr).into(),
            Some(_) => Truth::Unknown,
        }
    }

    /// What a challenge asks for: all of it, so that one step is enough.
    pub(in crate::policy) fn needs(&self) -> Needs {
        Needs { acr: self.acr.to_vec(), max_age: self.max_age, ..Needs::default() }
    }

    /// The values of `acr`, for people.
    pub(in crate::policy) fn acr_values(&self) -> String {
        self.acr.join(" ")
    }
}

/// RFC 9470 section 4: a token that does not say when is one that has to be stepped up.
fn is_recent(auth_time: Option<&Value>, max_age: Duration, now: UnixTime) -> Truth {
    let Some(auth_time) = auth_time else { return Truth::False };
    let Some(at) = auth_time.as_i64().filter(|at| *at >= 0).map(UnixTime::from_secs) else {
        return Truth::Unknown;
    };
    if at > now.plus(CLOCK_SKEW) {
        return Truth::Unknown;
    }
    (now.since(at) <= max_age).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use Truth::{False, True, Unknown};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// P74: absent can be mended by the user and is false; what is no time, or one to come, cannot be told.
    #[test]
    fn an_authentication_is_recent_old_or_unknown() {
        let max_age = Duration::from_secs(300);
        for (auth_time, expected) in [
            (Some(json!(1_800_000_000)), True),
            (Some(json!(1_799_999_700)), True),
            (Some(json!(1_799_999_699)), False),
            (Some(json!(0)), False),
            (None, False),
            (Some(json!(1_800_000_060)), True),
            (Some(json!(1_800_000_061)), Unknown),
            (Some(json!(4_000_000_000_000_i64)), Unknown),
            (Some(json!(-1)), Unknown),
            (Some(json!("1800000000")), Unknown),
            (Some(json!(1.8e9)), Unknown),
            (Some(json!(null)), Unknown),
        ] {
            assert_eq!(is_recent(auth_time.as_ref(), max_age, NOW), expected, "{auth_time:?}");
        }
    }

    #[test]
    fn an_acr_is_compared_whole() {
        let step_up = StepUp { acr: ["gold".into(), "phr".into()].into(), max_age: None };
        for (acr, expected) in [
            (Some(json!("gold")), True),
            (Some(json!("phr")), True),
            (Some(json!("Gold")), False),
            (Some(json!("gold phr")), False),
            (Some(json!("")), False),
            (None, False),
            (Some(json!(["gold"])), Unknown),
            (Some(json!(2)), Unknown),
            (Some(json!(null)), Unknown),
        ] {
            assert_eq!(step_up.acr_fits(acr.as_ref()), expected, "{acr:?}");
        }
    }
}
