//! Responses to callers: the same few words, whatever the reason, in the form that they ask for.

mod table;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::policy::model::decision::Needs;
use crate::policy::tests::fixtures::{get, with_header};
use crate::reason::{Reason, Rejection};

const ID: &str = "00000000000000000000000000000000";

fn answer_to(rejection: Rejection, needs: Needs, headers: &[(&str, &str)]) -> Answer {
    let request = headers
        .iter()
        .fold(get("/"), |request, (name, value)| with_header(request, name, value.as_bytes()));
    Denial { needs, ..Denial::new(rejection) }.answer(&request, ID)
}

fn scopes(scopes: &[&str]) -> Needs {
    Needs { scopes: scopes.iter().map(ToString::to_string).collect(), ..Needs::default() }
}

/// P1: whatever the reason, the status is not one of success, and a 401 says what to bring.
#[test]
fn no_answer_to_a_denial_is_a_success() {
    for reason in Reason::ALL {
        let answer = answer_to(reason.because("detail"), Needs::default(), &[]);
        assert!([401, 403, 429, 503].contains(&answer.status), "{reason}: {}", answer.status);
        assert!(
            answer.status != 401 || answer.header("www-authenticate").is_some(),
            "{reason}: RFC 9110 section 11.6.1"
        );
    }
}

/// P75 and the design's section 7: the caller gets an id and one of a few words, never the reason or its detail.
#[test]
fn an_answer_leaks_neither_reason_nor_detail() {
    let words = ["invalid_token", "invalid_request", "insufficient_scope", "throttled"];
    for reason in Reason::ALL {
        for wish in [
            ("accept", "application/json"),
            ("accept", "application/problem+json"),
            ("accept", "text/html"),
            ("content-type", "application/grpc"),
        ] {
            let rejection = reason.because("canary spiffe://prod.example/x");
            let answer = answer_to(rejection, Needs::default(), &[wish]);
            let shown = format!("{answer:?}");
            assert!(!shown.contains("canary") && !shown.contains("spiffe"), "{shown}");
            assert!(words.contains(&reason.as_str()) || !shown.contains(reason.as_str()));
            assert_eq!(answer.header("x-decision-id"), Some(ID));
            assert!(shown.matches(ID).count() >= 2, "{shown}");
        }
    }
}

#[test]
fn challenges_follow_rfc_6750_and_rfc_9470() {
    let challenge = |reason: Reason, needs: Needs| {
        answer_to(reason.because(""), needs, &[]).header("www-authenticate").map(str::to_owned)
    };
    let realm = "Bearer realm=\"countersign\"";
    assert_eq!(
        challenge(Reason::TokenMissing, Needs::default()).as_deref(),
        Some(realm),
        "section 3.1: no error without a credential"
    );
    let step_up = || Needs {
        acr: vec!["urn:example:gold".into(), "phr".into()],
        max_age: Some(Duration::from_secs(300)),
        ..scopes(&["never"])
    };
    for (reason, needs, expected) in [
        (Reason::TokenExpired, Needs::default(), "error=\"invalid_token\""),
        (Reason::TokenMultiple, Needs::default(), "error=\"invalid_request\""),
        (
            Reason::ScopeMissing,
            scopes(&["orders:read", "orders:list"]),
            "error=\"insufficient_scope\", scope=\"orders:read orders:list\"",
        ),
        (
            Reason::AcrInsufficient,
            step_up(),
            "error=\"insufficient_user_authentication\", acr_values=\"urn:example:gold phr\", max_age=\"300\"",
        ),
        (
            Reason::AuthTooOld,
            Needs { acr: Vec::new(), ..step_up() },
            "error=\"insufficient_user_authentication\", max_age=\"300\"",
        ),
    ] {
        assert_eq!(challenge(reason, needs), Some(format!("{realm}, {expected}")), "{reason}");
    }
    assert_eq!(challenge(Reason::NoRule, Needs::default()), None);
    assert_eq!(challenge(Reason::PeerMissing, scopes(&["never"])), None);
}

#[test]
fn bodies_come_in_the_form_that_was_asked_for() {
    let body = |accept: &str| {
        let answer = answer_to(Reason::NoRule.because(""), Needs::default(), &[("accept", accept)]);
        (answer.header("content-type").unwrap().to_owned(), answer.body)
    };
    let (kind, text) = body("*/*");
    assert_eq!(kind, "application/json");
    let parsed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed, json!({"error": "forbidden", "decision_id": ID}));

    // RFC 9457 section 3.
    let (kind, text) = body("application/problem+json");
    assert_eq!(kind, "application/problem+json");
    let parsed: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({
        "type": "about:blank", "title": "Forbidden", "status": 403, "error": "forbidden", "decision_id": ID,
    });
    assert_eq!(parsed, expected);

    let (kind, text) = body("text/html");
    assert_eq!(kind, "text/plain; charset=utf-8");
    assert_eq!(text, format!("Forbidden (decision {ID})\n"));
}

/// A caller of gRPC gets the code that says what went wrong, in headers that Envoy sends as trailers-only.
#[test]
fn a_caller_of_grpc_gets_a_status_of_grpc() {
    for (content_type, grpc) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc-web", false),
        ("application/grpc; x", false),
        ("application/json", false),
    ] {
        let answer = answer_to(
            Reason::NoRule.because(""),
            Needs::default(),
            &[("content-type", content_type)],
        );
        assert_eq!(answer.header("grpc-status"), grpc.then_some("7"), "{content_type}");
        assert_eq!(answer.body.is_empty(), grpc, "{content_type}");
        assert_eq!(answer.header("content-type").is_none(), grpc, "{content_type}");
    }
    for (reason, status) in [
        (Reason::TokenMissing, "16"),
        (Reason::AcrInsufficient, "16"),
        (Reason::ScopeMissing, "7"),
        (Reason::Throttled, "8"),
        (Reason::KeysStale, "14"),
    ] {
        let answer = answer_to(
            reason.because(""),
            Needs::default(),
            &[("content-type", "application/grpc")],
        );
        assert_eq!(answer.header("grpc-status"), Some(status), "{reason}");
    }
}
