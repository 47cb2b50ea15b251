//! Rules: every key, alone and beside every other.

use serde_json::{Value, json};

use super::conditions::{About, condition};
use super::{answers, identity, values};
use crate::random::{Members, Random};

/// Templates of paths. Those of the first half have a segment that is called `id`.
const PATHS: [&str; 18] = [
    "/a/{id}",
    "/a/{id}/b",
    "/**/{id}",
    "/{id}/**",
    "/a",
    "/a/*",
    "/a/**",
    "/**/b",
    "/a/**/b",
    "/a/b",
    "/a/",
    "/",
    "/caf%C3%A9",
    "/admin",
    "/admin/**",
    "/a/b/c",
    "/x%20y",
    "/**",
];

const WITH_ID: usize = 4;

/// The limits that the target of a rule sets.
pub struct Scope<'a> {
    /// The issuers whose tokens count there.
    pub issuers: &'a [&'a str],
    /// True if `%2F` may stand in paths.
    pub slashes: bool,
}

/// A rule by its number.
pub fn rule(random: &mut Random, number: usize, scope: &Scope<'_>) -> Value {
    let deny = random.percent(28);
    let mut rule = Members::default();
    rule.set("name", format!("r{number}"));
    rule.set("effect", if deny { "deny" } else { "allow" });
    if random.percent(10) {
        rule.set("mode", "shadow");
        if random.percent(20) {
            rule.set("since", "2025-12-31");
        }
    } else if random.percent(5) {
        rule.set("mode", "enforce");
    }
    if random.percent(8) {
        rule.set("annotations", json!({ "ticket": "SEC-1" }));
    }
    let capture = on(random, &mut rule, scope, deny);
    let peer = random.percent(45);
    let token = random.percent(50) && !scope.issuers.is_empty();
    let about = About { token, peer, capture };
    if peer {
        rule.set("peer", identity::peer(random, deny));
    }
    if token {
        rule.set("token", identity::token(random, deny, scope.issuers));
    }
    if !deny && !peer && !token {
        rule.set("public", true);
    }
    of_connection(random, &mut rule);
    of_request(random, &mut rule);
    if random.percent(35) {
        rule.set("when", condition(random, about));
    }
    if random.percent(12) {
        rule.set("conditions", random.some(&["is-get", "has-zone"], 2));
    }
    if !deny {
        of_allow(random, &mut rule, about);
    }
    if random.percent(15) {
        rule.set("deny", answers::deny(random));
    }
    rule.into()
}

/// Which requests; whether all of its paths have a segment called `id`.
fn on(random: &mut Random, rule: &mut Members, scope: &Scope<'_>, deny: bool) -> bool {
    let mut on = Members::default();
    let mut capture = false;
    match random.between(0, 9) {
        0 => on.set("grpc", random.json(&[r#"[{ "service": "o.v1.O", "methods": ["Get"] }]"#, r#"[{ "service": "o.v1.O" }]"#])),
        1 | 2 => {}
        at => {
            if at > 5 {
                on.set("methods", random.some(&["GET", "POST", "PUT"], 2));
            }
            let paths = if at % 2 == 0 { random.some(&PATHS[..WITH_ID], 2) } else { random.some(&PATHS, 2) };
            capture = paths.iter().all(|path| path.contains("{id}"));
            let slashed = scope.slashes && !deny && random.percent(15);
            on.set("paths", if slashed { json!(["/a/b%2Fc"]) } else { json!(paths) });
            capture &= !slashed;
        }
    }
    if !on.is_empty() {
        rule.set("on", Value::from(on));
    }
    capture
}

fn of_connection(random: &mut Random, rule: &mut Members) {
    if random.percent(12) {
        rule.set("source", random.json(&[r#"["10.0.0.0/8"]"#, r#"["10.0.0.8", "2001:db8::/32"]"#]));
    }
    if random.percent(8) {
        rule.set("destination", json!(["10.0.0.7"]));
    }
    if random.percent(10) {
        rule.set("sni", json!(["a.example.com", "*.b.example.com"]));
    }
    if random.percent(12) {
        rule.set("during", values::during(random));
    }
}

fn of_request(random: &mut Random, rule: &mut Members) {
    if random.percent(8) {
        rule.set("contextExtensions", json!({ "zone": "p" }));
    }
    if random.percent(20) {
        let name = random.pick(&["x-a", "X-Debug"]);
        rule.set("headers", json!([values::condition(random, name)]));
    }
    if random.percent(20) {
        let name = random.pick(&["debug", "dry-run"]);
        rule.set("query", json!([values::condition(random, name)]));
    }
}

fn of_allow(random: &mut Random, rule: &mut Members, about: About) {
    if random.percent(35) {
        rule.set("inject", answers::inject(random, about));
    }
    if random.percent(18) {
        rule.set("remove", answers::remove(random, about.token));
    }
    if random.percent(12) {
        rule.set("rejectedCookies", if random.percent(85) { "ignored" } else { "refused" });
    }
}
