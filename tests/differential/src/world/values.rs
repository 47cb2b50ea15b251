//! Lists and small values that documents, callers and requests share, so that they meet.

use serde_json::{Value, json};

use super::trust::document;
use crate::random::{Members, Random};

/// The fragments that rules use.
pub fn fragments() -> Value {
    let spec = json!({
        "peers": {
            "web": { "spiffe": ["spiffe://prod.example/ns/web/sa/*"] },
            "web-prod": { "use": "web", "trustDomain": "prod" },
        },
        "tokens": { "reader": { "issuer": "corp", "scopes": ["read"] } },
        "conditions": { "is-get": "request.method == 'GET'", "has-zone": "'zone' in context && context.zone == 'p'" },
    });
    document("Fragments", "shared", spec)
}

/// A condition on the values of a header or parameter.
pub fn condition(random: &mut Random, name: &str) -> Value {
    let mut members = Members::default();
    members.set("name", name);
    match random.between(0, 4) {
        0 => members.set("exists", random.percent(50)),
        at => {
            let test = random.json(&[
                r#"{ "equals": "1" }"#,
                r#"{ "in": ["1", "eu"] }"#,
                r#"{ "prefix": "1" }"#,
                r#"{ "suffix": "1" }"#,
                r#"{ "equals": "eu" }"#,
            ]);
            members.set(if at < 3 { "any" } else { "all" }, test);
        }
    }
    members.into()
}

/// A `during`, with edges at the moments of suites.
pub fn during(random: &mut Random) -> Value {
    let mut members = Members::default();
    if random.percent(40) {
        let from = ["2025-12-31T23:59:59Z", "2026-01-01T10:00:00Z", "2026-01-01T12:00:00+01:00"];
        members.set("from", random.pick(&from));
    }
    if random.percent(40) {
        members.set("until", random.pick(&["2026-01-01T22:00:00Z", "2026-01-01T12:00:00Z", "2026-01-02T02:00:00Z"]));
    }
    if members.is_empty() || random.percent(60) {
        let windows = (0..random.between(1, 2)).map(|_| {
            let mut window = Members::default();
            if random.percent(60) {
                window.set("days", random.some(&["wed", "thu", "fri", "sat", "sun", "mon", "tue"], 2));
            }
            window.set("from", random.pick(&["22:00", "00:00", "10:00"]));
            window.set("until", random.pick(&["02:00", "12:00", "24:00"]));
            window.set("zone", random.pick(&["UTC", "+01:00", "-05:00", "UTC"]));
            window.into()
        });
        members.set("weekly", windows.collect::<Vec<Value>>());
    }
    members.into()
}
