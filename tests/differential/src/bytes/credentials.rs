//! Tokens and proofs of a request, as they should be, or wrong in one or two ways.

use serde_json::{Value, json};

use super::every_key;
use super::pool::now;
use super::providers::{self, CLOUD};
use crate::random::{Members, Random};

/// Changes to a good token, each with where it is made.
const TOKEN_FAULTS: [(&str, &str); 56] = [
    ("exp", "1767225599"),
    ("exp", "1767225570"),
    ("exp", "1767225600.5"),
    ("exp", "null"),
    ("exp", "\"x\""),
    ("exp", "1e30"),
    ("exp", "1768225600"),
    ("nbf", "1767225601"),
    ("nbf", "1767225631"),
    ("iat", "1767225660"),
    ("iat", "1767225000"),
    ("iat", "1767224999.5"),
    ("iat", "-1"),
    ("iat", "null"),
    ("aud", "\"billing\""),
    ("aud", "[\"billing\", \"orders\"]"),
    ("aud", "[]"),
    ("aud", "7"),
    ("aud", "null"),
    ("iss", "\"https://login.example.com/\""),
    ("iss", "\"https://other.example.com\""),
    ("iss", "7"),
    ("iss", "null"),
    ("sub", "\"bob\""),
    ("sub", "7"),
    ("sub", "\"s:web:front\""),
    ("jti", "\"j1\""),
    ("jti", "null"),
    ("sid", "\"s1\""),
    ("client_id", "\"back\""),
    ("client_id", "\"a/b\""),
    ("azp", "\"back\""),
    ("scope", "\"admin\""),
    ("scope", "null"),
    ("o", "{ \"p\": \"q\" }"),
    ("nonce", "\"n\""),
    ("typ", "\"Refresh\""),
    ("typ", "\"ID\""),
    ("token_use", "\"access\""),
    ("token_type", "\"at\""),
    ("at_hash", "\"h\""),
    ("events", "{}"),
    ("purpose", "\"id\""),
    ("cnf", "{ \"x5t#S256\": \"@x5t:front@prod\" }"),
    ("cnf", "{ \"x5t#S256\": \"@x5t:ops@prod\" }"),
    ("cnf", "{ \"jkt\": \"@jkt:dpop-1\" }"),
    ("cnf", "{ \"x5t\": \"x\" }"),
    ("cnf", "7"),
    ("cnf", "\"@null\""),
    ("cnf", "{ \"kc-jkt-type\": \"x\", \"jkt\": \"@jkt:dpop-1\" }"),
    ("cnf", "{ \"x5t#S256\": \"@x5t:front@prod\", \"jkt\": \"@null\" }"),
    ("cnf", "{ \"x5t#S256\": \"@x5t:front@prod\", \"jkt\": \"@jkt:dpop-1\" }"),
    ("exp", "\"@null\""),
    ("scope", "\"@null\""),
    ("client_id", "\"@null\""),
    ("cid", "\"back\""),
];

const HEADER_FAULTS: [(&str, &str); 23] = [
    ("kid", "\"k2\""),
    ("kid", "\"k3\""),
    ("kid", "\"k4\""),
    ("kid", "\"k9\""),
    ("kid", "null"),
    ("kid", "7"),
    ("kid", "\"@null\""),
    ("alg", "\"none\""),
    ("alg", "\"HS256\""),
    ("alg", "\"EdDSA\""),
    ("alg", "\"ES384\""),
    ("alg", "\"RS256\""),
    ("alg", "null"),
    ("typ", "\"JWT\""),
    ("typ", "\"at+jwt\""),
    ("typ", "\"application/at+jwt\""),
    ("typ", "\"AT+JWT\""),
    ("typ", "\"dpop+jwt\""),
    ("typ", "null"),
    ("crit", "[\"x\"]"),
    ("cty", "\"JWT\""),
    ("jku", "\"https://evil.example.com\""),
    ("jwk", "\"@jwk:stray\""),
];

/// The keys that may sign in the place of the right one.
const KEYS: [(&str, &str, &str); 9] = [
    ("corp-2", "k2", "ES256"),
    ("corp-2", "@null", "ES256"),
    ("stray", "@null", "ES256"),
    ("corp-ed", "k3", "EdDSA"),
    ("corp-384", "k5", "ES384"),
    ("corp-enc", "k4", "ES256"),
    ("stray", "k1", "ES256"),
    ("public", "k1", "HS256"),
    ("secret", "k1", "HS256"),
];

const EDITS_OF_TOKENS: [&str; 7] = ["flip", "claims", "unsigned", "two", "padded", "zero", "repeat"];

/// A token of an issuer, wrong in none, one or two ways.
fn token(random: &mut Random, issuer: &str) -> Value {
    let (iss, mut key, kid, alg) = match issuer {
        "sessions" => ("https://account.example.com", "sessions-1", None, "ES256"),
        "mesh" => ("", "mesh-1", Some("m1"), "ES256"),
        "hooks" => ("https://hooks.example.com", "secret", random.pick(&[None, Some("s1")]), "HS256"),
        "stranger" => ("https://other.example.com", "stray", Some("k1"), "ES256"),
        _ => ("https://login.example.com", "corp-1", Some("k1"), "ES256"),
    };
    let mut header = json!({ "alg": alg, "typ": random.pick(&["JWT", "at+jwt"]) });
    header["kid"] = kid.map_or(Value::Null, Value::from);
    let mut claims = json!({ "sub": random.pick(&["alice", "alice", "s:web:front"]), "aud": "orders", "iat": now() - 60, "exp": now() + 600, "client_id": "front",
        "scope": random.pick(&["read", "read write", "admin"]), "jti": format!("j{}", random.between(1, 9)) });
    match issuer {
        CLOUD => {
            let (signer, id, own) = providers::token(random);
            (key, header["kid"], claims) = (signer, id.map_or(Value::Null, Value::from), own);
        }
        "mesh" => {
            claims["sub"] = json!(random.pick(&[
                "spiffe://prod.example/ns/web/sa/front",
                "spiffe://prod.example/ns/ops/sa/alice",
                "spiffe://else.example/x"
            ]))
        }
        _ => claims["iss"] = json!(iss),
    }
    for (name, percent, values) in [
        ("nbf", 25, [json!(now() - 60), json!(now() - 60)]),
        ("acr", 25, [json!("phr"), json!("pwd")]),
        ("auth_time", 25, [json!(now() - 240), json!(now() - 4000)]),
    ] {
        if random.percent(percent) {
            claims[name] = values[random.between(0, 1)].clone();
        }
    }
    if random.percent(30) {
        every_key::claims(random, &mut claims);
    }
    let mut spec = json!({ "key": key });
    let faults = match random.between(0, 99) {
        // Half of these have faults of their own.
        60..80 if issuer == CLOUD => 0,
        0..60 => 0,
        60..88 => 1,
        _ => 2,
    };
    for _ in 0..faults {
        fault(random, &mut spec, &mut header, &mut claims);
    }
    for part in [&mut header, &mut claims] {
        if let Some(members) = part.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
    }
    (spec["header"], spec["claims"]) = (header, claims);
    spec
}

fn fault(random: &mut Random, spec: &mut Value, header: &mut Value, claims: &mut Value) {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    match random.between(0, 19) {
        0..=11 => {
            let (name, value) = random.pick(&TOKEN_FAULTS);
            claims[name] = read(value);
        }
        12..=14 => {
            let (name, value) = random.pick(&HEADER_FAULTS);
            header[name] = read(value);
        }
        15..=17 => {
            let (key, kid, alg) = random.pick(&KEYS);
            (spec["key"], header["kid"], header["alg"]) = (json!(key), json!(kid), json!(alg));
        }
        _ => spec["edit"] = json!(random.pick(&EDITS_OF_TOKENS)),
    }
}

/// A proof of possession, wrong in none, one or two ways.
fn proof(random: &mut Random, number: usize, at: i64, url: &str) -> Value {
    let mut header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": "@jwk:dpop-1" });
    let mut claims = json!({ "jti": format!("p{number}"), "htm": "GET", "htu": url, "iat": at, "ath": "@ath" });
    let mut key = "dpop-1";
    let faults = if random.percent(60) { 0 } else { random.between(1, 2) };
    for _ in 0..faults {
        match random.between(0, 13) {
            0 => claims["htm"] = json!("POST"),
            1 => claims["htu"] = json!("https://b.example.com/"),
            2 => claims["htu"] = json!(format!("{url}?x=1#y")),
            3 => claims["ath"] = json!("x"),
            4 => claims["iat"] = json!(at + random.pick(&[-91, -90, -61, 30, 31, 60])),
            5 => claims["jti"] = Value::Null,
            6 => key = "dpop-2",
            7 => (key, header["jwk"]) = ("dpop-2", json!("@jwk:dpop-2")),
            8 => header["typ"] = json!(random.pick(&["JWT", "DPOP+JWT"])),
            9 => header["alg"] = json!("HS256"),
            10 => (key, header["alg"], header["jwk"]) = ("dpop-ed", json!("EdDSA"), json!("@jwk:dpop-ed")),
            11 => claims["iat"] = json!("x"),
            12 => claims["jti"] = json!("p0"),
            _ => claims["ath"] = Value::Null,
        }
    }
    if let Some(members) = claims.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    json!({ "key": key, "header": header, "claims": claims })
}

/// The tokens of a request.
pub fn tokens(random: &mut Random, ask: &mut Members, caller: Option<&str>) {
    let mut list = Vec::new();
    for _ in 0..random.pick(&[0, 0, 1, 1, 1, 1, 1, 2]) {
        let issuer =
            random.pick(&["corp", "corp", "corp", "corp", "sessions", "sessions", "mesh", "hooks", CLOUD, CLOUD, CLOUD, "stranger"]);
        let usual = match issuer {
            "sessions" => json!({ "cookie": "session" }),
            "mesh" => json!({ "header": "x-svid" }),
            "hooks" => json!({ "header": "x-hook" }),
            CLOUD => json!({ "header": "x-cloud" }),
            _ => random.json(&[
                r#"{ "authorization": "Bearer" }"#,
                r#"{ "authorization": "Bearer" }"#,
                r#"{ "authorization": "Bearer" }"#,
                r#"{ "authorization": "bearer" }"#,
                r#"{ "header": "x-token" }"#,
                r#"{ "query": "access_token" }"#,
                r#"{ "cookie": "session" }"#,
                r#"{ "name": "x-auth", "word": "bearer " }"#,
                r#"{ "name": "authorization", "word": "JWT " }"#,
                r#"{ "name": "authorization", "word": "" }"#,
                r#"{ "protocols": "chat, access_token, @" }"#,
                r#"{ "protocols": "b64.@64, chat" }"#,
            ]),
        };
        let odd = [
            r#"{ "authorization": "Basic" }"#,
            r#"{ "authorization": "DPoP" }"#,
            r#"{ "header": "x-svid" }"#,
            r#"{ "cookie": "session" }"#,
            r#"{ "protocols": "b64.@, chat" }"#,
            r#"{ "protocols": "access_token" }"#,
            r#"{ "name": "x-auth", "word": "JWT " }"#,
        ];
        let place = if random.percent(6) { random.json(&odd) } else { usual };
        let token = match random.between(0, 39) {
            0 => json!({ "text": random.pick(&["opaque", "eyJ", "eyJ.e30.x", "", "a b", "eyJhbGciOiJub25lIn0.e30."]) }),
            _ => {
                let token = token(random, issuer);
                bound(random, token, caller)
            }
        };
        // The very same token in another place is no second one.
        if random.percent(8) {
            let other = random.json(&[r#"{ "cookie": "session" }"#, r#"{ "header": "x-token" }"#, r#"{ "authorization": "Bearer" }"#]);
            list.push(json!({ "place": other, "token": token }));
        }
        list.push(json!({ "place": place, "token": token }));
    }
    if !list.is_empty() {
        ask.set("tokens", list);
    }
}

/// The token, bound to the caller's certificate now and then.
fn bound(random: &mut Random, mut token: Value, caller: Option<&str>) -> Value {
    if let Some(caller) = caller.filter(|_| random.percent(12)) {
        token["claims"]["cnf"] = json!({ "x5t#S256": format!("@x5t:{caller}") });
    }
    token
}

/// A token that is bound to a key, with its proof.
pub fn proven(random: &mut Random, ask: &mut Members, number: usize, at: i64) {
    let mut bound = token(random, "corp");
    if random.percent(92) {
        bound["claims"]["cnf"] = json!({ "jkt": "@jkt:dpop-1" });
    }
    let scheme = if random.percent(93) { "DPoP" } else { "Bearer" };
    ask.set("tokens", json!([{ "place": { "authorization": scheme }, "token": bound }]));
    let url = random.pick(&["https://a.example.com/", "https://a.example.com/", "https://a.example.com/", "https://shop.example.com/api/"]);
    let mut proofs = vec![proof(random, number, at, url)];
    match random.between(0, 19) {
        0 => proofs.clear(),
        1 => proofs.push(proof(random, number, at, url)),
        _ => {}
    }
    ask.set("proofs", proofs);
}
