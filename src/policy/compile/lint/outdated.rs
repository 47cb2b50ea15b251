//! Rules that are out of date: rules that were to be tried for a while, and rules that no longer count.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::document::policy::{Effect, Mode, PolicySpec, RuleSpec};
use crate::document::{Code, Diagnostic, Origin, RelativeDiagnostic};
use crate::policy::model::{read_day, read_moment};

/// How long a deny rule may be in shadow mode before the lint asks for a decision.
const LONGEST_SHADOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The time at which a lint counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Due {
    /// Before this moment.
    Before(UnixTime),
    /// From this moment on.
    From(UnixTime),
}

impl Due {
    pub(in crate::policy) fn is_at(self, now: UnixTime) -> bool {
        match self {
            Self::Before(moment) => now < moment,
            Self::From(moment) => moment <= now,
        }
    }
}

/// The lints about the rules of a policy that count at some time, each with that time.
pub(in crate::policy) fn outdated(
    origin: &Origin,
    policy: &PolicySpec,
) -> Box<[(Due, RelativeDiagnostic)]> {
    let of_rule = |rule| [long_in_shadow(origin, rule), over(origin, rule), to_come(origin, rule)];
    let all = policy.rules.value.iter().flat_map(of_rule).flatten();
    all.map(|(due, lint)| (due, RelativeDiagnostic::new(lint, origin))).collect()
}

fn long_in_shadow(origin: &Origin, rule: &RuleSpec) -> Option<(Due, Diagnostic)> {
    let since = rule.since.as_ref()?;
    let from = read_day(&since.value)?.plus(LONGEST_SHADOW);
    let denies = rule.effect.value == Effect::Deny && rule.mode == Mode::Shadow;
    denies.then(|| {
        let message =
            format!("deny rule `{}` has been in shadow mode for over 30 days", rule.name.value);
        let lint = Diagnostic::warning(Code::LongInShadow, origin.span(since), message);
        (Due::From(from), lint.help("enforce it, remove it, or give `since` a later day"))
    })
}

fn over(origin: &Origin, rule: &RuleSpec) -> Option<(Due, Diagnostic)> {
    let until = rule.during.as_ref()?.value.until.as_ref()?;
    let from = read_moment(&until.value)?;
    let message = format!("the time of rule `{}` is over", rule.name.value);
    let lint = Diagnostic::warning(Code::RuleIsOver, origin.span(until), message);
    Some((Due::From(from), lint.help("remove the rule, or give it a later `until`")))
}

/// A day that is yet to come is a slip of the hand: a rule that was never tried would be taken for one that was.
fn to_come(origin: &Origin, rule: &RuleSpec) -> Option<(Due, Diagnostic)> {
    let since = rule.since.as_ref()?;
    // It is some other day elsewhere.
    let day = read_day(&since.value)?.minus(Duration::from_secs(24 * 60 * 60));
    let message = format!("`since` of rule `{}` is in the future", rule.name.value);
    let lint = Diagnostic::warning(Code::SinceToCome, origin.span(since), message);
    Some((Due::Before(day), lint.help("write the day on which the rule was put in shadow mode")))
}
