//! Policies: targets that say every word, and their rules.

use serde_json::{Value, json};

use super::answers;
use super::rule::{Scope, rule};
use super::trust::{ISSUERS, document};
use crate::random::{Members, Random};

const HOSTS: [&str; 9] = [
    r#"["a.example.com"]"#,
    r#"["a.example.com", "*.b.example.com"]"#,
    r#"["*.example.com"]"#,
    r#"["a.example.com", "a.example.com:8443"]"#,
    r#"["a.example.com", "a.example.com."]"#,
    r#"["a.example.com:8443"]"#,
    r#"["a.example.com.", "b.example.com:8443"]"#,
    r#"["b.example.com"]"#,
    r#"["a.example.com", "[2001:db8::1]"]"#,
];

/// A policy by its number.
pub fn policy(random: &mut Random, number: usize) -> Value {
    let mut target = Members::default();
    if random.percent(15) {
        target.set("anyHost", true);
    } else {
        target.set("hosts", random.json(&HOSTS));
    }
    for (key, percent) in [("anyAuthorityPort", 20), ("hostIsSni", 10)] {
        if random.percent(percent) {
            target.set(key, true);
        }
    }
    if random.percent(12) {
        target.set("ports", json!([8443]));
    }
    let slashes = random.percent(12);
    if let Some(paths) = readings(random, slashes) {
        target.set("paths", paths);
    }
    let issuers = issuers(random, &mut target);
    if random.percent(20) {
        target.set("keep", json!({ "headers": ["x-forwarded-host"], "query": ["_method"] }));
    }
    let scope = Scope { issuers, slashes };
    let mut spec = Members::default();
    spec.set("target", Value::from(target));
    if random.percent(20) {
        spec.set("deny", answers::deny(random));
    }
    let mut rules: Vec<Value> = (0..random.between(1, 6)).map(|at| rule(random, at, &scope)).collect();
    match random.between(0, 9) {
        // The requests of a policy that only denies open nothing.
        0 => rules.retain(|own| own["effect"] == "deny"),
        1 if issuers.contains(&"sessions") => rules.extend(login()),
        _ => {}
    }
    if rules.is_empty() {
        rules.extend(login().into_iter().skip(1));
    }
    spec.set("rules", rules);
    document("Policy", &format!("p{number}"), spec.into())
}

/// A page that does without a cookie that was refused, and a deny rule that looks at the token in it.
fn login() -> [Value; 2] {
    [
        json!({ "name": "out", "effect": "deny", "token": { "issuer": "sessions", "subjects": ["bob"] } }),
        json!({ "name": "in", "effect": "allow", "public": true, "rejectedCookies": "ignored" }),
    ]
}

fn readings(random: &mut Random, slashes: bool) -> Option<Value> {
    let mut paths = Members::default();
    for key in ["encodedSlashes", "parameters", "emptySegments"] {
        if random.percent(8) {
            paths.set(key, "deny");
        }
    }
    if slashes {
        paths.set("encodedSlashes", "keptByUpstream");
    }
    for (key, word) in [("parameters", "removedByUpstream"), ("emptySegments", "mergedByUpstream")] {
        if random.percent(15) {
            paths.set(key, word);
        }
    }
    (!paths.is_empty()).then(|| paths.into())
}

/// The issuers whose tokens count: all, or those that the target names.
fn issuers(random: &mut Random, target: &mut Members) -> &'static [&'static str] {
    let named: &[&str] = match random.between(0, 19) {
        0 | 1 => &["corp", "sessions"],
        2 => &["corp"],
        3 => {
            target.set("tokens", json!({ "others": "ignored" }));
            return &[];
        }
        _ => return &ISSUERS,
    };
    target.set("tokens", json!({ "issuers": named, "others": "ignored" }));
    named
}
