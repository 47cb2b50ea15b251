//! Laws of evaluation, over random policies, callers and requests.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::generators::*;
use crate::authn::Subject;
use crate::clock::UnixTime;
use crate::policy::evaluate::rule_match::{HostFit, RuleMatch};
use crate::policy::model::AuthorityPattern;
use crate::policy::{
    Decision, DecisionId, DecisionRequest, Effect, MissingData, Mode, RuleName, RuleOutcome,
    TraceRecorder, Truth,
};
use crate::reason::Reason;
use crate::request::RequestView;

fn ask<'a>(subject: &'a Subject, request: &'a RequestView) -> DecisionRequest<'a> {
    DecisionRequest {
        subject,
        request,
        now: UnixTime::from_secs(1_800_000_000),
        id: DecisionId::default(),
    }
}

/// Everything a decision says, with the shadows in a fixed order.
fn said(decision: &Decision) -> String {
    let mut shadows: Vec<_> = decision.shadows().iter().map(|s| format!("{s:?}")).collect();
    shadows.sort();
    match decision {
        Decision::Allow(permit) => format!(
            "allow {} {:?} {:?} {:?} {shadows:?}",
            permit.rule(),
            permit.obligations(),
            permit.strip(),
            permit.strip_query()
        ),
        Decision::Deny(denial) => format!(
            "deny {} {:?} {:?} {:?} {shadows:?}",
            &denial.rejection,
            denial.rule.as_ref(),
            &denial.needs,
            denial.custom.as_deref()
        ),
    }
}

/// The rules that count and are about the request, with their results.
fn judged(recorder: &TraceRecorder) -> Vec<(RuleName, Effect, Truth)> {
    let rules = recorder.rules.iter().filter_map(|trace| match &trace.outcome {
        RuleOutcome::Judged { effect, mode: Mode::Enforce, result, .. } => {
            Some((trace.rule.clone(), *effect, *result))
        }
        RuleOutcome::Judged { .. } | RuleOutcome::NotAbout(_) => None,
    });
    rules.collect()
}

fn watched_reason(decision: &Decision) -> Option<Reason> {
    match decision {
        Decision::Deny(denial) => Some(denial.rejection.reason()),
        Decision::Allow(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn adding_a_deny_rule_never_turns_deny_into_allow(
        sketches in vec(sketch(), RULES), more in sketch(), subject in subject(), view in question(),
    ) {
        let before = set(&numbered(&sketches)).evaluate(&ask(&subject, &view));
        let more = more.denying();
        let mut rules = numbered(&sketches);
        rules.push((99, &more));
        let after = set(&rules).evaluate(&ask(&subject, &view));
        prop_assert!(before.is_allow() || !after.is_allow());
    }

    #[test]
    fn removing_an_allow_rule_never_turns_deny_into_allow(
        sketches in vec(sketch(), RULES), at in any::<prop::sample::Index>(), subject in subject(), view in question(),
    ) {
        let rules = numbered(&sketches);
        let at = at.index(rules.len());
        prop_assume!(rules[at].1.effect == "allow");
        let fewer: Vec<_> = rules.iter().filter(|(other, _)| *other != at).copied().collect();
        let before = set(&rules).evaluate(&ask(&subject, &view));
        let after = set(&fewer).evaluate(&ask(&subject, &view));
        prop_assert!(before.is_allow() || !after.is_allow());
    }

    #[test]
    fn the_order_of_files_and_rules_never_matters(
        sketches in vec(sketch(), RULES), subject in subject(), view in question(), seed in any::<usize>(),
    ) {
        let rules = numbered(&sketches);
        let mut others = rules.clone();
        others.sort_by_key(|(at, _)| (*at + 1).wrapping_mul(seed | 1).rotate_left(17));
        let one = set(&rules).evaluate(&ask(&subject, &view));
        let other = set(&others).evaluate(&ask(&subject, &view));
        prop_assert_eq!(said(&one), said(&other));
    }

    #[test]
    fn the_index_finds_every_rule_that_a_scan_finds_and_each_once(
        sketches in vec(sketch(), RULES), view in question(),
    ) {
        let Ok(target) = &view.target else { return Ok(()) };
        let rules = numbered(&sketches);
        let all = set(&rules);
        let found: Vec<_> = all.index.candidates(target).map(|(_, rule)| rule.name.clone()).collect();
        let distinct: BTreeSet<_> = found.iter().cloned().collect();
        prop_assert_eq!(found.len(), distinct.len());
        for rule in all.index.rules() {
            let at: usize = rule.name.rule.trim_start_matches('r').parse().unwrap();
            let about_host = match sketches[at].target.split('\'').skip(1).step_by(2).collect::<Vec<_>>() {
                hosts if hosts.is_empty() => true,
                hosts => hosts.iter().any(|host| AuthorityPattern::parse(host).unwrap().host.matches(target.host.as_str())),
            };
            let about = about_host && RuleMatch::new(rule, HostFit::Any, &view, target).is_ok();
            prop_assert!(!about || distinct.contains(&rule.name), "{} is about {:?}", rule.name, target);
        }
        // Between them, what `explain` tells of is every rule of the host.
        let others = all.non_matching_rules(&view).len();
        let about = all.index.candidates(target).filter(|(host, rule)| RuleMatch::new(rule, *host, &view, target).is_ok()).count();
        prop_assert_eq!(others + about, all.index.of_host(&target.host).count());
    }

    /// P74: an allow rests on an allow rule that holds and on every deny rule failing.
    #[test]
    fn indeterminate_never_allows(
        sketches in vec(sketch(), RULES), subject in subject(), view in question(),
    ) {
        let mut recorder = TraceRecorder::default();
        let decision = set(&numbered(&sketches)).evaluate_traced(&ask(&subject, &view), &mut recorder);
        let Decision::Allow(permit) = decision else { return Ok(()) };
        for (rule, effect, result) in judged(&recorder) {
            prop_assert!(effect == Effect::Allow || result == Truth::Fails);
            prop_assert!(rule != *permit.rule() || result == Truth::Holds);
        }
    }

    /// P120: what is allowed was asked for in the very form that its host has.
    #[test]
    fn a_host_in_another_form_is_never_allowed_unasked(
        sketches in vec(sketch(), RULES), subject in subject(), view in question(),
    ) {
        let Decision::Allow(permit) = set(&numbered(&sketches)).evaluate(&ask(&subject, &view)) else { return Ok(()) };
        let at: usize = permit.rule().rule.trim_start_matches('r').parse().unwrap();
        let form = view.target.as_ref().unwrap().form;
        let asked = sketches[at].target;
        prop_assert!(!form.trailing_dot || asked.contains(".com."), "{asked}");
        prop_assert!(form.port.is_none() || asked.contains("anyAuthorityPort") || asked.contains(":8443'"), "{asked}");
    }

    /// A watched evaluation makes the same decision as serving, to its last word; and the trace of the rules accounts for it.
    #[test]
    fn explain_and_serve_agree(
        sketches in vec(sketch(), RULES), subject in subject(), view in question(),
    ) {
        let set = set(&numbered(&sketches));
        let mut recorder = TraceRecorder::default();
        let watched = set.evaluate_traced(&ask(&subject, &view), &mut recorder);
        prop_assert_eq!(said(&set.evaluate(&ask(&subject, &view))), said(&watched));
        let rules = judged(&recorder);
        let is_any = |effect: Effect, truth: Truth| rules.iter().any(|(_, e, t)| (*e, *t) == (effect, truth));
        let odd = watched_reason(&watched) == Some(Reason::HostInvalid);
        let refused = odd || view.target.is_err() || subject.peer().rejection().is_some() || subject.tokens().rejection().is_some();
        let denied = is_any(Effect::Deny, Truth::Holds);
        let doubted = is_any(Effect::Deny, Truth::Unknown);
        let allowed = is_any(Effect::Allow, Truth::Holds);
        // A parameter that a rule sets or removes may be hidden in the query from the proxy that has to remove it.
        let query = view.target.as_ref().ok().and_then(|target| target.query.as_deref());
        let hidden = query.is_some_and(|query| query.contains(';'))
            && matches!(&watched, Decision::Deny(denial) if denial.rejection.reason() == Reason::EvalError);
        prop_assert_eq!(watched.is_allow(), !refused && !denied && !doubted && allowed && !hidden);
        if let Decision::Deny(denial) = &watched {
            let reason = denial.rejection.reason();
            prop_assert_eq!(reason == Reason::RuleDenied, !refused && denied);
            prop_assert!(reason != Reason::NoRule || (!denied && !doubted && !allowed));
            let named = denial.rule.as_ref().map(|name| rules.iter().any(|(own, _, truth)| own == name && (*truth != Truth::Holds || denied || hidden)));
            prop_assert!(named.unwrap_or(true), "the rule that is named is one that was seen to deny or to fail");
        }
        for trace in &recorder.rules {
            let RuleOutcome::Judged { result, checks, .. } = &trace.outcome else { continue };
            let all: Vec<_> = checks.iter().map(|check| check.truth).collect();
            let expected = if all.contains(&Truth::Fails) { Truth::Fails } else if all.contains(&Truth::Unknown) { Truth::Unknown } else { Truth::Holds };
            prop_assert_eq!(*result, expected, "the checks of a rule account for what became of it");
            for check in checks {
                prop_assert_eq!(check.suggestion.is_some(), check.truth != Truth::Holds);
                prop_assert!(!check.check.is_empty());
            }
        }
    }

    /// Whatever a record leaves out, what is put again by it is never more than what was asked at first.
    #[test]
    fn a_gap_never_turns_deny_into_allow(
        sketches in vec(sketch(), RULES), subject in subject(), view in question(),
    ) {
        let set = set(&numbered(&sketches));
        let mut recorder = TraceRecorder::with_missing(MissingData::AUDIT_RECORD);
        let by_record = set.evaluate_traced(&ask(&subject, &view), &mut recorder);
        prop_assert!(!by_record.is_allow() || set.evaluate(&ask(&subject, &view)).is_allow());
    }

    /// P12, P13, invariant 4: what is sent is printable and bounded, and on the list of what is removed.
    #[test]
    fn whatever_is_injected_is_safe_and_stripped(
        sketches in vec(sketch(), RULES), subject in subject(), view in question(),
    ) {
        let Decision::Allow(permit) = set(&numbered(&sketches)).evaluate(&ask(&subject, &view)) else { return Ok(()) };
        let own = permit.obligations();
        for header in own.headers.iter().chain(&own.response_headers) {
            prop_assert!(header.value.bytes().all(|b| (0x20..=0x7e).contains(&b)));
        }
        let set = permit.headers().iter().map(|header| &header.name);
        for name in set.chain(own.assertion.iter().map(|assertion| &assertion.header)) {
            prop_assert!(permit.strip().iter().any(|stripped| **stripped == **name));
        }
        for parameter in &own.query {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._*".contains(&b);
            prop_assert!(parameter.value.bytes().all(plain), "{parameter:?}");
        }
        let claims = own.assertion.iter().map(|assertion| &assertion.claims);
        for members in claims.chain([&own.metadata]) {
            let note = members.get("note").and_then(serde_json::Value::as_str).unwrap_or_default();
            let is_one_line = !note.contains('\n');
            prop_assert!(is_one_line);
        }
    }

    /// P1, P75, and what `deny` may say: no denial looks like a success or tells a reason, a rule or a claim, whatever
    /// documents make of it.
    #[test]
    fn no_denial_succeeds_or_tells_anything(
        sketches in vec(sketch(), RULES), subject in subject(), view in question(),
    ) {
        let Decision::Deny(denial) = set(&numbered(&sketches)).evaluate(&ask(&subject, &view)) else { return Ok(()) };
        let answer = denial.answer(&view, "0123");
        prop_assert!((300..500).contains(&answer.status) || answer.status == 503, "{}", answer.status);
        // A challenge names the policy's own scopes, and never quotes those of a token.
        let headers = answer.headers.iter().filter(|(name, _)| name != "www-authenticate");
        let sent = format!("{:?} {}", headers.collect::<Vec<_>>(), answer.body);
        for secret in ["alice", "acme", "spiffe", "eval_error", "rule_denied", "claim_mismatch", "{decision"] {
            prop_assert!(!sent.contains(secret), "{secret} in {sent}");
        }
        prop_assert!(denial.rule.as_ref().is_none_or(|rule| !sent.contains(&*rule.rule)), "{sent}");
    }
}

/// The generators reach what the laws are about, often enough that a broken law is found: every kind of decision, and every
/// kind of check with each of its results that it can have.
#[test]
fn random_questions_reach_every_kind_of_decision_and_check() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (vec(sketch(), RULES), subject(), question());
    let (mut decisions, mut checks) = (BTreeMap::<&str, usize>::new(), BTreeMap::new());
    for _ in 0..2000 {
        let (sketches, subject, view) = strategy.new_tree(&mut runner).unwrap().current();
        let mut recorder = TraceRecorder::default();
        let decision =
            set(&numbered(&sketches)).evaluate_traced(&ask(&subject, &view), &mut recorder);
        for trace in &recorder.rules {
            let RuleOutcome::Judged { checks: own, .. } = &trace.outcome else { continue };
            for check in own {
                let kind = check.check.split([' ', '.']).take(2).collect::<Vec<_>>().join(".");
                *checks.entry((kind, format!("{:?}", check.truth))).or_insert(0_usize) += 1;
            }
        }
        let judged = judged(&recorder);
        let result =
            judged.iter().filter(|(_, e, t)| (*e, *t) == (Effect::Allow, Truth::Holds)).count();
        let kind = match &decision {
            Decision::Allow(_) if result > 1 => "allowed by one of several",
            Decision::Allow(_) => "allowed by one",
            Decision::Deny(denial) => {
                let reason = denial.rejection.reason();
                let refused = [Reason::CertExpired, Reason::TokenExpired].contains(&reason);
                match (reason == Reason::EvalError, reason == Reason::RuleDenied) {
                    (true, _) if result > 0 => "allowed but for a doubt",
                    (true, _) => "doubted",
                    (_, true) => "denied",
                    (false, false) if refused => "refused",
                    (false, false) => "not allowed",
                }
            }
        };
        *decisions.entry(kind).or_default() += 1;
    }
    assert!(decisions.len() == 7 && decisions.values().all(|count| *count >= 5), "{decisions:?}");
    for (kind, truths) in [
        ("source", "Holds Fails Unknown"),
        ("sni", "Holds Fails Unknown"),
        ("destination", "Holds Fails Unknown"),
        ("during", "Holds Fails"),
        ("context.tier", "Holds Fails"),
        ("header.x-h", "Holds Fails Unknown"),
        ("query.q", "Holds Fails Unknown"),
        ("peer", "Holds Fails"),
        ("peer.trustDomain", "Holds Fails"),
        ("peer.spiffe", "Holds Fails"),
        ("peer.dns", "Holds Fails Unknown"),
        ("peer.uris", "Holds Fails Unknown"),
        ("peer.emails", "Holds Fails Unknown"),
        ("peer.ips", "Holds Fails Unknown"),
        ("peer.subjects", "Holds Fails Unknown"),
        ("peer.evidence", "Holds Fails"),
        ("token.issuer", "Holds Fails"),
        ("token.binding", "Holds Fails"),
        ("token.audiences", "Holds Fails"),
        ("token.subjects", "Holds Fails"),
        ("token.clients", "Holds Fails"),
        ("token.scopes", "Holds Fails"),
        ("claim./client_id", "Holds Fails"),
        ("token.acr", "Holds Fails Unknown"),
        ("token.maxAge", "Holds Fails"),
        ("claim./tenant", "Holds Fails Unknown"),
        ("claim./level", "Holds Fails Unknown"),
        ("claim./groups", "Holds Fails Unknown"),
        ("when", "Holds Fails Unknown"),
        ("value.for", "Unknown"),
    ] {
        for truth in truths.split(' ') {
            let count = checks.get(&(kind.to_owned(), truth.to_owned())).copied().unwrap_or(0);
            assert!(count > 0, "no check `{kind}` was {truth}: {checks:#?}");
        }
    }
}
