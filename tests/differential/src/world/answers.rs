//! `inject`, `remove` and `deny`.

use serde_json::{Value, json};

use crate::random::{Members, Random};

use super::conditions::About;

const OF_REQUEST: [&str; 6] =
    ["{request.method}", "{decision.rule}", "{decision.policy}", "{request.host}", "fixed {{x}}", "{decision.id}"];

const OF_TOKEN: [&str; 20] = [
    "{token.sub}",
    "{token.client}",
    "{token.iss}",
    "{token.jti}",
    "{token.tenant}",
    "t-{token.tenant|base64url}",
    "{token.claims./level}",
    "{token.claims./level}",
    "{token.claims./groups}",
    "{token.claims./plan}",
    "{token.claims./o}",
    "{token.claims./o/p}",
    "{token.claims./ok}",
    "l={token.claims./level};{token.sub}",
    "{token.sub|base64url}",
    "{token.claims./plan|hex}",
    "{token.claims./groups|json}",
    "{token.claims./o|json}",
    "{token.claims./plan|rfc8187}",
    "n {token.claims./level|json|percent}",
];

const OF_PEER: [&str; 8] = [
    "{peer.spiffe}",
    "{peer.trustDomain}",
    "{peer.trustDomain}",
    "{peer.dns}",
    "{peer.ips}",
    "{peer.spiffe|base64url}",
    "by {peer.trustDomain}",
    "{peer.dns|json}",
];

/// Values that can be set in a query.
const IN_QUERY: [&str; 11] = [
    "{token.sub}",
    "{token.client}",
    "{token.tenant}",
    "{token.claims./plan}",
    "{token.claims./level}",
    "{token.sub|base64url}",
    "{token.claims./plan|percent}",
    "{token.claims./plan|percent}.{token.sub}",
    "{token.sub|percent}.{token.claims./plan}",
    "{token.claims./groups|json|base64url}",
    "{token.claims./o|json|percent}",
];

/// Places to send browsers to: others, and those that they ask for.
const TO: [&str; 11] = [
    "/login",
    "https://login.example.com/",
    "https://a.example.com/a/b",
    "https://a.example.com/a/b#x",
    "https://A.example.com:8443/a/b?x=1",
    "https://a.example.com.",
    "https://a.example.com?x=1",
    "https://b.example.com:8443",
    "/a?x=1",
    "/a#x",
    "/",
];

/// The values that an allow sets.
pub fn inject(random: &mut Random, about: About) -> Value {
    let mut values = OF_REQUEST.to_vec();
    (0..2).filter(|_| about.token).for_each(|_| values.extend(OF_TOKEN));
    (0..2).filter(|_| about.peer).for_each(|_| values.extend(OF_PEER));
    (0..4).filter(|_| about.capture).for_each(|_| values.push("{request.path.id}"));
    let entries = |random: &mut Random, names: &[&str]| {
        let mut members = Members::default();
        for name in random.some(names, 2) {
            members.set(&name, random.pick(&values));
        }
        Value::from(members)
    };
    let mut inject = Members::default();
    if random.percent(70) {
        inject.set("headers", entries(random, &["x-user", "X-Tag", "x-a-role"]));
    }
    if random.percent(25) {
        inject.set("responseHeaders", entries(random, &["x-note", "X-Told"]));
    }
    if random.percent(30) {
        inject.set("metadata", entries(random, &["who", "tenant"]));
    }
    if (about.peer || about.token) && random.percent(20) {
        let value = if about.token { random.pick(&OF_TOKEN[..13]) } else { random.pick(&OF_PEER) };
        inject.set("assertion", json!({ "header": "x-assertion", "audience": "orders", "lifetime": "1m", "claims": { "tenant": value } }));
    }
    if inject.is_empty() || random.percent(25) {
        let value = if about.token { random.pick(&IN_QUERY) } else { "{request.method}" };
        inject.set("query", json!({ "tenant": value }));
    }
    inject.into()
}

/// The names that an allow removes.
pub fn remove(random: &mut Random, token: bool) -> Value {
    let mut remove = Members::default();
    if token && random.percent(50) {
        remove.set("token", true);
    }
    if random.percent(60) {
        remove.set("headers", random.some(&["x-debug", "authorization", "x-a"], 2));
    }
    if remove.is_empty() || random.percent(50) {
        remove.set("query", random.some(&["debug", "dry-run"], 2));
    }
    remove.into()
}

/// The answer to a denied caller.
pub fn deny(random: &mut Random) -> Value {
    let mut deny = Members::default();
    if random.percent(50) {
        deny.set("status", random.pick(&[404, 401, 403, 400, 410]));
    }
    if random.percent(30) {
        deny.set("body", json!({ "text": "Ask {decision.id}.", "json": { "code": "DENIED", "word": "{decision.word}" } }));
    }
    if random.percent(30) {
        deny.set("headers", json!({ "X-Contact": "platform {decision.word}" }));
    }
    if random.percent(40) {
        let to = random.pick(&TO);
        let mut redirect = Members::default();
        redirect.set("to", to);
        if random.percent(50) {
            redirect.set("status", random.pick(&[302, 303, 307]));
        }
        if random.percent(35) {
            redirect.set("for", random.pick(&["every", "every", "unauthenticated"]));
        }
        deny.set("redirect", Value::from(redirect));
    }
    if deny.is_empty() || random.percent(40) {
        let clear = [r#"{ "name": "session" }"#, r#"{ "name": "session", "path": "/app", "domain": "example.com" }"#];
        deny.set("clearCookie", random.json(&clear));
    }
    deny.into()
}
