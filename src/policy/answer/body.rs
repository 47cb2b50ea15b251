//! Bodies of denials.

use serde_json::{Map, Value, json};

use super::accept::Form;
use crate::reason::ClientAnswer;

/// A word from a fixed vocabulary and the decision id: nothing that a prober could learn from.
pub(super) fn body(form: Form, answer: ClientAnswer, id: &str) -> String {
    match form {
        Form::Json => lines(&json!({ "error": answer.word(), "decision_id": id })),
        Form::Problem => lines(&Value::Object(problem(answer, id))),
        Form::Text => format!("{} (decision {id})\n", title(answer)),
    }
}

/// RFC 9457 section 4.2.1: of the type `about:blank`, whose title is the status in words.
fn problem(answer: ClientAnswer, id: &str) -> Map<String, Value> {
    let members = [
        ("type", json!("about:blank")),
        ("title", json!(title(answer))),
        ("status", json!(answer.status())),
        ("error", json!(answer.word())),
        ("decision_id", json!(id)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What clients of gRPC show for the status.
pub(super) fn grpc_message(answer: ClientAnswer, id: &str) -> String {
    format!("{} (decision {id})", answer.word())
}

fn lines(body: &Value) -> String {
    format!("{body}\n")
}

/// The status in the words of RFC 9110 section 15.
fn title(answer: ClientAnswer) -> &'static str {
    let status = http::StatusCode::from_u16(answer.status()).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("Denied")
}
