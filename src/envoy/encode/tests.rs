//! Invariant 1: status, HTTP code, headers and body of an answer agree, whatever the reason.

use super::*;
use crate::reason::Rejection;

const ID: &str = "00000000000000000000000000000000";

fn denied(rejection: Rejection, scopes: &[&str]) -> (i32, DeniedHttpResponse, Struct) {
    let denial = Denial::new(rejection).needing(scopes.iter().map(ToString::to_string).collect());
    let response = deny(&denial, DecisionId::from_bytes([0; 16]));
    let Some(HttpResponse::DeniedResponse(denied)) = response.http_response else {
        panic!("a denial must be a denied response")
    };
    (response.status.unwrap().code, denied, response.dynamic_metadata.unwrap())
}

fn header<'a>(denied: &'a DeniedHttpResponse, name: &str) -> Option<&'a str> {
    let mut found =
        denied.headers.iter().filter_map(|h| h.header.as_ref()).filter(|h| h.key == name);
    found.next().map(|h| h.value.as_str())
}

/// P1: no denial has code OK, and its HTTP status is never a success.
#[test]
fn every_reason_is_denied_in_both_status_codes() {
    for reason in Reason::ALL {
        let (code, denied, _) = denied(reason.because("detail"), &[]);
        assert_ne!(code, code::OK, "{reason}");
        let http = denied.status.unwrap().code;
        assert!([401, 403, 429, 503].contains(&http), "{reason}: {http}");
        assert!(
            http != 401 || header(&denied, "www-authenticate").is_some(),
            "{reason}: RFC 9110 section 11.6.1"
        );
    }
}

/// P75 and the design's section 7: the caller gets an id and one of a few words, never the reason or its detail.
#[test]
fn a_denial_leaks_neither_reason_nor_detail() {
    let words = ["invalid_token", "invalid_request", "insufficient_scope"];
    for reason in Reason::ALL {
        let (_, denied, _) = denied(reason.because("canary spiffe://prod.example/x"), &[]);
        let shown = format!("{denied:?}");
        assert!(!shown.contains("canary") && !shown.contains("spiffe"), "{shown}");
        assert!(
            words.contains(&reason.as_str())
                || !shown.contains(reason.as_str())
                || *reason == Reason::Throttled
        );
        assert_eq!(header(&denied, DECISION_ID_HEADER), Some(ID));
        assert!(denied.body.contains(ID));
    }
}

#[test]
fn challenges_follow_rfc_6750() {
    let challenge = |reason: Reason, scopes: &[&str]| {
        header(&denied(reason.because(""), scopes).1, "www-authenticate").map(str::to_owned)
    };
    let realm = "Bearer realm=\"countersign\"";
    assert_eq!(
        challenge(Reason::TokenMissing, &[]).as_deref(),
        Some(realm),
        "section 3.1: no error without a credential"
    );
    assert_eq!(
        challenge(Reason::TokenExpired, &[]),
        Some(format!("{realm}, error=\"invalid_token\""))
    );
    assert_eq!(
        challenge(Reason::TokenMultiple, &[]),
        Some(format!("{realm}, error=\"invalid_request\""))
    );
    assert_eq!(
        challenge(Reason::ScopeMissing, &["orders:read", "orders:list"]),
        Some(format!("{realm}, error=\"insufficient_scope\", scope=\"orders:read orders:list\""))
    );
    assert_eq!(challenge(Reason::NoRule, &[]), None);
    assert_eq!(challenge(Reason::PeerMissing, &["never"]), None);
}

/// The reason goes to Envoy's access log, which the caller does not see.
#[test]
fn envoy_is_told_the_reason_as_dynamic_metadata() {
    let (_, _, metadata) = denied(Reason::BindingMismatch.because(""), &[]);
    let reason = metadata.fields.get("reason").and_then(|value| value.kind.clone());
    assert_eq!(reason, Some(Kind::StringValue("binding_mismatch".into())));
}

/// The wire default would append to what the caller sent.
#[test]
fn every_header_overwrites() {
    let option = overwrite("x-subject", "alice");
    assert_eq!(option.append_action, i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd));
}
