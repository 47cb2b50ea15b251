//! The response to a denied request: a status, headers and a body, in the form that the caller asks for. The words are from a
//! fixed vocabulary, or from a document. It names no rule, no claim and no name of a certificate.

mod accept;
mod body;
mod challenge;
mod custom;

pub use custom::CustomAnswer;
pub(in crate::policy) use custom::{ClearedCookie, Redirect};

use std::borrow::Cow;

use crate::policy::Denial;
use crate::reason::ClientAnswer;
use crate::request::RequestView;

use self::accept::MediaForm;
use self::body::Words;

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

impl Denial {
    /// The response to the caller of `request`, for the decision called `id`.
    pub fn answer(&self, request: &RequestView, id: &str) -> Answer {
        let answer = self.rejection.client_answer();
        let custom = self.custom.as_deref().filter(|_| CustomAnswer::applies_to(answer));
        let redirect = custom.and_then(|custom| custom.redirect(answer, request));
        let own_status = custom.and_then(|custom| custom.status).unwrap_or(answer.status());
        let status = redirect.map_or(own_status, |redirect| redirect.status);
        let words = Words { answer, status, custom, id };
        let mut headers = vec![
            (Cow::from("cache-control"), "no-store".to_owned()),
            (Cow::from(DECISION_ID_HEADER), id.to_owned()),
        ];
        for (name, value) in custom.iter().flat_map(|custom| &custom.headers) {
            headers.retain(|(own, _)| *own != **name);
            headers.push((Cow::from(name.to_string()), words.fill(value)));
        }
        if let Some(redirect) = redirect {
            headers.push((Cow::from("location"), words.fill(&redirect.to)));
        }
        // Another status hides what was at fault (P220).
        let asks = answer.status() == 401 && (status == 401 || redirect.is_some());
        let cleared = custom.filter(|_| asks).and_then(|custom| custom.cleared(&self.cookies));
        headers.extend(cleared.map(|value| (Cow::from("set-cookie"), value)));
        let throttling = self.throttling.as_ref().filter(|own| own.enforced);
        let retry_after = throttling.map(|own| own.seconds().to_string());
        headers.extend(retry_after.map(|seconds| (Cow::from("retry-after"), seconds)));
        if let Some(challenge) = challenge_for(status, answer, self) {
            headers.push((Cow::from("www-authenticate"), challenge));
            let nonce = self.needs.proof.as_ref().and_then(|proof| proof.nonce.clone());
            headers.extend(nonce.map(|nonce| (Cow::from("dpop-nonce"), nonce)));
        }
        let body = if is_grpc(request) {
            // Envoy keeps these, and drops the HTTP status: it would tell 429 as UNAVAILABLE otherwise.
            headers.push((Cow::from("grpc-status"), words.grpc_status().to_string()));
            headers.push((Cow::from("grpc-message"), words.grpc_message()));
            String::new()
        } else {
            let form = MediaForm::wanted_by(&request.headers);
            headers.push((Cow::from("content-type"), form.content_type().to_owned()));
            words.body(form)
        };
        Answer { status, headers, body }
    }
}

impl Answer {
    /// The value of the header `name`, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// RFC 9110 section 15.5.2: a 401 has a challenge; and a status that hides what is there must not tell what to bring.
fn challenge_for(status: u16, answer: ClientAnswer, denial: &Denial) -> Option<String> {
    match (status, answer.status()) {
        (401, 401) | (403, 403) | (401, _) => {
            let answer =
                if status == answer.status() { answer } else { ClientAnswer::Unauthenticated };
            challenge::challenge(answer, denial.rejection.reason(), &denial.needs)
        }
        _ => None,
    }
}

/// True if Envoy takes the request for gRPC, as it does by the content type alone.
fn is_grpc(request: &RequestView) -> bool {
    let content_type = request.headers.single("content-type").ok().flatten();
    content_type.and_then(|text| text.strip_prefix("application/grpc")).is_some_and(|rest| {
        // `application/grpc-web` is something else.
        rest.is_empty() || rest.starts_with('+')
    })
}

#[cfg(test)]
mod tests;
