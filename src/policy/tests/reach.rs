//! Who can reach a path, compared with exhaustive trials.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::fixtures::*;
use super::generators::{RULES, numbered, question, set, sketch, subject};
use crate::authn::{Binding, Credential, Subject};
use crate::clock::UnixTime;
use crate::evidence_level::EvidenceLevel;
use crate::policy::{
    Callers, PolicySet, Possibility, ReachAnswer, ReachQuestion, RecordField, VouchingDomain,
};
use crate::request::RequestView;

fn domains() -> Vec<VouchingDomain> {
    let domain = |name: &str, spiffe: Option<&str>| VouchingDomain {
        name: name.into(),
        spiffe: spiffe.map(str::to_owned),
    };
    vec![domain("prod", Some("prod.example")), domain("edge", None)]
}

fn reach(set: &PolicySet, request: &RequestView, callers: Callers) -> ReachAnswer {
    let domains = domains();
    let now = UnixTime::from_secs(1_800_000_000);
    set.reach(&ReachQuestion { request, domains: &domains, now }, callers)
}

/// False for a token that is bound to a certificate that was not shown, and for a SPIFFE ID in a trust domain without SPIFFE IDs or
/// none in one that has them: none is verified as such.
fn can_be(subject: &Subject) -> bool {
    if let Credential::Verified(peer) = subject.peer()
        && peer.spiffe.is_some() != (&*peer.trust_domain == "prod")
    {
        return false;
    }
    let Credential::Verified(tokens) = subject.tokens() else { return true };
    let is_bound = tokens.iter().any(|own| own.binding() == Binding::Certificate);
    !is_bound || !matches!(subject.peer(), Credential::Absent)
}

fn is_among(subject: &Subject, callers: Callers) -> bool {
    let no_token = matches!(subject.tokens(), Credential::Absent);
    let no_peer = matches!(subject.peer(), Credential::Absent);
    match callers {
        Callers::WithoutToken => no_token,
        Callers::WithoutCertificate => no_peer,
        Callers::WithoutEither => no_token && no_peer,
    }
}

/// The same target with another rest of the request. The port of the connection is part of the question.
fn with_rest(asked: &RequestView, rest: &RequestView) -> RequestView {
    RequestView {
        method: asked.method.clone(),
        raw_host: asked.raw_host.clone(),
        raw_path: asked.raw_path.clone(),
        target: asked.target.clone(),
        destination: asked.destination.clone(),
        ..rest.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// P564: whatever else the rules say, no caller reaches what none can reach, and the caller who shows that some can does.
    #[test]
    fn answers_agree_with_trials_of_every_key(
        sketches in vec(sketch(), RULES), asked in question(), tried in vec((subject(), question()), 40),
    ) {
        let set = set(&numbered(&sketches));
        let asked = RequestView { raw_path: asked.raw_path.split('?').next().unwrap().into(), ..asked };
        let asked = RequestView {
            target: crate::request::Target::parse(asked.raw_host.as_ref(), asked.raw_path.as_ref()),
            ..asked
        };
        for callers in Callers::ALL {
            let found = reach(&set, &asked, callers);
            match found.answer {
                Possibility::No => {
                    for (subject, rest) in tried.iter().filter(|(own, _)| can_be(own) && is_among(own, callers)) {
                        let view = with_rest(&asked, rest);
                        let outcome = outcome(&set, subject, &view);
                        prop_assert!(outcome.starts_with("deny"), "{callers}: {outcome}");
                    }
                }
                Possibility::Yes => {
                    let witness = found.witness.unwrap();
                    prop_assert!(is_among(&witness, callers));
                    for (_, rest) in &tried {
                        let view = with_rest(&asked, rest);
                        let outcome = outcome(&set, &witness, &view);
                        prop_assert!(outcome.starts_with("allow"), "{callers}: {outcome}");
                    }
                }
                Possibility::CannotTell => {}
            }
        }
    }

    /// P565: where rules look at callers, methods and paths alone, every answer is exact: that of trying everyone.
    #[test]
    fn answers_about_names_are_exact(
        texts in vec(plain_rule(), 1..6), method in select(vec!["GET", "POST"]), path in select(vec!["/a", "/a/b", "/c"]),
    ) {
        let rules: Vec<_> = texts.iter().enumerate()
            .map(|(at, text)| format!("    - {{ name: r{at}, {text} }}\n")).collect();
        let set = compile(&policy("orders", &format!("target: {{ hosts: [orders.example.com] }}\nrules:\n{}", rules.concat().replace("    - ", "  - "))));
        let view = request(method, "orders.example.com", path);
        for callers in Callers::ALL {
            let world = everyone();
            let some = world.iter().filter(|own| is_among(own, callers)).any(|own| decide(&set, own, &view).is_allow());
            let expected = if some { Possibility::Yes } else { Possibility::No };
            let found = reach(&set, &view, callers);
            prop_assert_eq!(found.answer, expected, "{}: {:?} {:?}", callers, found, texts);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// P620: with scopes of every form, those above a scope count as callers too: the answer is that of trying every set of scopes.
    #[test]
    fn answers_about_scopes_are_exact(texts in vec(scope_rule(), 1..5)) {
        let rules_of: Vec<_> = texts.iter().enumerate()
            .map(|(at, text)| format!("{{ name: r{at}, on: {{ paths: [/a] }}, {text} }}")).collect();
        let set = rules(&rules_of.iter().map(String::as_str).collect::<Vec<_>>());
        let some = tokens_of_every_scope().iter().any(|own| decide(&set, own, &get("/a")).is_allow());
        let expected = if some { Possibility::Yes } else { Possibility::No };
        let found = reach(&set, &get("/a"), Callers::WithoutCertificate);
        prop_assert_eq!(found.answer, expected, "{:?} {:?}", found, texts);
    }
}

/// Scopes that rules ask for and tokens have.
const SCOPES: [&str; 7] = [
    "orders",
    "orders:*",
    "orders:read",
    "orders:items",
    "orders:items:*",
    "orders:items:read",
    "write",
];

fn scope_rule() -> impl Strategy<Value = String> {
    let effect = select(vec!["allow", "deny", "deny"]);
    let kind = select(vec!["scopes", "anyScope"]);
    let form = select(vec!["whole", "hierarchy", "wildcard"]);
    let asked = subsequence(vec!["orders", "orders:read", "orders:items:read", "write"], 1..=2);
    (effect, kind, asked, form).prop_map(|(effect, kind, asked, form)| {
        format!("effect: {effect}, token: {{ issuer: corp, {kind}: {asked:?}, scopeForm: {form} }}")
    })
}

fn tokens_of_every_scope() -> Vec<Subject> {
    let sets = (0..1_u32 << SCOPES.len()).map(|set| {
        let held = SCOPES.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
        held.map(|(_, scope)| *scope).collect::<Vec<_>>().join(" ")
    });
    sets.map(|scope| caller(None, Some(json!({ "sub": "alice", "scope": scope })))).collect()
}

const PEERS: [&str; 6] = [
    "",
    "peer: { any: true }",
    "peer: { spiffe: ['spiffe://prod.example/ns/web/sa/front'] }",
    "peer: { spiffe: ['spiffe://prod.example/ns/*/sa/front', 'spiffe://prod.example/ns/ops/**'] }",
    "peer: { spiffe: ['spiffe://prod.example/**'] }",
    "peer: { trustDomain: edge }",
];
const TOKENS: [&str; 6] = [
    "",
    "token: { issuer: corp }",
    "token: { issuer: corp, scopes: [read] }",
    "token: { issuer: corp, subjects: [alice, bob] }",
    "token: { issuer: corp, subjects: [alice], scopes: [read, write] }",
    "token: { issuer: corp, subjects: [bob] }",
];
const PLACES: [&str; 4] = ["/**", "/a", "/a/**", "/c"];

fn plain_rule() -> impl Strategy<Value = String> {
    let method = select(vec!["[GET]", "[POST]", "[GET, POST]"]);
    let effect = select(vec!["allow", "allow", "deny"]);
    (effect, method, select(PLACES.to_vec()), select(PEERS.to_vec()), select(TOKENS.to_vec()))
        .prop_map(|(effect, method, path, peer, token)| {
            let mut parts =
                vec![format!("effect: {effect}, on: {{ methods: {method}, paths: ['{path}'] }}")];
            parts
                .extend([peer, token].into_iter().filter(|own| !own.is_empty()).map(str::to_owned));
            if effect == "allow" && peer.is_empty() && token.is_empty() {
                parts.push("public: true".into());
            }
            parts.join(", ")
        })
}

/// A caller of every kind that the rules above can tell apart.
fn everyone() -> Vec<Subject> {
    let ids = ["web/sa/front", "web/sa/other", "ops/sa/front", "ops/x/y/z", "x"];
    let mut peers: Vec<_> = ids
        .iter()
        .map(|id| {
            Credential::Verified(peer(
                &format!("spiffe://prod.example/ns/{id}"),
                EvidenceLevel::Full,
            ))
        })
        .collect();
    let edge = crate::authn::PeerFacts::of("edge");
    peers.push(Credential::Verified(crate::authn::PeerIdentity::assertion(
        edge,
        EvidenceLevel::Full,
    )));
    peers.push(Credential::Absent);
    let mut tokens = vec![Credential::Absent];
    for sub in ["alice", "bob", "carol"] {
        for scope in ["none", "read", "read write", "write"] {
            let claims = json!({ "sub": sub, "scope": scope });
            tokens.push(Credential::Verified(vec![token("corp", claims, Binding::None)]));
        }
    }
    let pairs = peers.iter().flat_map(|peer| tokens.iter().map(move |token| (peer, token)));
    pairs.map(|(peer, token)| Subject::assertion(peer.clone(), token.clone())).collect()
}

/// P564: a header, a condition or a schedule leaves the answer open only where it decides, and is named.
#[test]
fn what_decides_is_named() {
    let public = "{ name: open, effect: allow, public: true, on: { paths: ['/**'] } }";
    let header = "headers: [{ name: x-h, exists: true }]";
    let allow = format!(
        "{{ name: some, effect: allow, public: true, on: {{ paths: ['/**'] }}, {header} }}"
    );
    let deny = format!("{{ name: no, effect: deny, on: {{ paths: ['/**'] }}, {header} }}");
    let night = "{ name: night, effect: deny, on: { paths: ['/**'] }, during: { until: 2020-01-01T00:00:00Z } }";
    let cel = "{ name: cel, effect: allow, public: true, on: { paths: ['/**'] }, when: 'request.scheme == \"https\"' }";
    let named = "{ name: web, effect: allow, peer: { dns: ['*.web.svc'], spiffe: ['spiffe://prod.example/ns/**'] } }";
    let one = "{ name: one, effect: deny, peer: { dns: [a.web.svc] } }";
    let unvouched = "{ name: far, effect: allow, peer: { spiffe: ['spiffe://far.example/**'] } }";
    let bound = "{ name: bound, effect: allow, token: { issuer: corp, binding: certificate } }";
    let claims = "{ name: acme, effect: allow, token: { issuer: corp, claims: [{ pointer: /tenant, equals: acme }] } }";
    let (yes, no, open) = (Possibility::Yes, Possibility::No, Possibility::CannotTell);
    for (name, rules_of, expected, gap) in [
        ("public", vec![public], [yes, yes, yes], None),
        ("open allow", vec![&allow], [open; 3], Some((RecordField::Headers, "some"))),
        ("open deny", vec![public, &deny], [open; 3], Some((RecordField::Headers, "no"))),
        ("an open deny beside nothing", vec![&deny], [no; 3], None),
        ("a schedule", vec![public, night], [open; 3], Some((RecordField::Time, "night"))),
        ("a condition", vec![cel], [open; 3], Some((RecordField::Addresses, "cel"))),
        ("names", vec![named, one], [yes, no, no], None),
        ("no one vouches", vec![unvouched], [no; 3], None),
        ("bound to a certificate", vec![bound], [no; 3], None),
        ("a claim", vec![claims], [no, yes, no], None),
    ] {
        let set = rules(&rules_of);
        let found = Callers::ALL.map(|callers| reach(&set, &get("/a"), callers));
        assert_eq!(found.each_ref().map(|own| own.answer), expected, "{name}");
        let named = found[0].open.first().map(|(field, rule)| (*field, &*rule.rule));
        assert_eq!(named, gap, "{name}");
    }
    let refused = reach(&rules(&[public]), &get("/a//b"), Callers::WithoutEither);
    assert_eq!(refused.answer, no);
    assert!(refused.refusal.is_some());
}
