//! P130: a request means the same whether a proxy writes its headers down line by line or joins them. Where that cannot be, it
//! is denied.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fixtures::*;
use crate::policy::PolicySet;
use crate::request::{HeaderForm, HeaderValue, Headers, RequestView};

const NAMES: [&str; 8] =
    ["x-a", "X-A", "x_a", "x.a", "date", "referer", "user-agent", "x-forwarded-for"];
const VALUES: [&str; 16] = [
    "1", "2", "", " ", "1,1", "1, 2", ",", "1,", "\"1,2\"", "1;2", "!", "1!", "a b", "\t1", "1 ",
    "11",
];

type Line = (&'static str, &'static str);

fn lines() -> impl Strategy<Value = Vec<Line>> {
    vec((select(&NAMES[..]), select(&VALUES[..])), 0..5)
}

/// As Envoy does where raw headers are not asked for: lines of one name by a comma, but those that it keeps as one line
/// anyway.
fn joined(lines: &[Line]) -> Headers {
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in lines {
        let name = name.to_ascii_lowercase();
        match all.iter_mut().find(|(own, _)| *own == name) {
            Some((_, own)) => *own = format!("{own},{value}"),
            None => all.push((name, (*value).to_owned())),
        }
    }
    let lines = all.into_iter().map(|(name, value)| (name.into(), HeaderValue::new(value)));
    lines.collect::<Headers>().in_form(HeaderForm::Joined)
}

/// Line by line, but for what Envoy keeps as one line in any case.
fn apart(lines: &[Line]) -> Headers {
    let agents = lines.iter().filter(|(name, _)| *name == "user-agent");
    let agents: Vec<&str> = agents.map(|(_, value)| *value).collect();
    let others = lines.iter().filter(|(name, _)| *name != "user-agent");
    let others = others.map(|(name, value)| ((*name).into(), HeaderValue::new(*value)));
    let agent =
        (!agents.is_empty()).then(|| ("user-agent".into(), HeaderValue::new(agents.join(","))));
    others.chain(agent).collect()
}

fn with(headers: Headers) -> RequestView {
    RequestView { headers, ..get("/") }
}

fn policies() -> Vec<PolicySet> {
    let allow = "{ name: z, effect: allow, public: true }";
    let mut all = Vec::new();
    for name in ["x-a", "date", "referer", "user-agent", "x-forwarded-for"] {
        let keys = [
            format!("headers: [{{ name: {name}, any: {{ equals: '1' }} }}]"),
            format!("headers: [{{ name: {name}, all: {{ in: ['1', '11'] }} }}]"),
            format!("headers: [{{ name: {name}, any: {{ prefix: '1' }} }}]"),
            format!("headers: [{{ name: {name}, exists: true }}]"),
            format!("headers: [{{ name: {name}, exists: false }}]"),
            format!("when: 'request.headers[\"{name}\"] == \"1\"'"),
            format!("when: 'request.headers[\"{name}\"] != \"1\"'"),
            format!(
                "when: '\"{name}\" in request.headers && request.headers[\"{name}\"].contains(\"1\")'"
            ),
            format!("when: '!(\"{name}\" in request.headers)'"),
        ];
        for key in keys {
            let deny = format!("{{ name: a, effect: deny, {key} }}");
            all.push(rules(&[&deny, allow]));
            all.push(rules(&[&format!("{{ name: a, effect: allow, public: true, {key} }}")]));
        }
    }
    all
}

#[test]
fn both_encodings_give_the_same_decision_or_a_denial() {
    let sets = policies();
    let config =
        ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(lines in lines())| {
        let (apart, joined) = (with(apart(&lines)), with(joined(&lines)));
        for set in &sets {
            let by_line = decide(set, &anonymous(), &apart).is_allow();
            let by_map = decide(set, &anonymous(), &joined).is_allow();
            prop_assert!(by_line || !by_map, "the map allows what lines do not: {lines:?}");
        }
    });
}

/// The map denies requests that lines allow only where the map may hide several values, or replace one.
#[test]
fn plain_values_mean_the_same() {
    for set in policies() {
        for lines in
            [vec![("x-a", "1")], vec![("x-a", "2"), ("date", "1")], vec![("referer", "11")], vec![]]
        {
            let one = outcome(&set, &anonymous(), &with(apart(&lines)));
            assert_eq!(one, outcome(&set, &anonymous(), &with(joined(&lines))), "{lines:?}");
        }
    }
}
