//! A decision as Envoy's `CheckResponse`.
//!
//! Envoy reads `status.code` first, so a denied body beside code OK is an **allow** (P1). Status, HTTP code, headers and body are
//! therefore made here, together, from one [`Decision`]; no other code names these types, and the OK arm takes a [`Permit`].

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use envoy_types::pb::google::rpc::Status;

use crate::pdp::{DecisionId, Outcome};
use crate::policy::{Decision, Denial, Permit};
use crate::reason::{ClientAnswer, Reason};

/// The gRPC codes of `google.rpc.Code` that are used.
mod code {
    pub(super) const OK: i32 = 0;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
    pub(super) const UNAVAILABLE: i32 = 14;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// Envoy's word that a request passed without being checked; from a caller it would be a lie either way (P3).
const FAILURE_MODE_HEADER: &str = "x-envoy-auth-failure-mode-allowed";

/// Tells the caller which decision to ask the operators about.
const DECISION_ID_HEADER: &str = "x-decision-id";

/// The whole answer to one check.
#[must_use]
pub fn encode(outcome: &Outcome) -> CheckResponse {
    match &outcome.decision {
        Decision::Allow(permit) => allow(permit, outcome.id),
        Decision::Deny(denial) => deny(denial, outcome.id),
    }
}

/// The denial of a check of which nothing is known, not even an id: for when telling of it or encoding it failed.
#[must_use]
pub(super) fn refuse_unseen() -> CheckResponse {
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(ClientAnswer::Unavailable.status()) }),
        headers: vec![overwrite("cache-control", "no-store")],
        body: String::new(),
    };
    CheckResponse {
        status: Some(status(code::UNAVAILABLE)),
        dynamic_metadata: None,
        http_response: Some(HttpResponse::DeniedResponse(denied)),
    }
}

fn allow(permit: &Permit, id: DecisionId) -> CheckResponse {
    let set =
        permit.headers().iter().map(|header| overwrite(&header.name, &header.value)).collect();
    #[expect(deprecated, reason = "the struct must be built whole; the field stays empty")]
    let ok = OkHttpResponse {
        headers: set,
        headers_to_remove: to_remove(permit),
        dynamic_metadata: None,
        response_headers_to_add: Vec::new(),
        query_parameters_to_set: Vec::new(),
        query_parameters_to_remove: Vec::new(),
    };
    CheckResponse {
        status: Some(status(code::OK)),
        dynamic_metadata: Some(metadata(id, "allow", None)),
        http_response: Some(HttpResponse::OkResponse(ok)),
    }
}

/// What is set overwrites the caller's copies; everything else that any rule could have set is removed (P13). The two
/// are kept apart because Envoy removes after it sets.
fn to_remove(permit: &Permit) -> Vec<String> {
    let is_set = |name: &str| permit.headers().iter().any(|header| &*header.name == name);
    let injectable = permit.strip().iter().filter(|name| !is_set(name)).cloned();
    injectable.chain([FAILURE_MODE_HEADER.to_owned()]).collect()
}

fn deny(denial: &Denial, id: DecisionId) -> CheckResponse {
    let reason = denial.rejection().reason();
    let answer = reason.client_answer();
    let mut headers = vec![
        overwrite("content-type", "application/json"),
        overwrite("cache-control", "no-store"),
        overwrite(DECISION_ID_HEADER, &id.to_string()),
    ];
    headers.extend(
        challenge(answer, denial.scopes()).map(|value| overwrite("www-authenticate", &value)),
    );
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(answer.status()) }),
        headers,
        body: body(answer, id),
    };
    CheckResponse {
        status: Some(status(grpc_code(answer))),
        dynamic_metadata: Some(metadata(id, "deny", Some(reason))),
        http_response: Some(HttpResponse::DeniedResponse(denied)),
    }
}

/// RFC 6750 section 3: every 401 and every `insufficient_scope` carries a challenge.
fn challenge(answer: ClientAnswer, scopes: &[String]) -> Option<String> {
    let error = answer.oauth_error();
    if error.is_none() && answer != ClientAnswer::Unauthenticated {
        return None;
    }
    let error = error.map(|error| format!(", error=\"{error}\"")).unwrap_or_default();
    // Which scopes a resource needs is public in OAuth, and these come from our own policy, never from the token.
    let scope = match scopes {
        [_, ..] if answer == ClientAnswer::InsufficientScope => {
            format!(", scope=\"{}\"", scopes.join(" "))
        }
        _ => String::new(),
    };
    Some(format!("Bearer realm=\"countersign\"{error}{scope}"))
}

/// A word from a fixed vocabulary and the decision id: nothing that a prober could learn from.
fn body(answer: ClientAnswer, id: DecisionId) -> String {
    let error = match answer {
        ClientAnswer::Unauthenticated => "unauthenticated",
        ClientAnswer::InvalidRequest => "invalid_request",
        ClientAnswer::InvalidToken => "invalid_token",
        ClientAnswer::InsufficientScope => "insufficient_scope",
        ClientAnswer::Forbidden => "forbidden",
        ClientAnswer::Throttled => "throttled",
        ClientAnswer::Unavailable => "unavailable",
    };
    format!("{{\"error\":\"{error}\",\"decision_id\":\"{id}\"}}\n")
}

const fn grpc_code(answer: ClientAnswer) -> i32 {
    match answer {
        ClientAnswer::Unauthenticated
        | ClientAnswer::InvalidRequest
        | ClientAnswer::InvalidToken => code::UNAUTHENTICATED,
        ClientAnswer::InsufficientScope | ClientAnswer::Forbidden => code::PERMISSION_DENIED,
        ClientAnswer::Throttled => code::RESOURCE_EXHAUSTED,
        ClientAnswer::Unavailable => code::UNAVAILABLE,
    }
}

const fn status(code: i32) -> Status {
    Status { code, message: String::new(), details: Vec::new() }
}

/// For Envoy's own access log: `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:decision_id)%`.
fn metadata(id: DecisionId, decision: &str, reason: Option<Reason>) -> Struct {
    let text = |text: String| Value { kind: Some(Kind::StringValue(text)) };
    let mut fields: HashMap<String, Value> = HashMap::new();
    fields.insert("decision_id".into(), text(id.to_string()));
    fields.insert("decision".into(), text(decision.into()));
    fields.extend(reason.map(|reason| ("reason".into(), text(reason.as_str().into()))));
    Struct { fields }
}

/// The action is always said: the wire default would append to the caller's value.
fn overwrite(name: &str, value: &str) -> HeaderValueOption {
    #[expect(deprecated, reason = "the struct must be built whole; `append` stays unset")]
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            value: value.to_owned(),
            raw_value: Vec::new(),
        }),
        append: None,
        append_action: i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd),
        keep_empty_value: false,
    }
}

#[cfg(test)]
mod tests;
