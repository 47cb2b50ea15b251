//! Cases derived by hand from the tables of `docs/policy.md` and its neighbours, without the program. Each names the page's words.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;

use common::world;
use countersign_oracle::documents::Documents;
use countersign_oracle::suite;
use countersign_oracle::value::Value;
use countersign_oracle::{ClientAddress, Decision, Identity, World, decide_as};

mod callers;
mod decisions;
mod requests;

pub(crate) const ISSUERS: &str = "
kind: TokenIssuer
metadata: { name: corp }
spec: { issuer: https://login.example.com, audiences: [orders], algorithms: [ES256], keys: { inline: '{}' } }
---
kind: TokenIssuer
metadata: { name: sessions }
spec: { issuer: https://account.example.com, audiences: [desk], algorithms: [ES256], keys: { inline: '{}' }, tokens: [{ cookie: session }] }
";

/// Reads one value of YAML.
pub(crate) fn yaml(text: &str) -> Value {
    let mut documents = Documents::default();
    documents.read(&format!("kind: X\nspec: {text}")).unwrap();
    documents.of("X")[0].spec.clone()
}

/// One policy with a target and rules, in flow style.
pub(crate) fn policy(target: &str, rules: &[&str]) -> World {
    let text = format!(
        "kind: Policy\nmetadata: {{ name: p }}\nspec:\n  target: {target}\n  rules:\n{}",
        rules.iter().map(|r| format!("    - {r}\n")).collect::<String>()
    );
    world(&[ISSUERS, &text])
}

pub(crate) const HOST: &str = "{ hosts: [a.example.com] }";

pub(crate) fn ask(world: &World, request: &str, peer: &str, token: &str) -> Result<Decision, String> {
    let asked = yaml(request);
    let mut world = world.clone();
    if let Some(client) = asked.text_of("client") {
        world.client_address = ClientAddress::Said(Some(client.to_owned()));
    }
    let mut request = suite::request(&asked);
    if request.host.is_empty() {
        request.host = "a.example.com".to_owned();
    }
    request.map = asked.is_true("map");
    let mut identity = Identity::default();
    if !peer.is_empty() {
        identity.peer = Some(suite::peer(&yaml(peer)));
    }
    if !token.is_empty() {
        suite::token(&world, &request, &yaml(token), &mut identity);
    }
    decide_as(&world, &request, &identity).map_err(|o| o.0)
}

/// `allow RULE`, `deny REASON RULE`, or `outside`.
pub(crate) fn say(decision: &Result<Decision, String>) -> String {
    match decision {
        Err(what) => format!("outside {what}"),
        Ok(d) => {
            let rule = d.rule.as_ref().map_or("-", |(_, r)| r);
            if d.allow { format!("allow {rule}") } else { format!("deny {} {rule}", d.reason.unwrap_or("-")) }
        }
    }
}

#[track_caller]
pub(crate) fn check(world: &World, request: &str, peer: &str, token: &str, wanted: &str) {
    assert_eq!(say(&ask(world, request, peer, token)), wanted, "{request} {peer} {token}");
}

/// An open rule with one more demand.
pub(crate) fn open(demand: &str) -> World {
    policy(HOST, &[&format!("{{ name: r, effect: allow, public: true, {demand} }}")])
}

/// Cases of one demand of an open allow rule.
#[track_caller]
pub(crate) fn table(demand: &str, rows: &[(&str, &str)]) {
    let world = open(demand);
    for (request, wanted) in rows {
        check(&world, request, "", "", wanted);
    }
}
