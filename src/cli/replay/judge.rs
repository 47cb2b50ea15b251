//! One record: decided again, and compared.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::side::{Lack, ReplayedSet, SideDecision};
use crate::audit::{DecisionRecord, RecordedClaims};
use crate::cli::CommandError;
use crate::cli::records::{RecordedRequest, cut_field, is_path_hidden, peer, rule};
use crate::config::Config;
use crate::policy::{Decision, Effect};
use crate::reason::{ClientAnswer, Reason};
use crate::request::RequestView;

/// The sets that records are put to.
pub(super) struct Replay {
    pub(super) candidate: ReplayedSet,
    /// The set to compare with; none for the recorded decisions.
    pub(super) baseline: Option<ReplayedSet>,
    /// The claims that the settings put into records.
    claims: Option<RecordedClaims>,
}

/// How a decision changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum ChangeKind {
    NewlyDenied,
    NewlyAllowed,
    OtherReason,
    /// It is allowed as before, and the upstream or the caller gets something else.
    OtherHeaders,
}

/// Decisions that change alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub(super) struct ChangeGroup {
    pub(super) change: ChangeKind,
    /// The rule that decides; empty where none does, or where it may be another.
    pub(super) rule: String,
    /// The reason of a denial; empty for an allow, and where it may be another.
    pub(super) reason: String,
    pub(super) was_rule: String,
    pub(super) was_reason: String,
    pub(super) peer: String,
    /// Method, host and path template of the rule.
    pub(super) route: String,
}

/// The outcome of one record.
#[derive(Debug)]
pub(super) enum Comparison {
    Same {
        /// True if the reason, or what is injected, cannot be determined.
        unsure: bool,
    },
    Changed(Box<ChangeGroup>),
    CannotTell(Lack),
    /// Rules had no part in it: its reason.
    Outside(Reason),
}

/// The decision before: recorded, or of the baseline.
struct Before {
    effect: Effect,
    reason: Option<Reason>,
    rule: String,
}

impl Replay {
    pub(super) fn load(
        documents: &[PathBuf],
        baseline: &[PathBuf],
        config: Option<&Config>,
    ) -> Result<Self, CommandError> {
        let claims = config.and_then(|config| config.audit.as_ref());
        let some = !baseline.is_empty();
        Ok(Self {
            candidate: ReplayedSet::load(documents)?,
            baseline: some.then(|| ReplayedSet::load(baseline)).transpose()?,
            claims: claims.map(|audit| audit.claims.clone()),
        })
    }

    /// Decides the request in `record` again.
    pub(super) fn judge(&self, record: &DecisionRecord) -> Comparison {
        if let Some(reason) = outside(record) {
            return Comparison::Outside(reason);
        }
        // The same documents decide the same, whatever the record lacks.
        if is_of(&self.candidate, record)
            && self.baseline.as_ref().is_none_or(|baseline| is_of(baseline, record))
        {
            return Comparison::Same { unsure: false };
        }
        self.compare(record).unwrap_or_else(Comparison::CannotTell)
    }

    fn compare(&self, record: &DecisionRecord) -> Result<Comparison, Lack> {
        if let Some(field) = cut_field(record) {
            return Err(Lack::of(format!("the end of `{field}`, which is cut")));
        }
        let asked = record.request.as_ref();
        if asked.is_some_and(|asked| is_path_hidden(&asked.path)) {
            return Err(Lack::of("the path's parameters"));
        }
        let request = RecordedRequest::of(record, self.claims.as_ref()).map_err(Lack::of)?;
        let subject = match &request.caller {
            Ok(subject) => subject,
            Err(refused) => return Ok(Comparison::Outside(refused.reason())),
        };
        if request.view.target.is_err() {
            return Ok(Comparison::Outside(recorded_reason(record).unwrap_or(Reason::HostInvalid)));
        }
        let has_query = asked.is_some_and(|asked| !asked.query.is_empty());
        self.candidate.knows(record)?;
        let after = self.candidate.decide(record, &request, subject);
        let allowed = request.effect == Effect::Allow;
        let recorded =
            Before { effect: request.effect, reason: recorded_reason(record), rule: rule(record) };
        let compared = |before: &Before, baseline, effect| {
            difference(record, &request.view, (before, baseline), (&after, effect))
        };
        let Some(baseline) = &self.baseline else {
            let effect = after.effect(has_query, allowed && self.adds_no_parameters(None))?;
            return Ok(compared(&recorded, None, effect));
        };
        baseline.knows(record)?;
        let before = baseline.decide(record, &request, subject);
        let in_force = is_of(baseline, record);
        let is_like = after.is_like(&before, in_force);
        if is_like && (!has_query || self.adds_no_parameters(Some(baseline))) {
            // Both have the same effect, and which one that is does not matter.
            let effect = after.possible.effect().unwrap_or(Effect::Allow);
            return Ok(compared(&Before::judged(&before, effect), Some((&before, true)), effect));
        }
        let checked = in_force.then_some(baseline);
        let checked = allowed && self.adds_no_parameters(checked);
        let own = match in_force {
            true => recorded,
            false => Before::judged(&before, before.effect(has_query, checked)?),
        };
        let effect = after.effect(has_query, checked)?;
        Ok(compared(&own, Some((&before, false)), effect))
    }

    /// True if the candidate sets no parameter of the query that `checked` does not set.
    fn adds_no_parameters(&self, checked: Option<&ReplayedSet>) -> bool {
        let own = self.candidate.snapshot.policies().query_parameters();
        let known = checked.map(|set| set.snapshot.policies().query_parameters());
        own.iter().all(|name| known.is_some_and(|known| known.contains(name)))
    }
}

/// True if `record` was decided by the documents of `set`.
fn is_of(set: &ReplayedSet, record: &DecisionRecord) -> bool {
    set.snapshot.revision().as_str() == record.revision
}

impl Before {
    fn judged(side: &SideDecision<'_>, effect: Effect) -> Self {
        Self { effect, reason: side.possible.reason(), rule: side.rule() }
    }
}

fn recorded_reason(record: &DecisionRecord) -> Option<Reason> {
    Reason::named(&record.reason)
}

/// The reason of a decision that no rules make: our own failures, throttling, and credentials that were used before.
fn outside(record: &DecisionRecord) -> Option<Reason> {
    recorded_reason(record).filter(|reason| {
        matches!(reason.client_answer(), ClientAnswer::Unavailable | ClientAnswer::Throttled)
            || *reason == Reason::TokenReplayed
    })
}

/// Compares the decision before, with that of the baseline and whether both are made by the same rules, and the one after.
fn difference(
    record: &DecisionRecord,
    view: &RequestView,
    (before, baseline): (&Before, Option<(&SideDecision<'_>, bool)>),
    (after, effect): (&SideDecision<'_>, Effect),
) -> Comparison {
    let reason = after.possible.reason();
    let change = match (before.effect, effect) {
        (Effect::Allow, Effect::Deny) => ChangeKind::NewlyDenied,
        (Effect::Deny, Effect::Allow) => ChangeKind::NewlyAllowed,
        (Effect::Deny, Effect::Deny) => match before.reason.zip(reason) {
            Some((before, after)) if before != after => ChangeKind::OtherReason,
            Some(_) => return Comparison::Same { unsure: false },
            None => return Comparison::Same { unsure: true },
        },
        (Effect::Allow, Effect::Allow) => match baseline.map(|own| has_other_headers(own, after)) {
            Some(Some(true)) => ChangeKind::OtherHeaders,
            other => return Comparison::Same { unsure: other == Some(None) },
        },
    };
    let reason_of = |effect: Effect, reason: Option<Reason>| {
        let reason = reason.filter(|_| effect == Effect::Deny);
        reason.map_or("", Reason::as_str).to_owned()
    };
    Comparison::Changed(Box::new(ChangeGroup {
        change,
        rule: after.rule(),
        reason: reason_of(effect, reason),
        was_rule: before.rule.clone(),
        was_reason: reason_of(before.effect, before.reason),
        peer: peer(record),
        route: route(view, after, baseline.map(|(own, _)| own)),
    }))
}

/// True if two allows set other things; nothing where a record does not tell.
fn has_other_headers(
    (before, is_like): (&SideDecision<'_>, bool),
    after: &SideDecision<'_>,
) -> Option<bool> {
    if is_like {
        return Some(false);
    }
    let is_exact = before.possible.is_exact() && after.possible.is_exact();
    match (&before.possible.decision, &after.possible.decision) {
        (Decision::Allow(one), Decision::Allow(other)) if is_exact => {
            Some(one.obligations() != other.obligations())
        }
        (_, _) => None,
    }
}

/// The method, the host, and the template of the rule that is about the path. Without one, the first segment of the path.
fn route(
    view: &RequestView,
    after: &SideDecision<'_>,
    before: Option<&SideDecision<'_>>,
) -> String {
    let template = after.possible.template().or_else(|| before?.possible.template());
    let path = template.map_or_else(|| first_segment(&view.raw_path), str::to_owned);
    format!("{} {}{path}", view.method, view.raw_host)
}

fn first_segment(path: &str) -> String {
    let mut segments = path.trim_start_matches('/').splitn(2, '/');
    match (segments.next(), segments.next()) {
        (Some(first), Some(_)) => format!("/{first}/**"),
        (first, _) => format!("/{}", first.unwrap_or_default()),
    }
}
