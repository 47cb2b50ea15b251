//! A decision as Envoy's `CheckResponse`.
//!
//! Envoy reads `status.code` first, so a denied body beside code OK is an **allow** (P1). Status, HTTP code, headers and body are
//! therefore made here, together, from one [`Decision`]; no other code names these types, and the OK arm takes a [`Permit`].

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption, QueryParameter};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value};
use envoy_types::pb::google::rpc::Status;

use crate::pdp::{DecisionId, Outcome, SealedHeader};
use crate::policy::{Annotations, Answer, Decision, Denial, HeaderMutation, Permit, RuleName};
use crate::reason::Reason;
use crate::request::{RequestView, TokenPlace};

/// The code of `google.rpc.Code` by which Envoy lets a request pass.
const OK: i32 = 0;

/// Envoy's word that a request passed without being checked; from a caller it would be a lie either way (P3).
const FAILURE_MODE_HEADER: &str = "x-envoy-auth-failure-mode-allowed";

/// The largest whole number up to which doubles skip none: 2^53.
const MAX_EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// The whole answer to one check.
#[must_use]
pub fn encode(request: &RequestView, outcome: &Outcome) -> CheckResponse {
    match &outcome.decision {
        Decision::Allow(permit) => allow(permit, &outcome.sealed, outcome.id),
        Decision::Deny(denial) => deny(denial, request, outcome.id),
    }
}

/// The denial of a check of which nothing is known, not even an id: for when telling of it or encoding it failed.
#[must_use]
pub(super) fn refuse_unseen() -> CheckResponse {
    let answer = Reason::PolicyUnavailable.client_answer();
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(answer.status()) }),
        headers: vec![overwrite("cache-control", "no-store")],
        body: String::new(),
    };
    CheckResponse {
        status: Some(grpc(answer.grpc_status())),
        dynamic_metadata: None,
        http_response: Some(HttpResponse::DeniedResponse(denied)),
    }
}

fn allow(permit: &Permit, sealed: &[SealedHeader], id: DecisionId) -> CheckResponse {
    let obligations = permit.obligations();
    let mut set = each(&obligations.headers);
    set.extend(sealed.iter().map(|header| overwrite(&header.name, header.value.expose())));
    let query = obligations.query.iter().map(|parameter| QueryParameter {
        key: parameter.name.to_string(),
        value: parameter.value.clone(),
    });
    let query = query.collect();
    let named = Some((permit.rule(), permit.annotations()));
    let mut metadata = metadata(id, "allow", named, None).fields;
    for (name, value) in &obligations.metadata {
        metadata.entry(name.clone()).or_insert_with(|| wire_value(value));
    }
    #[expect(deprecated, reason = "the struct must be built whole; the field stays empty")]
    let ok = OkHttpResponse {
        headers: set,
        headers_to_remove: to_remove(permit, sealed),
        dynamic_metadata: None,
        response_headers_to_add: each(&obligations.response_headers),
        query_parameters_to_set: query,
        query_parameters_to_remove: query_to_remove(permit),
    };
    CheckResponse {
        status: Some(grpc(OK)),
        dynamic_metadata: Some(Struct { fields: metadata }),
        http_response: Some(HttpResponse::OkResponse(ok)),
    }
}

/// What is set overwrites the caller's copies; everything else that any rule could have set is removed (P13). The two
/// are kept apart because Envoy removes after it sets.
fn to_remove(permit: &Permit, sealed: &[SealedHeader]) -> Vec<String> {
    let names = || sealed.iter().map(|header| &header.name);
    let names = || permit.headers().iter().map(|header| &header.name).chain(names());
    let is_set = |name: &str| names().any(|own| **own == *name);
    let injectable = permit.strip().iter().filter(|name| !is_set(name)).cloned();
    let token = match &permit.obligations().token {
        Some(TokenPlace::Authorization) => Some("authorization".to_owned()),
        Some(TokenPlace::Header(name)) => Some(name.clone()),
        // Set to what is left of it, where anything is.
        Some(TokenPlace::Cookie(_)) => Some("cookie".to_owned()).filter(|name| !is_set(name)),
        // A parameter is among those that are removed from the query.
        Some(TokenPlace::Query(_)) | None => None,
    };
    injectable.chain(token).chain([FAILURE_MODE_HEADER.to_owned()]).collect()
}

fn query_to_remove(permit: &Permit) -> Vec<String> {
    permit.strip_query().to_vec()
}

fn each(headers: &[HeaderMutation]) -> Vec<HeaderValueOption> {
    headers.iter().map(|header| overwrite(&header.name, &header.value)).collect()
}

fn deny(denial: &Denial, request: &RequestView, id: DecisionId) -> CheckResponse {
    let reason = denial.rejection().reason();
    let named = denial.rule().map(|rule| (rule, denial.annotations()));
    let Answer { status, headers, body } = Answer::of(denial, request, &id.to_string());
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(status) }),
        headers: headers.iter().map(|(name, value)| overwrite(name, value)).collect(),
        body,
    };
    CheckResponse {
        status: Some(grpc(reason.client_answer().grpc_status())),
        dynamic_metadata: Some(metadata(id, "deny", named, Some(reason))),
        http_response: Some(HttpResponse::DeniedResponse(denied)),
    }
}

const fn grpc(code: i32) -> Status {
    Status { code, message: String::new(), details: Vec::new() }
}

/// For Envoy's own access log: `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:decision_id)%`.
fn metadata(
    id: DecisionId,
    decision: &str,
    named: Option<(&RuleName, &Annotations)>,
    reason: Option<Reason>,
) -> Struct {
    let value = |kind| Value { kind: Some(kind) };
    let text = |text: String| value(Kind::StringValue(text));
    let mut fields: HashMap<String, Value> = HashMap::new();
    fields.insert("decision_id".into(), text(id.to_string()));
    fields.insert("decision".into(), text(decision.into()));
    if let Some((RuleName { policy, rule }, annotations)) = named {
        fields.insert("policy".into(), text(policy.to_string()));
        fields.insert("rule".into(), text(rule.to_string()));
        if !annotations.is_empty() {
            let notes = annotations.iter().map(|(name, own)| (name.into(), text(own.into())));
            let notes = Struct { fields: notes.collect() };
            fields.insert("annotations".into(), value(Kind::StructValue(notes)));
        }
    }
    fields.extend(reason.map(|reason| ("reason".into(), text(reason.as_str().into()))));
    Struct { fields }
}

fn wire_value(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        // A number that no double can hold stays what it is, as text.
        Json::Number(number) => number
            .as_f64()
            .filter(|double| number.is_f64() || double.abs() <= MAX_EXACT_DOUBLE)
            .map_or_else(|| Kind::StringValue(number.to_string()), Kind::NumberValue),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(values) => {
            Kind::ListValue(ListValue { values: values.iter().map(wire_value).collect() })
        }
        Json::Object(members) => {
            let fields = members.iter().map(|(name, value)| (name.clone(), wire_value(value)));
            Kind::StructValue(Struct { fields: fields.collect() })
        }
    };
    Value { kind: Some(kind) }
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
