//! A policy with every key of rules, as the other tier has them, and requests for it: what Envoy's bytes become before rules look at them.

use serde_json::{Value, json};

use crate::random::{Members, Random};
use crate::world::{policy, requests};

/// The name of its document.
pub const NAME: &str = "p2";

/// The token that a rule asks for, without signals: nothing here remembers the uses of tokens.
pub fn without_signals(mut token: Value) -> Value {
    if let Some(own) = token.as_object_mut() {
        own.remove("signals");
    }
    token
}

/// The policy. Nothing here signs assertions.
pub fn policy(random: &mut Random) -> Value {
    let mut policy = policy::policy(random, 2);
    for rule in policy["spec"]["rules"].as_array_mut().into_iter().flatten() {
        let Some(rule) = rule.as_object_mut() else { continue };
        if let Some(token) = rule.remove("token") {
            rule.insert("token".to_owned(), without_signals(token));
        }
        let inject = rule.get_mut("inject").and_then(Value::as_object_mut);
        let is_empty = inject.is_some_and(|inject| inject.remove("assertion").is_some() && inject.is_empty());
        if is_empty {
            rule.remove("inject");
        }
    }
    policy
}

/// A request that is about such a policy: its host, path, method, header lines, connection and context.
pub fn request(random: &mut Random, ask: &mut Members, documents: &[Value]) {
    let policy = documents.iter().find(|own| own["metadata"]["name"] == NAME);
    let request = requests::request(random, &policy.map(requests::templates).unwrap_or_default());
    for key in ["host", "path", "method", "scheme", "sni", "contextExtensions"] {
        if !request[key].is_null() {
            ask.set(key, request[key].clone());
        }
    }
    // An address comes with a port, but for a pipe.
    match request["destination"].as_str().and_then(|to| to.rsplit_once(':')) {
        Some((address, port)) => ask.set("to", json!([address.trim_matches(['[', ']']), port.parse::<u16>().unwrap_or_default()])),
        None if random.percent(10) => ask.set("to", json!([])),
        None => {}
    }
    let headers: Vec<Value> = request["headers"].as_object().into_iter().flatten().map(|(name, line)| json!([name, line])).collect();
    if !headers.is_empty() {
        ask.set("headers", headers);
    }
}

/// Claims that such rules look at.
pub fn claims(random: &mut Random, claims: &mut Value) {
    for (name, values) in [
        ("plan", &["\"gold\"", "\"gold\"", "\"tin\"", "5", "\"a,b\"", "\"@null\""][..]),
        ("level", &["3", "\"3\"", "1", "\"@null\"", "true"]),
        ("groups", &[r#"["x"]"#, r#"["y"]"#, "[]", "\"x\"", r#"["x", 3]"#]),
        ("ok", &["true", "false"]),
        ("uri", &["\"https://p.example/w\"", "\"spiffe://prod.example/ns/web/sa/front\""]),
    ] {
        if random.percent(60) {
            claims[name] = random.json(values);
        }
    }
}
