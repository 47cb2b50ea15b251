//! `inject`, `remove` and `deny`.

use serde_json::{Value, json};

use crate::random::{Members, Random};

use super::conditions::About;

const OF_REQUEST: [&str; 6] =
    ["{request.method}", "{decision.rule}", "{decision.policy}", "{request.host}", "fixed {{x}}", "{decision.id}"];

const OF_TOKEN: [&str; 18] = [
    "{token.sub}",
    "{token.client}",
    "{token.iss}",
    "{token.jti}",
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
const IN_QUERY: [&str; 10] = [
    "{token.sub}",
    "{token.client}",
    "{token.claims./plan}",
    "{token.claims./level}",
    "{token.sub|base64url}",
    "{token.claims./plan|percent}",
    "{token.claims./plan|percent}.{token.sub}",
    "{token.sub|percent}.{token.claims./plan}",
    "{token.claims./groups|json|base64url}",
    "{token.claims./o|json|percent}",
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
        let value = if about.token { random.pick(&OF_TOKEN[..11]) } else { random.pick(&OF_PEER) };
        inject.set("assertion", json!({ "header": "x-assertion", "audience": "orders", "claims": { "tenant": value } }));
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
        let to = random.pick(&["/login", "https://login.example.com/", "https://a.example.com/a/b", "/a?x=1"]);
        let mut redirect = Members::default();
        redirect.set("to", to);
        if random.percent(50) {
            redirect.set("status", random.pick(&[302, 303, 307]));
        }
        if random.percent(30) {
            redirect.set("for", "every");
        }
        deny.set("redirect", Value::from(redirect));
    }
    if deny.is_empty() || random.percent(40) {
        deny.set("clearCookie", json!({ "name": "session" }));
    }
    deny.into()
}
