//! Compares the cases of `PolicySuite` documents with what they expect.
#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "each file of tests uses a part of it, and a test that cannot go on fails")]

use std::collections::BTreeMap;

use countersign_oracle::value::Value;
use countersign_oracle::{Decision, World, suite};

/// One case with its combination, what it expects, and what the oracle decides.
pub struct Run {
    pub case: String,
    pub name: String,
    pub expect: Value,
    pub decision: Result<Decision, countersign_oracle::Outside>,
}

/// Every case of every suite.
pub fn run(world: &World) -> Vec<Run> {
    let mut runs = Vec::new();
    let visit = |case: &suite::Case| {
        let name = format!("{}: {} [{}]", case.suite, case.name, case.variant);
        runs.push(Run { case: case.name.clone(), name, expect: case.expect.clone(), decision: case.decide() });
    };
    suite::each(world, visit).unwrap();
    runs
}

fn names(value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::Map(members) => members.iter().map(|(n, v)| (n.clone(), v.text().unwrap_or_default().to_owned())).collect(),
        _ => BTreeMap::new(),
    }
}

/// The difference from what a case expects.
pub fn differs(run: &Run) -> Option<String> {
    let decision = match &run.decision {
        Ok(decision) => decision,
        Err(outside) => return Some(format!("{outside:?}")),
    };
    let expect = &run.expect;
    let word = if decision.allow { "allow" } else { "deny" };
    let mut faults = Vec::new();
    let mut same = |what: &str, wanted: Option<String>, got: Option<String>| {
        if wanted.is_some() && wanted != got {
            faults.push(format!("{what}: wants {wanted:?}, got {got:?}"));
        }
    };
    same("decision", expect.text_of("decision").map(str::to_owned), Some(word.to_owned()));
    same("reason", expect.text_of("reason").map(str::to_owned), decision.reason.map(str::to_owned));
    let rule = decision.rule.clone().unwrap_or_default();
    let wanted = expect.text_of("rule").map(str::to_owned);
    let got = if wanted.as_ref().is_some_and(|w| w.contains('/')) { format!("{}/{}", rule.0, rule.1) } else { rule.1 };
    same("rule", wanted, Some(got));
    for (name, value) in names(expect.get("headers").unwrap_or(&Value::Null)) {
        same(&name, Some(value), decision.changes.headers.get(&name).cloned());
    }
    for (name, value) in names(expect.get("query").unwrap_or(&Value::Null)) {
        same(&name, Some(value), decision.changes.query.get(&name).cloned());
    }
    for name in expect.texts("removed") {
        same(&name, Some("removed".to_owned()), decision.changes.removes(&name).then(|| "removed".to_owned()));
    }
    for (name, value) in names(expect.get("responseHeaders").unwrap_or(&Value::Null)) {
        let denial = decision.denial.clone().unwrap_or_default();
        let got = match name.as_str() {
            "www-authenticate" => denial.www_authenticate(),
            "location" => denial.location,
            _ => decision.changes.response_headers.get(&name).or(denial.headers.get(&name)).cloned(),
        };
        same(&name, Some(value), got);
    }
    if let Some(Value::Number(status)) = expect.get("status") {
        same("status", status.text(), decision.denial.as_ref().map(|d| d.status.to_string()));
    }
    if let Some(Value::Map(members)) = expect.get("body") {
        for (name, value) in members {
            let denial = decision.denial.clone().unwrap_or_default();
            let got = match name.as_str() {
                "error" => Some(denial.word),
                "message" => denial.text,
                _ => denial.members.get(name).and_then(|v| v.text().map(str::to_owned)),
            };
            same(name, value.text().map(str::to_owned), got);
        }
    }
    if let Some(Value::Map(members)) = expect.get("metadata") {
        for (name, value) in members {
            same(name, Some(format!("{value:?}")), decision.changes.metadata.get(name).map(|v| format!("{v:?}")));
        }
    }
    (!faults.is_empty()).then(|| faults.join("; "))
}

/// A world of some YAML.
pub fn world(documents: &[&str]) -> World {
    let mut world = World { now: 1_767_225_600, ..World::default() };
    for yaml in documents {
        world.documents.read(yaml).unwrap();
    }
    world
}
