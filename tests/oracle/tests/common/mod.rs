//! Runs `PolicySuite` documents through the oracle.
#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "each file of tests uses a part of it, and a test that cannot go on fails")]

use std::collections::BTreeMap;

use countersign_oracle::documents::moment;
use countersign_oracle::peer::Peer;
use countersign_oracle::token::{Binding, Place, Refused, Token, counting};
use countersign_oracle::value::Value;
use countersign_oracle::{ClientAddress, Decision, Evidence, Identity, Reason, Request, World, decide_as};

/// The reasons that suites name, as the oracle has them.
pub fn reason(name: &str) -> Reason {
    Box::leak(name.to_owned().into_boxed_str())
}

fn names(value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::Map(members) => members.iter().map(|(n, v)| (n.clone(), v.text().unwrap_or_default().to_owned())).collect(),
        _ => BTreeMap::new(),
    }
}

fn address(text: &str) -> (String, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host.trim_matches(['[', ']']).to_owned(), port.parse().ok()),
        _ => (text.to_owned(), None),
    }
}

pub fn request(value: &Value) -> Request {
    let text = |name: &str, default: &str| value.text_of(name).unwrap_or(default).to_owned();
    let headers = names(value.get("headers").unwrap_or(&Value::Null));
    Request {
        method: text("method", "GET"),
        host: text("host", ""),
        path: text("path", "/"),
        scheme: text("scheme", "https"),
        headers: headers.into_iter().map(|(n, v)| (n, v.into_bytes())).collect(),
        source: value.text_of("source").map(|s| address(s).0),
        destination: value.text_of("destination").map(address),
        sni: value.text_of("sni").map(str::to_owned),
        context: names(value.get("contextExtensions").unwrap_or(&Value::Null)),
        ..Request::default()
    }
}

pub fn peer(value: &Value) -> Result<Peer, Reason> {
    if let Some(why) = value.text_of("rejected") {
        return Err(reason(why));
    }
    let mut domains: Vec<String> = value.text_of("trustDomain").map(str::to_owned).into_iter().collect();
    domains.extend(value.texts("otherTrustDomains"));
    Ok(Peer {
        spiffe: value.text_of("spiffe").map(str::to_owned),
        domains,
        in_doubt: Vec::new(),
        evidence: value.text_of("evidence").and_then(Evidence::named).unwrap_or(Evidence::Full),
        dns: value.texts("dns"),
        uris: value.texts("uris"),
        emails: value.texts("emails"),
        ips: value.texts("ips"),
        subject: value.text_of("subject").map(str::to_owned),
        sha256: None,
        path: Vec::new(),
    })
}

pub fn token(world: &World, request: &Request, value: &Value, identity: &mut Identity) {
    let counting = counting(world, request);
    let issuer = value.text_of("issuer").unwrap_or_default().to_owned();
    if value.is_true("foreign") {
        match counting {
            Some(_) => identity.ignored.push("issuer_unknown"),
            None => identity.refused.push(Refused { reason: "issuer_unknown", cookie: None, issuers: Vec::new() }),
        }
    } else if !issuer.is_empty() && counting.is_some_and(|c| !c.contains(&issuer)) {
        identity.ignored.push("issuer_unknown");
    } else if let Some(why) = value.text_of("rejected") {
        let cookie = value.text_of("cookie").map(str::to_owned);
        identity.refused.push(Refused { reason: reason(why), cookie, issuers: vec![issuer] });
    } else {
        let document = world.documents.named("TokenIssuer", &issuer);
        let place = document.and_then(|d| d.spec.get("tokens")?.list()?.first().cloned());
        let place = place.and_then(|p| p.text_of("cookie").map(|c| Place::Cookie(c.to_owned()))).unwrap_or(Place::Authorization);
        let binding = match value.text_of("binding") {
            Some("certificate") => Binding::Certificate,
            Some("dpop") => Binding::Dpop,
            _ => Binding::None,
        };
        identity.tokens.push(Token {
            iss: document.and_then(|d| d.spec.text_of("issuer")).unwrap_or_default().to_owned(),
            issuer,
            claims: value.get("claims").cloned().unwrap_or(Value::Map(Vec::new())),
            binding,
            place,
            once: Vec::new(),
        });
    }
}

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
    for suite in world.documents.of("PolicySuite") {
        let mut world = world.clone();
        world.now = moment(suite.spec.text_of("now").unwrap_or("2026-01-01T00:00:00Z")).unwrap();
        for case in suite.spec.get("cases").and_then(Value::list).unwrap_or_default() {
            let several = |one: &str, many: &str| -> Vec<String> {
                let listed = case.texts(many);
                if listed.is_empty() { vec![case.text_of(one).unwrap_or("none").to_owned()] } else { listed }
            };
            let requests = case.get("requests").and_then(Value::list).map(<[_]>::to_vec);
            for asked in requests.unwrap_or_else(|| case.get("request").cloned().into_iter().collect()) {
                for peer_name in several("peer", "peers") {
                    for token_name in several("token", "tokens") {
                        let request = request(&asked);
                        world.client_address = match asked.text_of("client") {
                            Some(client) => ClientAddress::Said(Some(client.to_owned())),
                            None => ClientAddress::Connection,
                        };
                        let mut identity = Identity::default();
                        let named = |kind: &str, name: &str| suite.spec.get(kind).and_then(|k| k.get(name)).cloned();
                        identity.peer = named("peers", &peer_name).as_ref().map(peer);
                        if let Some(value) = named("tokens", &token_name) {
                            token(&world, &request, &value, &mut identity);
                        }
                        let name = format!(
                            "{}: {} [{} {} {peer_name} {token_name}]",
                            suite.name,
                            case.text_of("name").unwrap(),
                            request.method,
                            request.path
                        );
                        let decision = decide_as(&world, &request, &identity);
                        let expect = case.get("expect").cloned().unwrap();
                        runs.push(Run { case: case.text_of("name").unwrap().to_owned(), name, expect, decision });
                    }
                }
            }
        }
    }
    runs
}

/// What differs from what a case expects.
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
