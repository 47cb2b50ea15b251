//! Invariant 1: status, HTTP code, headers and body of an answer agree, whatever the reason.

use super::*;
use crate::reason::Rejection;

fn denied(rejection: Rejection) -> (i32, DeniedHttpResponse, Struct) {
    let request = RequestView::unreadable(rejection.clone());
    let response = deny(&Denial::new(rejection), &request, DecisionId::from_bytes([0; 16]));
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
fn envoy_is_told_the_reason_as_dynamic_metadata() {
    let (_, _, metadata) = denied(Reason::BindingMismatch.because(""));
    let reason = metadata.fields.get("reason").and_then(|value| value.kind.clone());
    assert_eq!(reason, Some(Kind::StringValue("binding_mismatch".into())));
}

/// The wire default would append to what the caller sent.
#[test]
fn every_header_overwrites() {
    let option = overwrite("x-subject", "alice");
    assert_eq!(option.append_action, i32::from(HeaderAppendAction::OverwriteIfExistsOrAdd));
}
