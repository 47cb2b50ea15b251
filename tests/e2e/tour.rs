//! The demo's statements hold in each way in which Envoy can send headers.

use std::sync::Arc;

use crate::testbed::http1::Request;
use crate::testbed::pki::{FRONTEND, HOST};
use crate::testbed::tour::Expected;
use crate::testbed::upstream::Received;
use crate::testbed::{Folder, mint, tour};
use countersign::policy::Effect;
use countersign::reason::Reason;

use crate::envoy;

#[tokio::test]
async fn every_step_of_the_tour_ends_as_expected() {
    tour_with(&[]).await;
}

/// P6, P85: with `encode_raw_headers` Envoy fills `header_map` and leaves `headers` empty; without, the other way round.
#[tokio::test]
async fn the_decisions_do_not_depend_on_how_envoy_encodes_headers() {
    tour_with(&[("encode_raw_headers: true", "encode_raw_headers: false")]).await;
}

async fn tour_with(envoy_changes: &[(&'static str, &'static str)]) {
    let Some(mut props) = envoy::props() else { return };
    props.envoy_changes.extend(envoy_changes.to_vec());
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let rows = tour(&mut stage).await;
    let problems: Vec<_> =
        rows.iter().flat_map(|row| row.problems.iter().map(move |p| (row.title, p))).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(rows.len() >= 14);
    let last = rows.last().unwrap();
    assert_eq!(last.reason, Some(Reason::TokenRevoked), "P64: with the next request");
    stage.strike().await.unwrap();
}

/// In a default Istio mesh there is no certificate to look at, only its hash: enough for a bound token to be worthless in
/// other hands (RFC 8705 section 3).
#[tokio::test]
async fn a_bound_token_is_enforced_where_only_the_hash_is_shown() {
    let Some(props) = envoy::istio_sidecar() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let request = Request::get(HOST, "/v1/orders/42").bearer(&stage.tokens.bound);
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
    assert_eq!(
        (answer.status, record.decision_text()),
        (200, Some("allow")),
        "{}",
        record.as_json()
    );
    assert_eq!(record.text("/peer/evidence"), Some("hash"));
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.reports), &request).await;
    assert_eq!((answer.status, record.reason_text()), (401, Some("binding_mismatch")));
    stage.strike().await.unwrap();
}

/// P13: under whatever spelling a caller sends an identity header, the service behind sees ours or none.
#[tokio::test]
async fn a_spoofed_identity_header_never_reaches_the_service() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let request = || Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    let spoofed: Vec<Request> = vec![
        request().header("x-subject", "root"),
        request().header("X-SUBJECT", "root"),
        request().header("x-subject", "root").header("X-Subject", "root"),
        request().header("x-subject", ""),
        request().header("x-peer", "root").header("x-subject", format!("{}, root", mint::SUBJECT)),
    ];
    for request in &spoofed {
        let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), request).await;
        assert_eq!((answer.status, record.decision_text()), (200, Some("allow")), "{request:?}");
        let seen: Received = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(seen.values("x-subject").collect::<Vec<_>>(), [mint::SUBJECT], "{request:?}");
        assert_eq!(seen.values("x-peer").collect::<Vec<_>>(), [FRONTEND], "{request:?}");
    }
    stage.strike().await.unwrap();
}

/// P13: many frameworks read `x_subject` as `x-subject`. The shipped configuration refuses such requests in Envoy; where
/// Envoy is set to let them through, countersign takes the header out.
#[tokio::test]
async fn a_spoofed_identity_header_with_an_underscore_never_reaches_the_service() {
    const ACTION: &str = "headers_with_underscores_action: REJECT_REQUEST";
    for (action, status) in [("REJECT_REQUEST", 400), ("ALLOW", 200)] {
        let Some(mut props) = envoy::props() else { return };
        if action == "ALLOW" {
            props.envoy_changes.extend(vec![(ACTION, "headers_with_underscores_action: ALLOW")]);
        }
        let folder = Folder::temporary().unwrap();
        let stage = envoy::raise(&props, &folder).await;
        let client = stage.client(Some(&stage.pki.frontend)).unwrap();
        let request = Request::get(HOST, "/v1/orders")
            .bearer(&stage.tokens.bearer)
            .header("x_subject", "root")
            .header("X_Peer", "root");
        let answer = client.send(&request).await.unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(!answer.text().contains("root"), "{}", answer.text());
        stage.strike().await.unwrap();
    }
}

/// A denial tells the caller an id and a word; no name, no rule, no place to try next.
#[tokio::test]
async fn a_denial_leaks_nothing() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
    let steps = tour::steps(&pki, &tokens);
    for step in steps.iter().filter(|step| step.expected.decision() == Effect::Deny) {
        let (answer, _) = envoy::ask(&mut stage, step.identity, &step.request).await;
        let told = format!("{:?} {}", answer.headers, answer.text()).to_lowercase();
        for secret in
            ["spiffe", "prod.example", "login.example", "web-", "alice", "demo-", "billing"]
        {
            assert!(!told.contains(secret), "`{}` tells `{secret}`: {told}", step.title);
        }
        // RFC 6750 section 3: every 401, and `insufficient_scope`, which is a 403.
        let challenge =
            answer.status == 401 || step.expected == Expected::Deny(Reason::ScopeMissing);
        assert_eq!(answer.header("www-authenticate").is_some(), challenge, "`{}`", step.title);
    }
    stage.strike().await.unwrap();
}
