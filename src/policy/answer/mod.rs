//! What a caller is told of a denial: a status, headers and a body from a fixed vocabulary, in the form it asked for. It names
//! no rule, no claim and no name of a certificate.

mod accept;
mod body;
mod challenge;

use std::borrow::Cow;

use crate::policy::Denial;
use crate::request::RequestView;

use self::accept::Form;

/// The answer to a caller whose request was denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; never one of success. Envoy turns it into 200 for gRPC, where `grpc-status` counts.
    pub status: u16,
    /// The headers, each to be set once.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body.
    pub body: String,
}

/// Tells the caller which decision to ask the operators about.
const DECISION_ID_HEADER: &str = "x-decision-id";

// === impl Answer ===

impl Answer {
    /// What the caller of `request` is told of `denial`, which is the decision called `id`.
    #[must_use]
    pub fn of(denial: &Denial, request: &RequestView, id: &str) -> Self {
        let answer = denial.rejection().reason().client_answer();
        let mut headers = vec![
            (Cow::from("cache-control"), "no-store".to_owned()),
            (Cow::from(DECISION_ID_HEADER), id.to_owned()),
        ];
        let challenge = challenge::challenge(answer, denial.needs());
        headers.extend(challenge.map(|value| (Cow::from("www-authenticate"), value)));
        let body = if is_grpc(request) {
            // Envoy keeps these, and drops the HTTP status: it would tell 429 as UNAVAILABLE otherwise.
            headers.push((Cow::from("grpc-status"), answer.grpc_status().to_string()));
            headers.push((Cow::from("grpc-message"), body::grpc_message(answer, id)));
            String::new()
        } else {
            let form = Form::wanted_by(&request.headers);
            headers.push((Cow::from("content-type"), form.content_type().to_owned()));
            body::body(form, answer, id)
        };
        Self { status: answer.status(), headers, body }
    }

    /// The value of the header `name`, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Whether Envoy takes the request for gRPC, as it does by the content type alone.
fn is_grpc(request: &RequestView) -> bool {
    let content_type = request.headers.single("content-type").ok().flatten();
    content_type.and_then(|text| text.strip_prefix("application/grpc")).is_some_and(|rest| {
        // `application/grpc-web` is something else.
        rest.is_empty() || rest.starts_with('+')
    })
}

#[cfg(test)]
mod tests;
