//! Laws of evaluation, over random policies, callers and requests.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::fixtures::*;
use crate::authn::{Binding, Credential, Subject};
use crate::clock::UnixTime;
use crate::evidence_level::EvidenceLevel;
use crate::policy::host::HostPattern;
use crate::policy::rule::HostFit;
use crate::policy::{
    Decision, DecisionRequest, Effect, Mode, PolicySet, Recorder, RuleOutcome, Truth,
};
use crate::reason::Reason;
use crate::request::RequestView;

const HOSTS: [&str; 6] =
    ["a.example.com", "a.example.com", "b.example.com", "*.example.com", "any", "any"];

/// How many rules there are.
const RULES: std::ops::Range<usize> = 3..9;
const PATHS: [&str; 9] =
    ["/", "/a", "/a/", "/a/{x}", "/a/*/c", "/a/**", "/{x}/b", "/**", "/b/{x}/**"];

/// One rule as the text of its conditions, without name and effect; and the host its policy is about.
#[derive(Clone, Debug)]
struct Sketch {
    host: &'static str,
    effect: &'static str,
    mode: &'static str,
    conditions: Vec<String>,
}

// === Generators ===

fn condition() -> impl Strategy<Value = String> {
    let spiffe =
        select(vec!["spiffe://prod.example/ns/web/sa/*", "spiffe://prod.example/ns/ops/**"]);
    let scopes = subsequence(vec!["read", "write"], 1..=2);
    prop_oneof![
        subsequence(vec!["GET", "POST", "PUT"], 1..=2)
            .prop_flat_map(|methods| {
                let paths = subsequence(PATHS.to_vec(), 1..=3);
                paths.prop_map(move |paths| format!("on: {{ methods: {methods:?}, paths: {paths:?} }}"))
            }),
        Just(String::from("source: [10.0.0.0/8]")),
        Just(String::from("query: [{ name: q, any: { equals: x } }]")),
        select(vec![r#"request.method == "GET""#, r#"request.headers["x-h"] == "x""#, r#"!("x-h" in request.headers)"#])
            .prop_map(|when| format!("when: '{when}'")),
        select(vec!["any: { equals: x }", "all: { prefix: x }", "exists: true"])
            .prop_map(|test| format!("headers: [{{ name: x-h, {test} }}]")),
        spiffe.prop_map(|pattern| format!("peer: {{ spiffe: ['{pattern}'] }}")),
        scopes.prop_map(|scopes| format!("token: {{ issuer: corp, scopes: {scopes:?} }}")),
        select(vec!["acme", "globex"]).prop_map(|tenant| {
            format!("token: {{ issuer: corp, claims: [{{ pointer: /tenant, equals: {tenant} }}] }}\n      inject: {{ headers: {{ x-tenant: '{{token.claims./tenant}}', x-note: '{{token.claims./note}}' }} }}")
        }),
    ]
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let mode = prop_oneof![6 => Just("enforce"), 1 => Just("shadow")];
    let effect_and_conditions = prop_oneof![
        1 => Just(("allow", Vec::new())),
        2 => vec(condition(), 1..3).prop_map(|conditions| ("allow", conditions)),
        2 => vec(condition(), 1..3).prop_map(|conditions| ("deny", conditions)),
    ];
    (select(HOSTS.to_vec()), mode, effect_and_conditions).prop_map(
        |(host, mode, (effect, mut conditions))| {
            let key = |text: &String| text.split(':').next().unwrap_or_default().to_owned();
            conditions.sort_by_key(key);
            conditions.dedup_by_key(|text| key(text));
            let identity = |text: &String| text.starts_with("peer") || text.starts_with("token");
            if effect == "deny" {
                for text in &mut conditions {
                    *text = text.split("\n      inject").next().unwrap_or_default().to_owned();
                }
            } else if !conditions.iter().any(identity) {
                conditions.push(String::from("public: true"));
            }
            Sketch { host, effect, mode, conditions }
        },
    )
}

fn subject() -> impl Strategy<Value = Subject> {
    let on_the_wire = prop_oneof![
        1 => Just(None),
        3 => (
            select(vec!["spiffe://prod.example/ns/web/sa/front", "spiffe://prod.example/ns/ops/sa/x/y"]),
            select(EvidenceLevel::ALL.to_vec()),
        ).prop_map(Some),
    ];
    let claims = prop_oneof![
        1 => Just(None),
        4 => (select(tenants()), select(vec!["read", "write", "read write", ""]), select(notes()))
            .prop_map(|(tenant, scope, note)| Some(json!({"tenant": tenant, "scope": scope, "note": note}))),
    ];
    (on_the_wire, claims).prop_map(|(at, claims)| {
        let peer =
            at.map_or(Credential::Absent, |(id, level)| Credential::Verified(peer(id, level)));
        let tokens = claims.map_or(Credential::Absent, |claims| {
            Credential::Verified(vec![token("corp", claims, Binding::None)])
        });
        Subject::assertion(peer, tokens)
    })
}

fn tenants() -> Vec<Value> {
    vec![json!("acme"), json!("globex"), json!(7), json!(null), json!(["acme"])]
}

/// Values to inject: plain, absent and unsafe.
fn notes() -> Vec<Value> {
    vec![json!("plain"), json!(null), json!("a\nb"), json!({})]
}

fn question() -> impl Strategy<Value = RequestView> {
    let host = select(vec![
        "a.example.com",
        "a.example.com",
        "a.example.com",
        "b.example.com",
        "c.d.example.com",
        "[::1]",
    ]);
    let method = select(vec!["GET", "GET", "POST", "get"]);
    let path = select(vec![
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/a/b/c",
        "/b",
        "/b/b",
        "/b/c/d",
        "/a?q=x",
        "/a?q=x;q=y",
        "/b?q=y&q=x",
        "/c/b",
        "/a//b",
    ]);
    let values = vec(select(vec![b"x".as_slice(), b"x,y", b"y", b"\xff", b""]), 0..3);
    let address = select(vec![None, Some("10.0.0.1:1"), Some("[::1]:1")]);
    (host, method, path, values, address).prop_map(|(host, method, path, values, address)| {
        let plain = request(method, host, path);
        let mut view =
            values.into_iter().fold(plain, |view, value| with_header(view, "x-h", value));
        view.source.address = address.map(|text| text.parse().unwrap());
        view
    })
}

// === Helpers ===

/// Documents of one policy for each rule; the name of a rule is its position.
fn documents(sketches: &[(usize, &Sketch)]) -> Vec<String> {
    let document = |(at, sketch): &(usize, &Sketch)| {
        let target = match sketch.host {
            "any" => String::from("{ anyHost: true }"),
            host => format!("{{ hosts: ['{host}'] }}"),
        };
        let head =
            format!("name: r{at:02}\n      effect: {}\n      mode: {}", sketch.effect, sketch.mode);
        let parts = [vec![head], sketch.conditions.clone()].concat().join("\n      ");
        format!(
            "---\napiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: p{at:02} }}\nspec:\n  target: {target}\n  rules:\n    - {parts}\n"
        )
    };
    sketches.iter().map(document).collect()
}

fn numbered(sketches: &[Sketch]) -> Vec<(usize, &Sketch)> {
    sketches.iter().enumerate().collect()
}

fn set(sketches: &[(usize, &Sketch)]) -> PolicySet {
    compile(&documents(sketches).concat())
}

fn ask<'a>(subject: &'a Subject, request: &'a RequestView) -> DecisionRequest<'a> {
    DecisionRequest { subject, request, now: UnixTime::from_secs(1_800_000_000) }
}

/// Everything a decision says, with the shadows in a fixed order.
fn said(decision: &Decision) -> String {
    let mut shadows: Vec<_> = decision.shadows().iter().map(|s| format!("{s:?}")).collect();
    shadows.sort();
    match decision {
        Decision::Allow(permit) => format!(
            "allow {} {:?} {:?} {shadows:?}",
            permit.rule(),
            permit.headers(),
            permit.strip()
        ),
        Decision::Deny(denial) => format!(
            "deny {} {:?} {:?} {shadows:?}",
            denial.rejection(),
            denial.rule(),
            denial.needs().scopes
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn adding_a_deny_rule_never_turns_deny_into_allow(
        sketches in vec(sketch(), RULES), more in sketch(), subject in subject(), view in question(),
    ) {
        let before = set(&numbered(&sketches)).evaluate(&ask(&subject, &view));
        let more = Sketch {
            effect: "deny",
            mode: "enforce",
            conditions: more.conditions.iter()
                .filter(|text| *text != "public: true")
                .map(|text| text.split("\n      inject").next().unwrap_or_default().to_owned())
                .collect(),
            ..more
        };
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
            let host = sketches[at].host;
            let about_host = host == "any" || HostPattern::parse(host).unwrap().matches(target.host.as_str());
            let about = about_host && rule.fit(HostFit::Any, &view, target).is_ok();
            prop_assert!(!about || distinct.contains(&rule.name), "{} is about {:?}", rule.name, target);
        }
    }

    /// P74: an allow rests on a satisfied allow rule and on every deny rule being plainly unsatisfied.
    #[test]
    fn indeterminate_never_allows_and_a_watched_evaluation_decides_the_same(
        sketches in vec(sketch(), RULES), subject in subject(), view in question(),
    ) {
        let set = set(&numbered(&sketches));
        let mut recorder = Recorder::default();
        let watched = set.evaluate_traced(&ask(&subject, &view), &mut recorder);
        let plain = set.evaluate(&ask(&subject, &view));
        prop_assert_eq!(said(&plain), said(&watched));
        let Decision::Allow(permit) = plain else { return Ok(()) };
        for trace in recorder.rules() {
            let RuleOutcome::Judged { effect, mode: Mode::Enforce, satisfied, .. } = &trace.outcome else { continue };
            prop_assert!(*effect == Effect::Allow || *satisfied == Truth::False);
            prop_assert!(trace.rule != *permit.rule() || *satisfied == Truth::True);
        }
    }

    /// P12, P13, invariant 4: what is sent is printable and bounded, and on the list of what is removed.
    #[test]
    fn whatever_is_injected_is_safe_and_stripped(
        sketches in vec(sketch(), RULES), subject in subject(), view in question(),
    ) {
        let Decision::Allow(permit) = set(&numbered(&sketches)).evaluate(&ask(&subject, &view)) else { return Ok(()) };
        for header in permit.headers() {
            prop_assert!(header.value.bytes().all(|b| (0x20..=0x7e).contains(&b)));
            prop_assert!(permit.strip().iter().any(|name| **name == *header.name));
        }
    }
}

/// The generators reach what the laws are about, often enough that a broken law is found.
#[test]
fn random_questions_reach_every_kind_of_decision() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (vec(sketch(), RULES), subject(), question());
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..300 {
        let (sketches, subject, view) = strategy.new_tree(&mut runner).unwrap().current();
        let mut recorder = Recorder::default();
        let decision =
            set(&numbered(&sketches)).evaluate_traced(&ask(&subject, &view), &mut recorder);
        let satisfied = recorder.rules().iter().filter(|trace| {
            matches!(
                &trace.outcome,
                RuleOutcome::Judged {
                    effect: Effect::Allow,
                    mode: Mode::Enforce,
                    satisfied: Truth::True,
                    ..
                }
            )
        });
        let satisfied = satisfied.count();
        let kind = match &decision {
            Decision::Allow(_) if satisfied > 1 => "allowed by one of several",
            Decision::Allow(_) => "allowed by one",
            Decision::Deny(denial)
                if denial.rejection().reason() == Reason::EvalError && satisfied > 0 =>
            {
                "doubted, or allowed but for a doubt"
            }
            Decision::Deny(denial) if denial.rejection().reason() == Reason::RuleDenied => "denied",
            Decision::Deny(_) => "not allowed",
        };
        *seen.entry(kind).or_default() += 1;
    }
    assert!(seen.len() == 5 && seen.values().all(|count| *count >= 10), "{seen:?}");
}
