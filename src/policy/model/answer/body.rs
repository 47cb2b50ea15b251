//! Bodies of denials.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::CustomAnswer;
use super::accept::MediaForm;
use crate::reason::ClientAnswer;

/// The contents of a denial: a word, the decision id, and the text of a document. A prober can learn nothing from it.
pub(super) struct Words<'a> {
    pub(super) answer: ClientAnswer,
    /// The status that the caller gets.
    pub(super) status: u16,
    pub(super) custom: Option<&'a CustomAnswer>,
    pub(super) id: &'a str,
}

/// The gRPC protocol over HTTP/2, `Status-Message`: all but visible ASCII, and `%` itself.
const GRPC_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

impl Words<'_> {
    pub(super) fn body(&self, form: MediaForm) -> String {
        match form {
            MediaForm::Json => self.with_document(self.members([]), "message"),
            // RFC 9457 section 4.2.1: of the type `about:blank`, whose title is the status in words.
            MediaForm::Problem => {
                let head = [
                    ("type", json!("about:blank")),
                    ("title", json!(title(self.status))),
                    ("status", json!(self.status)),
                ];
                self.with_document(self.members(head), "detail")
            }
            MediaForm::Text => {
                let text = self.text().unwrap_or_else(|| title(self.status).to_owned());
                format!("{text} (decision {})\n", self.id)
            }
        }
    }

    /// A text of the document, with what every denial tells in its places: letters, digits and `_`, which end nothing.
    pub(super) fn fill(&self, text: &str) -> String {
        let [id, word] = CustomAnswer::VARIABLES;
        match text.contains("{decision.") {
            true => text.replace(id, self.id).replace(word, &self.word()),
            false => text.to_owned(),
        }
    }

    fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(values) => values.iter().map(|value| self.fill_value(value)).collect(),
            Value::Object(members) => {
                let filled = members.iter().map(|(name, own)| (name.clone(), self.fill_value(own)));
                Value::Object(filled.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// The message that gRPC clients show for the status.
    pub(super) fn grpc_message(&self) -> String {
        let word = self.word();
        let text = self.text().unwrap_or(word);
        let message = format!("{text} (decision {})", self.id);
        utf8_percent_encode(&message, GRPC_MESSAGE).to_string()
    }

    /// The code of `google.rpc.Code`: that of the answer, but for a status of the document that says something else.
    pub(super) fn grpc_status(&self) -> i32 {
        match (self.has_own_status(), self.status) {
            (true, 400) => 3,
            (true, 401) => 16,
            (true, 404 | 410) => 5,
            (true, 409) => 10,
            (true, 429) => 8,
            (true, _) => 7,
            (false, _) => self.answer.grpc_status(),
        }
    }

    fn members<const N: usize>(&self, head: [(&str, Value); N]) -> Map<String, Value> {
        let own = [("error", json!(self.word())), ("decision_id", json!(self.id))];
        head.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// `members` with those of the document, which compiling keeps from being the decision id.
    fn with_document(&self, mut members: Map<String, Value>, message: &str) -> String {
        if let Some(text) = self.text() {
            members.insert(message.to_owned(), json!(text));
        }
        let own = self.custom.into_iter().flat_map(|custom| &custom.json);
        members.extend(own.map(|(name, value)| (name.clone(), self.fill_value(value))));
        format!("{}\n", Value::Object(members))
    }

    fn text(&self) -> Option<String> {
        self.custom.and_then(|custom| custom.text.as_deref()).map(|text| self.fill(text))
    }

    /// A status that says something else than the answer comes with its own word, or it would give the answer away.
    fn word(&self) -> String {
        if self.has_own_status() {
            return title(self.status).to_ascii_lowercase().replace([' ', '-'], "_");
        }
        self.answer.as_str().to_owned()
    }

    fn has_own_status(&self) -> bool {
        self.custom.is_some_and(|custom| custom.status.is_some_and(|s| s != self.answer.status()))
    }
}

/// The status in the words of RFC 9110 section 15.
fn title(status: u16) -> &'static str {
    let status = http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("Denied")
}
