//! Who asks, as suites state it: peers at every level of evidence, tokens of every issuer, and credentials that were refused.

use countersign::reason::Reason;
use serde_json::{Value, json};

use crate::excused;
use crate::random::{Members, Random};

/// A reason for which a credential was refused.
fn reason(random: &mut Random) -> &'static str {
    let stated: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).filter(|code| excused::reason(code).is_none()).collect();
    random.pick(&stated)
}

/// The peers of a suite.
pub fn peers(random: &mut Random) -> Value {
    let front = "spiffe://prod.example/ns/web/sa/front";
    let mut peers = Members::default();
    for level in ["asserted", "hash", "leaf", "full"] {
        peers.set(level, json!({ "trustDomain": "prod", "spiffe": front, "evidence": level }));
    }
    let with_names =
        json!({ "trustDomain": "prod", "spiffe": front, "dns": ["front.p.example", "G.p.example"], "uris": ["https://p.example/w"] });
    peers.set("names", with_names);
    peers.set("ops", json!({ "trustDomain": "prod", "spiffe": "spiffe://prod.example/ns/ops/sa/alice", "evidence": "leaf" }));
    peers.set(
        "partner",
        json!({ "trustDomain": "partner", "dns": ["g.p.example"], "uris": ["https://p.example/w"], "emails": ["a@p.example"],
            "ips": ["10.0.0.9"], "subject": "CN=g,O=P", "evidence": "leaf" }),
    );
    peers.set(
        "both",
        json!({ "trustDomain": "partner", "otherTrustDomains": ["other"], "dns": ["front.p.example"], "ips": ["2001:db8::7", "10.0.0.9"] }),
    );
    let lesser = json!({ "trustDomain": "prod", "spiffe": front, "dns": ["front.p.example"], "ips": ["10.0.0.9"], "evidence": "hash" });
    peers.set("lesser", lesser);
    peers.set("refused", json!({ "rejected": reason(random) }));
    peers.into()
}

/// The names of the peers, those that are likely to get far more often.
pub const PEERS: [&str; 15] =
    ["none", "none", "none", "asserted", "hash", "hash", "leaf", "full", "names", "ops", "partner", "both", "both", "lesser", "refused"];

/// How many tokens a suite has.
const TOKENS: usize = 12;

/// The name of one of the tokens, or none.
pub fn token_name(random: &mut Random) -> String {
    if random.percent(18) { "none".to_owned() } else { format!("t{}", random.between(0, TOKENS - 1)) }
}

/// The tokens of a suite at a moment.
pub fn tokens(random: &mut Random, now: &str) -> Value {
    let mut tokens = Members::default();
    for number in 0..TOKENS {
        tokens.set(&format!("t{number}"), token(random, now));
    }
    tokens.into()
}

fn token(random: &mut Random, now: &str) -> Value {
    match random.between(0, 19) {
        0 => return json!({ "rejected": reason(random) }),
        1 | 2 => return json!({ "rejected": reason(random), "cookie": "session", "issuer": "sessions" }),
        3 => return json!({ "foreign": true }),
        _ => {}
    }
    let mut token = Members::default();
    let issuer = random.pick(&["corp", "corp", "corp", "corp", "sessions", "mesh", "cloud"]);
    token.set("issuer", issuer);
    let mut claims = claims(random, now);
    if issuer == "cloud" {
        claims["iss"] = json!(random.pick(&[
            "https://cloud.example.com/acme/v2",
            "https://cloud.example.com/eu-1/v2",
            "https://cloud.example.com/eu-x.y/v2"
        ]));
    }
    token.set("claims", claims);
    if random.percent(45) {
        token.set("binding", random.pick(&["none", "certificate", "dpop"]));
    }
    match random.between(0, 9) {
        0 => token.set("signals", random.some(&["token_peers", "token_addresses"], 2)),
        1 => token.set("unknownSignals", random.some(&["token_peers", "token_addresses"], 2)),
        2 => {
            token.set("signals", json!(["token_peers"]));
            token.set("unknownSignals", json!(["token_addresses"]));
        }
        _ => {}
    }
    token.into()
}

fn claims(random: &mut Random, now: &str) -> Value {
    let mut claims = Members::default();
    if random.percent(92) {
        claims.set("sub", random.pick(&["alice", "alice", "bob", "s:web:front", "s:web", "\u{e9}", "b", ""]));
    }
    if random.percent(70) {
        claims.set(
            "scope",
            random.json(&[
                "\"read\"",
                "\"read:* write\"",
                "\"read write:*\"",
                "\"read write\"",
                "\"read write admin\"",
                "\"admin\"",
                "\"\"",
                "\"reader\"",
            ]),
        );
    } else if random.percent(30) {
        claims.set("scp", random.json(&[r#"["read", "write"]"#, r#""read write""#]));
    }
    for (name, percent, values) in [
        ("client_id", 45, &["\"front\"", "\"back\"", "\"a/b\"", "\"\"", "\"..\""][..]),
        ("azp", 20, &["\"front\""]),
        ("appid", 20, &["\"front\"", "\"back\"", "7"]),
        ("level", 60, &["3", "3", "\"3\"", "3.0", "3.5", "1", "null", "1e20", "1e20", "9007199254740993", "true", "-3"]),
        ("plan", 60, &["\"gold\"", "\"gold\"", "\"tin\"", "5", "null", "\"a b\"", "\"a,b\"", "\"\"", "\"%41\"", "\" x\"", "[\"gold\"]"]),
        (
            "groups",
            55,
            &[r#"["x"]"#, r#"["x"]"#, r#"["y"]"#, "[]", "\"x\"", r#"["x", 3]"#, r#"[3, "y"]"#, r#"["a,b"]"#, "null", r#"[null, "x"]"#],
        ),
        ("aud", 45, &[r#"["orders", "aux"]"#, "\"orders\"", r#"["orders"]"#, "\"aux\"", "\"\""]),
        ("acr", 40, &["\"phr\"", "\"phr\"", "\"pwd\"", "3", "null"]),
        ("ok", 35, &["true", "true", "false", "\"true\""]),
        ("o", 30, &[r#"{ "p": "q" }"#, "{}", "\"x\"", r#"{ "p": null }"#, "null"]),
        ("uri", 25, &["\"https://p.example/w\"", "\"https://p.example/v\"", "\"spiffe://prod.example/ns/web/sa/front\"", "7"]),
        ("a/b", 10, &["\"x\""]),
        ("jti", 30, &["\"j\""]),
        ("iss", 4, &["\"https://other.example.com\""]),
    ] {
        if random.percent(percent) {
            claims.set(name, random.json(values));
        }
    }
    let now = countersign::clock::UnixTime::from_rfc3339(now).map_or(0, |at| at.as_secs());
    if random.percent(40) {
        // Five minutes ago, and what is beside that; a minute ahead.
        let ago = random.pick(&[1, 299, 300, 301, 4000, -60, -61]);
        claims.set("auth_time", if random.percent(10) { random.json(&["\"x\"", "1767225500.5", "null"]) } else { json!(now - ago) });
    }
    if random.percent(30) {
        claims.set("exp", now + random.pick(&[1_i64, 59, 60, 3600]));
    }
    claims.into()
}
