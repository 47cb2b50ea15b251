//! What time has passed by: rules that were to be tried for a while, and rules that count no more.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::document::policy::{EffectSpec, ModeSpec, RuleSpec};
use crate::document::{Diagnostic, Document, Origin, Spec};
use crate::policy::compile::{read_day, read_moment};

/// How long a deny rule may be in shadow mode before somebody should decide.
const LONGEST_SHADOW: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Warns of the rules in `documents` that time has passed by.
pub(in crate::policy) fn overdue(
    documents: &[Document],
    now: UnixTime,
    problems: &mut Vec<Diagnostic>,
) {
    for document in documents {
        let Spec::Policy(spec) = &document.spec else { continue };
        for rule in &spec.rules.value {
            problems.extend(long_in_shadow(&document.origin, rule, now));
            problems.extend(over(&document.origin, rule, now));
        }
    }
}

fn long_in_shadow(origin: &Origin, rule: &RuleSpec, now: UnixTime) -> Option<Diagnostic> {
    let since = rule.since.as_ref()?;
    let overdue = read_day(&since.value)?.plus(LONGEST_SHADOW) < now;
    let denies = rule.effect.value == EffectSpec::Deny && rule.mode == ModeSpec::Shadow;
    (overdue && denies).then(|| {
        let message =
            format!("deny rule `{}` has been in shadow mode for over 30 days", rule.name.value);
        Diagnostic::warning("long-in-shadow", origin.span(since), message)
            .help("enforce it, remove it, or say anew since when it is tried")
    })
}

fn over(origin: &Origin, rule: &RuleSpec, now: UnixTime) -> Option<Diagnostic> {
    let until = rule.during.as_ref()?.value.until.as_ref()?;
    (read_moment(&until.value).ok()? <= now).then(|| {
        let message = format!("the time of rule `{}` is over", rule.name.value);
        Diagnostic::warning("rule-is-over", origin.span(until), message)
            .help("remove the rule, or give it a later `until`")
    })
}
