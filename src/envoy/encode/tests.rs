//! Invariant 1: status, HTTP code, headers and body of an answer agree, whatever the reason.

use envoy_types::pb::envoy::config::core::v3::HeaderValueOption;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use prost::Message as _;
use serde_json::json;

use super::*;
use crate::reason::Rejection;
use crate::request::RequestView;

/// The output of `write`, as `envoy-types` reads it.
fn read<M: prost::Message + Default>(write: impl FnOnce(&mut Writer<'_>)) -> M {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    M::decode(&*out).unwrap()
}

fn denied(rejection: Rejection) -> (i32, DeniedHttpResponse, Struct) {
    let request = RequestView::unreadable(rejection.clone());
    let id = DecisionId::from_bytes([0; 16]);
    let denial = Denial::new(rejection);
    let answer = denial.answer(&request, &id.to_string());
    let response: CheckResponse = read(|out| deny(&denial, &answer, id, out));
    let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else {
        panic!("a denial must be a denied response")
    };
    (response.status.unwrap().code, denied, response.dynamic_metadata.unwrap())
}

/// P1: no denial has code OK, and its HTTP status is never a success.
#[test]
fn every_reason_is_denied_in_both_status_codes() {
    for reason in Reason::ALL {
        let (code, denied, _) = denied(reason.because("detail"));
        assert_ne!(code, OK, "{reason}");
        let http = denied.status.unwrap().code;
        assert!([401, 403, 429, 503].contains(&http), "{reason}: {http}");
    }
}

/// P75: an answer is what [`Answer`] says and no more.
#[test]
fn a_denial_leaks_neither_reason_nor_detail() {
    for reason in Reason::ALL {
        let (_, denied, _) = denied(reason.because("canary spiffe://prod.example/x"));
        let shown = format!("{denied:?}");
        assert!(!shown.contains("canary") && !shown.contains("spiffe"), "{shown}");
    }
}

/// The reason goes to Envoy's access log, which the caller does not see.
#[test]
fn envoy_gets_the_reason_as_dynamic_metadata() {
    let (_, _, metadata) = denied(Reason::BindingMismatch.because(""));
    let reason = metadata.fields.get("reason").and_then(|value| value.kind.clone());
    assert_eq!(reason, Some(Kind::StringValue("binding_mismatch".into())));
}

/// The wire default would append to what the caller sent.
#[test]
fn every_header_overwrites() {
    let long = "a".repeat(20_000);
    for value in ["alice", "", &long] {
        let list: DeniedHttpResponse =
            read(|out| overwrite(field::denied::HEADERS, "x-subject", value, out));
        let [HeaderValueOption { header, append_action, .. }] = &list.headers[..] else { panic!() };
        let header = header.as_ref().unwrap();
        assert_eq!((header.key.as_str(), header.value.as_str()), ("x-subject", value));
        assert_eq!(*append_action, i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd));
    }
}

/// A denial without details is a denial too.
#[test]
fn what_is_answered_when_nothing_is_known_is_a_denial() {
    let mut out = Vec::new();
    refuse_unseen(&mut out);
    let response = CheckResponse::decode(&*out).unwrap();
    assert_ne!(response.status.unwrap().code, OK);
    let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else { panic!() };
    assert_eq!(denied.status.unwrap().code, 503);
    assert_eq!(denied.headers.len(), 1);
}

/// Dynamic metadata arrives as it was written in the rule.
#[test]
fn values_of_every_kind_arrive() {
    let many: Vec<_> = (0..200).collect();
    for (value, kind) in [
        (json!(null), Kind::NullValue(0)),
        (json!(true), Kind::BoolValue(true)),
        (json!(false), Kind::BoolValue(false)),
        (json!(1.5), Kind::NumberValue(1.5)),
        (json!(-7), Kind::NumberValue(-7.0)),
        (json!(9_007_199_254_740_993_i64), Kind::StringValue("9007199254740993".into())),
        (json!("a"), Kind::StringValue("a".into())),
    ] {
        let read: Value = read(|out| wire_value(&value, out));
        assert_eq!(read.kind, Some(kind));
    }
    let nested = json!({ "a": { "b": many } });
    let read: Value = read(|out| wire_value(&nested, out));
    let inside = |value: Value, name: &str| match value.kind {
        Some(Kind::StructValue(mut fields)) => fields.fields.remove(name).unwrap(),
        other => panic!("{other:?}"),
    };
    let Some(Kind::ListValue(list)) = inside(inside(read, "a"), "b").kind else { panic!() };
    assert_eq!(list.values.len(), 200);
}
