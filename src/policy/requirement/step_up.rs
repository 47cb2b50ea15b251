//! `token.acr` and `token.maxAge`: how, and how recently, the user behind a token authenticated (RFC 9470).

use std::time::Duration;

use serde_json::Value;

use super::context::CheckContext;
use super::missing::{MissingData, RecordField};
use super::requirement::{Explanation, Requirement, RequirementFailure, one_of};
use super::rule_key::{FittingRules, Reordered, RuleKey, is_part};
use super::token::claim;
use crate::clock::UnixTime;
use crate::policy::model::{Needs, Truth};
use crate::reason::Reason;

/// The `acr` of the token is one of these.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct TokenAcr(pub(in crate::policy) Box<[String]>);

/// The user authenticated at most this long ago (`auth_time`).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct TokenMaxAge(pub(in crate::policy) Duration);

/// How far the clock of an issuer may be ahead of ours. An `auth_time` further ahead says nothing.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

impl Requirement for TokenAcr {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(self.fits(cx.token?.claim("/acr")))
    }

    fn failure(&self) -> RequirementFailure {
        let acr = one_of(&self.0);
        let holds = format!("the user authenticated with `acr` {acr}");
        let fails = format!("the user did not authenticate with `acr` {acr}");
        let needs = Needs { acr: self.0.to_vec(), ..Needs::default() };
        RequirementFailure::new(Reason::AcrInsufficient, holds, fails).needing(needs)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the user must authenticate with `acr` {}", one_of(&self.0));
        Explanation::new(Self::PATH, self.0.to_vec(), claim(cx, "/acr"), suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::TokenClaims)
    }
}

impl RuleKey for TokenAcr {
    const PATH: &'static str = "token.acr";
    const RULES: FittingRules = FittingRules::Allow;
    const REORDERED: Reordered = Reordered::Challenge;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(is_part(&other.0, &self.0))
    }
}

impl TokenAcr {
    /// An absent `acr` does not fit; one that is not a text may fit or not.
    fn fits(&self, acr: Option<&Value>) -> Truth {
        match acr {
            None => Truth::Fails,
            Some(Value::String(acr)) => self.0.contains(acr).into(),
            Some(_) => Truth::Unknown,
        }
    }
}

impl Requirement for TokenMaxAge {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(is_recent(cx.token?.claim("/auth_time"), self.0, cx.now))
    }

    fn failure(&self) -> RequirementFailure {
        let holds = "the user's authentication is recent enough";
        let needs = Needs { max_age: Some(self.0), ..Needs::default() };
        RequirementFailure::new(Reason::AuthTooOld, holds, "the user's authentication is too old")
            .needing(needs)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let age = format!("{} s", self.0.as_secs());
        let suggestion = format!("the user must have authenticated within the last {age}");
        Explanation::new(Self::PATH, vec![age], claim(cx, "/auth_time"), suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::TokenClaims) && !missing.covers(RecordField::Time)
    }
}

impl RuleKey for TokenMaxAge {
    const PATH: &'static str = "token.maxAge";
    const RULES: FittingRules = FittingRules::Allow;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(self.0 >= other.0)
    }
}

/// RFC 9470 section 4: a token that does not say when is one that must be stepped up.
fn is_recent(auth_time: Option<&Value>, max_age: Duration, now: UnixTime) -> Truth {
    let Some(auth_time) = auth_time else { return Truth::Fails };
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
    use Truth::{Fails, Holds, Unknown};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// P74: the user can fix an absent time, so it is false; one in the future, and what is no time, is unknown.
    #[test]
    fn an_authentication_is_recent_old_or_unknown() {
        let max_age = Duration::from_secs(300);
        for (auth_time, expected) in [
            (Some(json!(1_800_000_000)), Holds),
            (Some(json!(1_799_999_700)), Holds),
            (Some(json!(1_799_999_699)), Fails),
            (Some(json!(0)), Fails),
            (None, Fails),
            (Some(json!(1_800_000_060)), Holds),
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
        let acr = TokenAcr(["gold".into(), "phr".into()].into());
        for (claim, expected) in [
            (Some(json!("gold")), Holds),
            (Some(json!("phr")), Holds),
            (Some(json!("Gold")), Fails),
            (Some(json!("gold phr")), Fails),
            (Some(json!("")), Fails),
            (None, Fails),
            (Some(json!(["gold"])), Unknown),
            (Some(json!(2)), Unknown),
            (Some(json!(null)), Unknown),
        ] {
            assert_eq!(acr.fits(claim.as_ref()), expected, "{claim:?}");
        }
    }
}
