//! What time has passed by: rules that were to be tried for a while, and rules that count no more.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::document::policy::{EffectSpec, ModeSpec, PolicySpec, RuleSpec};
use crate::document::{Diagnostic, Movable, Origin};
use crate::policy::compile::{read_day, read_moment};

/// How long a deny rule may be in shadow mode before somebody should decide.
const LONGEST_SHADOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The doubts that there will be about the rules of a policy, each with the moment from which there is it.
pub(in crate::policy) fn outdated(
    origin: &Origin,
    policy: &PolicySpec,
) -> Box<[(UnixTime, Movable)]> {
    let of_rule = |rule| [long_in_shadow(origin, rule), over(origin, rule)];
    let all = policy.rules.value.iter().flat_map(of_rule).flatten();
    all.map(|(from, doubt)| (from, Movable::new(doubt, origin))).collect()
}

fn long_in_shadow(origin: &Origin, rule: &RuleSpec) -> Option<(UnixTime, Diagnostic)> {
    let since = rule.since.as_ref()?;
    let from = read_day(&since.value)?.plus(LONGEST_SHADOW);
    let denies = rule.effect.value == EffectSpec::Deny && rule.mode == ModeSpec::Shadow;
    denies.then(|| {
        let message =
            format!("deny rule `{}` has been in shadow mode for over 30 days", rule.name.value);
        let doubt = Diagnostic::warning("long-in-shadow", origin.span(since), message);
        (from, doubt.help("enforce it, remove it, or say anew since when it is tried"))
    })
}

fn over(origin: &Origin, rule: &RuleSpec) -> Option<(UnixTime, Diagnostic)> {
    let until = rule.during.as_ref()?.value.until.as_ref()?;
    let from = read_moment(&until.value).ok()?;
    let message = format!("the time of rule `{}` is over", rule.name.value);
    let doubt = Diagnostic::warning("rule-is-over", origin.span(until), message);
    Some((from, doubt.help("remove the rule, or give it a later `until`")))
}
