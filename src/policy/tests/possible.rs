//! Decisions of which data is missing: certain ones are those that were made, and the others depend on it.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::fixtures::*;
use super::generators::*;
use crate::authn::{Credential, PeerFacts, PeerIdentity, Subject, TokenIdentity};
use crate::clock::UnixTime;
use crate::policy::{
    Decision, DecisionId, DecisionRequest, Effect, MissingData, PolicySet, PossibleDecision,
    RecordField, RulePrints,
};
use crate::request::{Headers, RequestView, ServerName, Target};

fn ask<'a>(subject: &'a Subject, request: &'a RequestView) -> DecisionRequest<'a> {
    let now = UnixTime::from_secs(1_800_000_000);
    DecisionRequest { subject, request, now, id: DecisionId::default() }
}

fn possible(
    set: &PolicySet,
    subject: &Subject,
    view: &RequestView,
    more: MissingData,
) -> PossibleDecision {
    let missing = more.all().fold(MissingData::AUDIT_RECORD, MissingData::and);
    set.possible(&ask(subject, view), missing, &RulePrints::of(set))
}

/// The request as a record has it.
fn recorded(view: &RequestView) -> RequestView {
    let path = view.raw_path.split('?').next().unwrap().to_owned();
    RequestView {
        target: Target::parse(view.raw_host.as_ref(), path.as_str()),
        headers: Headers::default(),
        context_extensions: std::collections::BTreeMap::new(),
        sni: match &view.sni {
            ServerName::Name(name) => ServerName::Name(name.clone()),
            ServerName::Absent | ServerName::Unknown => ServerName::Unknown,
        },
        raw_path: path.as_str().into(),
        ..request(&view.method, view.raw_host.as_ref(), "/")
    }
}

/// The caller as a record has it.
fn recorded_caller(subject: &Subject) -> Subject {
    let peer = match subject.peer() {
        Credential::Verified(peer) => {
            let facts = PeerFacts {
                spiffe: peer.spiffe.clone(),
                subject: peer.subject.clone(),
                ..PeerFacts::of(&peer.trust_domain)
            };
            Credential::Verified(PeerIdentity::assertion(facts, peer.level()))
        }
        other @ (Credential::Absent | Credential::Rejected(_)) => other.clone(),
    };
    let token = |token: &TokenIdentity| {
        let mut claims = Map::new();
        let mut claim =
            |name: &str, value: Option<Value>| claims.extend(value.map(|v| (name.into(), v)));
        claim("sub", token.subject().map(|own| json!(own)));
        claim("client_id", token.client().map(|own| json!(own)));
        claim("aud", Some(json!(token.audiences())));
        claim("scope", Some(json!(token.scopes().join(" "))));
        claim("exp", token.claim("/exp").cloned());
        TokenIdentity::assertion(token.issuer_name(), claims, token.binding()).unwrap()
    };
    let tokens = match subject.tokens() {
        Credential::Verified(tokens) => Credential::Verified(tokens.iter().map(token).collect()),
        Credential::Absent => Credential::Absent,
        Credential::Rejected(why) => Credential::Rejected(why.clone()),
    };
    Subject::assertion(peer, tokens)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    /// P560: where a record is enough for a decision, it is the one that was made; where it is not, none is made up.
    #[test]
    fn a_decision_that_a_record_is_enough_for_is_the_one_that_was_made(
        sketches in vec(sketch(), RULES), asked in vec((subject(), question()), 12),
    ) {
        let set = set(&numbered(&sketches));
        for (subject, mut view) in asked {
            // A caller who hides something behind a `;` of the query is another matter.
            if view.raw_path.contains(';') {
                view = RequestView { headers: view.headers.clone(), ..request("GET", "a.example.com", "/a?q=x") };
            }
            let made = set.evaluate(&ask(&subject, &view));
            let mut more = MissingData::NONE;
            if !matches!(view.sni, ServerName::Name(_)) {
                more = more.and(RecordField::ServerName);
            }
            let mut known = recorded(&view);
            known.source = view.source.clone();
            known.destination = view.destination.clone();
            known.scheme = view.scheme.clone();
            let found = possible(&set, &recorded_caller(&subject), &known, more);
            let effect = if made.is_allow() { Effect::Allow } else { Effect::Deny };
            prop_assert!(found.effect().is_ok_and(|found| found == effect) || found.effect().is_err(), "{made:?} {found:?}");
            if let (Ok(Effect::Deny), Some(reason), Decision::Deny(denial)) = (found.effect(), found.reason(), &made) {
                prop_assert_eq!(reason, denial.rejection.reason(), "{:?}", found);
            }
            if found.is_exact() {
                prop_assert!(found.effect().is_ok());
                prop_assert_eq!(found.decision.rule(), made.rule());
            }
        }
    }
}

const HEADER: &str = "headers: [{ name: x-h, exists: true }]";

/// P560: a rule whose header is not recorded leaves a decision open only where it would decide.
#[test]
fn a_missing_datum_counts_where_it_decides() {
    let allow = "{ name: all, effect: allow, public: true, on: { paths: ['/**'] } }";
    let with_header = format!(
        "{{ name: some, effect: allow, public: true, on: {{ paths: ['/**'] }}, {HEADER} }}"
    );
    let deny = format!("{{ name: no, effect: deny, on: {{ paths: ['/**'] }}, {HEADER} }}");
    let deny_all = "{ name: never, effect: deny, on: { paths: ['/**'] } }";
    let peer = format!(
        "{{ name: web, effect: allow, peer: {{ any: true }}, on: {{ paths: ['/**'] }}, {HEADER} }}"
    );
    let open = |missing, rule: &str| Err((missing, rule.to_owned()));
    let headers = RecordField::Headers;
    for (name, documents, expected, reason) in [
        ("an allow beside one that is open", vec![allow, &with_header], Ok(Effect::Allow), None),
        ("an open allow", vec![&with_header], open(headers, "orders/some"), None),
        ("an open deny", vec![allow, &deny], open(headers, "orders/no"), None),
        ("an open deny where nothing allows", vec![&deny], Ok(Effect::Deny), None),
        (
            "a deny beside an open one",
            vec![allow, &deny, deny_all],
            Ok(Effect::Deny),
            Some("rule_denied"),
        ),
        // The peer is missing, whatever the header is; which of the two is named depends on it.
        ("an open allow that fails anyway", vec![&peer], Ok(Effect::Deny), None),
    ] {
        let set = rules(&documents);
        let found = possible(&set, &anonymous(), &get("/a"), MissingData::NONE);
        let effect = found.effect().map_err(|gap| (gap.missing, gap.rule.to_string()));
        assert_eq!(effect, expected, "{name}");
        assert_eq!(found.reason().map(|own| own.as_str()), reason, "{name}");
    }
}

/// P561: two sets decide alike where the rules that may hold are the same, although what they look at is not recorded.
#[test]
fn the_same_open_rules_decide_alike() {
    let open = format!(
        "{{ name: some, effect: allow, public: true, on: {{ paths: ['/**'] }}, {HEADER} }}"
    );
    let other = "{ name: other, effect: allow, token: { issuer: corp }, on: { paths: ['/**'] } }";
    let found = |documents: &[&str]| {
        possible(&rules(documents), &anonymous(), &get("/a"), MissingData::NONE)
    };
    let [one, more, none] = [found(&[&open]), found(&[&open, other]), found(&[other])];
    assert!(one.has_rules_of(&more) && more.has_rules_of(&one));
    assert!(!one.has_rules_of(&none) && !none.has_rules_of(&one));
    let renamed = found(&[&open.replace("exists: true", "exists: false")]);
    assert!(!one.has_rules_of(&renamed));
}
