//! `peer` and `token` of rules.

use serde_json::{Value, json};

use crate::random::{Members, Random};

const SPIFFE: [&str; 5] = [
    "spiffe://prod.example/ns/web/sa/*",
    "spiffe://prod.example/ns/web/**",
    "spiffe://prod.example/ns/ops/sa/alice",
    "spiffe://prod.example/**",
    "spiffe://prod.example/*/web/sa/front",
];

const BINDS: [&str; 8] = [
    r#"{ "claim": "client_id", "to": "peer.spiffe", "map": "spiffe://prod.example/ns/web/sa/{c}" }"#,
    r#"{ "claim": "client_id", "to": "peer.spiffe", "map": "spiffe://prod.example/ns/web/sa/{c}", "evidence": "leaf" }"#,
    r#"{ "claim": "client_id", "to": "peer.spiffe", "map": "spiffe://prod.example/ns/web/sa/{c}", "evidence": "asserted" }"#,
    r#"{ "claim": "sub", "form": "s:{ns}:{a}", "to": "peer.spiffe", "map": "spiffe://prod.example/ns/{ns}/sa/{a}" }"#,
    r#"{ "claim": "client_id", "to": "peer.dns", "map": "{c}.p.example" }"#,
    r#"{ "claim": "client_id", "to": "peer.dns", "map": "{c}.p.example", "evidence": "asserted" }"#,
    r#"{ "claim": "/uri", "to": "peer.uri" }"#,
    r#"{ "claim": "/uri", "to": "peer.uri", "evidence": "hash" }"#,
];

const CLAIMS: [&str; 14] = [
    r#"{ "pointer": "/plan", "equals": "gold" }"#,
    r#"{ "pointer": "/plan", "in": ["gold", "tin"] }"#,
    r#"{ "pointer": "/plan", "exists": true }"#,
    r#"{ "pointer": "/plan", "exists": false }"#,
    r#"{ "pointer": "/level", "equals": 3 }"#,
    r#"{ "pointer": "/level", "in": [1, 3] }"#,
    r#"{ "pointer": "/level", "exists": true }"#,
    r#"{ "pointer": "/groups", "contains": "x" }"#,
    r#"{ "pointer": "/groups", "contains": 3 }"#,
    r#"{ "pointer": "/groups/0", "equals": "x" }"#,
    r#"{ "pointer": "/ok", "equals": true }"#,
    r#"{ "pointer": "/o/p", "equals": "q" }"#,
    r#"{ "pointer": "/o", "exists": false }"#,
    r#"{ "pointer": "/a~1b", "equals": "x" }"#,
];

/// A URI of a certificate, and the SPIFFE ID that is one, too.
const URIS: [&str; 3] = [
    r#"["https://p.example/w"]"#,
    r#"["spiffe://prod.example/ns/web/sa/front"]"#,
    r#"["https://p.example/w", "spiffe://prod.example/ns/ops/sa/alice"]"#,
];

/// The requirements on the peer.
pub fn peer(random: &mut Random, deny: bool) -> Value {
    let mut peer = Members::default();
    let fragment = random.percent(12).then(|| random.pick(&["web", "web-prod"]));
    if let Some(name) = fragment {
        peer.set("use", name);
    } else if random.percent(55) {
        peer.set("spiffe", random.some(&SPIFFE, 2));
    }
    if fragment != Some("web-prod") && random.percent(25) {
        peer.set("trustDomain", random.pick(&["prod", "partner", "other"]));
    }
    for (key, value) in [
        ("dns", r#"["*.p.example"]"#),
        ("uris", random.pick(&URIS)),
        ("emails", r#"["a@p.example"]"#),
        ("ips", r#"["10.0.0.0/8", "2001:db8::7"]"#),
        ("subjects", r#"["CN=g,O=P"]"#),
    ] {
        if random.percent(18) {
            peer.set(key, random.json(&[value]));
        }
    }
    if peer.is_empty() {
        peer.set("any", true);
    }
    if !deny && random.percent(35) {
        peer.set("evidence", random.pick(&["asserted", "hash", "leaf", "full"]));
    }
    peer.into()
}

/// The requirements on the token, of one of these issuers.
pub fn token(random: &mut Random, deny: bool, issuers: &[&str]) -> Value {
    let mut token = Members::default();
    let fragment = issuers.contains(&"corp") && random.percent(12);
    if fragment {
        token.set("use", "reader");
    } else if issuers.len() > 1 && random.percent(15) {
        let mut several = random.some(issuers, 2);
        several.dedup();
        token.set("issuer", several);
    } else {
        token.set("issuer", random.pick(issuers));
    }
    if !fragment && random.percent(35) {
        token.set("scopes", random.some(&["read", "write", "admin", "read:all"], 2));
    }
    for (key, percent, value) in [
        ("anyScope", 18, r#"["write", "admin"]"#),
        ("scopeForm", 30, r#""hierarchy""#),
        ("scopeForm", 30, r#""wildcard""#),
        ("scopeForm", 5, r#""whole""#),
        ("audiences", 15, r#"["aux"]"#),
        ("subjects", 15, r#"["alice", "bob"]"#),
        ("clients", 15, r#"["front"]"#),
    ] {
        let scoped = key != "scopeForm" || token.has("scopes") || token.has("anyScope");
        if scoped && random.percent(percent) {
            token.set(key, random.json(&[value]));
        }
    }
    if random.percent(40) {
        let claims = (0..random.between(1, 2)).map(|_| random.json(&CLAIMS));
        token.set("claims", claims.collect::<Vec<_>>());
    }
    if deny {
        if random.percent(35) {
            token.set("signals", random.some(&["token_peers", "token_addresses"], 2));
        }
        return token.into();
    }
    if random.percent(30) {
        token.set("binding", random.pick(&["none", "certificate", "dpop", "any"]));
    }
    if random.percent(30) {
        token.set("bind", random.json(&BINDS));
    }
    if random.percent(18) {
        token.set("acr", json!(["phr"]));
    }
    if random.percent(18) {
        token.set("maxAge", "5m");
    }
    token.into()
}
