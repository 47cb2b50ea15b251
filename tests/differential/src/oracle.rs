//! The oracle's side.

use countersign_oracle::answer::{Changes, DECISION_ID, Denial};
use countersign_oracle::documents::Documents;
use countersign_oracle::suite::{self, Case};
use countersign_oracle::value::Value;
use countersign_oracle::{Decision, Request, World, accept};

use crate::answer::Answer;

/// Reads documents and visits every case.
///
/// # Errors
/// The case is out of the oracle's reach.
pub fn each(text: &str, visit: impl FnMut(&Case)) -> Result<(), String> {
    let mut documents = Documents::default();
    documents.read(text).map_err(|outside| outside.0)?;
    let world = World { documents, ..World::default() };
    suite::each(&world, visit).map_err(|outside| outside.0)
}

/// The answer to a case; or what is out of reach.
pub fn answer(case: &Case) -> Result<Answer, String> {
    let decision = case.decide().map_err(|outside| outside.0)?;
    let mut answer = Answer::default();
    match &decision.denial {
        None => allowed(&decision.changes, &case.request, &mut answer),
        Some(denial) => denied(&decision, denial, &case.request, &mut answer),
    }
    if let Some((policy, rule)) = &decision.rule {
        answer.set("rule", format!("{policy}/{rule}"));
    }
    for shadow in &decision.shadows {
        let (policy, rule) = &shadow.rule;
        answer.set(format!("shadow {policy}/{rule}"), format!("unknown={} changes={}", shadow.unknown, shadow.changes));
    }
    Ok(answer)
}

fn allowed(changes: &Changes, request: &Request, answer: &mut Answer) {
    answer.set("decision", "allow");
    for (name, value) in &changes.headers {
        answer.set(format!("header {name}"), value);
    }
    for (name, value) in &changes.response_headers {
        answer.set(format!("response header {name}"), value);
    }
    for (name, value) in &changes.query {
        answer.set(format!("parameter {name}"), value);
    }
    for (name, value) in &changes.metadata {
        answer.set(format!("metadata {name}"), json(value));
    }
    if let Some((header, claims)) = &changes.assertion {
        answer.set("assertion", header);
        for (name, value) in claims {
            answer.set(format!("assertion claim {name}"), json(value));
        }
    }
    let names = request.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    for name in names.chain(["authorization".to_owned()]).filter(|name| changes.removes(name)) {
        answer.set(format!("removed header {name}"), "yes");
    }
    for name in &changes.removed_query {
        answer.set(format!("removed parameter {name}"), "yes");
    }
}

/// The answer to a denied caller.
pub fn denied(decision: &Decision, denial: &Denial, request: &Request, answer: &mut Answer) {
    answer.set("decision", "deny");
    answer.set("reason", decision.reason.unwrap_or("-"));
    answer.set("status", denial.status);
    if let Some(status) = denial.grpc {
        answer.set("answer grpc-status", status);
        let message = denial.text.as_ref().unwrap_or(&denial.word);
        answer.set("answer grpc-message", format!("{message} (decision {DECISION_ID})"));
    } else if accept::wants_json(request) {
        answer.set("body error", &denial.word);
        if let Some(text) = &denial.text {
            answer.set("body message", text);
        }
        for (name, value) in &denial.members {
            answer.set(format!("body {name}"), value.text().map_or_else(|| json(value), str::to_owned));
        }
    }
    if let Some(challenge) = denial.www_authenticate() {
        answer.set("answer www-authenticate", challenge);
    }
    if let Some(location) = &denial.location {
        answer.set("answer location", location);
    }
    if let Some(cookie) = &denial.cleared {
        answer.set("cleared cookie", cookie);
    }
    for (name, value) in &denial.headers {
        answer.set(format!("answer {name}"), value);
    }
}

/// A value as JSON text.
pub fn json(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.decimal().unwrap_or_default(),
        Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::List(list) => format!("[{}]", list.iter().map(json).collect::<Vec<_>>().join(",")),
        Value::Map(members) => {
            let member = |(name, value): &(String, Value)| format!("{}:{}", serde_json::Value::from(name.as_str()), json(value));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}
