//! What the demo shows is so, in each way in which Envoy can send headers.

use std::sync::Arc;

use countersign::demo::http1::Request;
use countersign::demo::pki::{FRONTEND, HOST};
use countersign::demo::upstream::Received;
use countersign::demo::{Folder, mint, tour};

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
    props.envoy_changes = envoy_changes.to_vec();
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let rows = tour(&mut stage).await;
    let problems: Vec<_> =
        rows.iter().flat_map(|row| row.problems.iter().map(move |p| (row.title, p))).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(rows.len() >= 12);
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
        assert_eq!((answer.status, record.decision()), (200, Some("allow")), "{request:?}");
        let seen: Received = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(seen.values("x-subject").collect::<Vec<_>>(), [mint::SUBJECT], "{request:?}");
        assert_eq!(seen.values("x-peer").collect::<Vec<_>>(), [FRONTEND], "{request:?}");
    }
    // Frameworks that turn `-` into `_` would take this for ours. The shipped configuration refuses it in Envoy.
    let underscore =
        Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer).header("x_subject", "root");
    let before = stage.upstream.requests();
    let answer = stage.client(Some(&pki.frontend)).unwrap().send(&underscore).await.unwrap();
    assert_eq!((answer.status, stage.upstream.requests()), (400, before));
    stage.strike().await.unwrap();
}

/// A denial tells the caller an id and a word; no name, no rule, no place to try next.
#[tokio::test]
async fn a_denial_leaks_nothing() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
    let steps = tour::steps(&pki, &tokens);
    for step in steps.iter().filter(|step| step.expected.decision() == "deny") {
        let (answer, _) = envoy::ask(&mut stage, step.identity, &step.request).await;
        let told = format!("{:?} {}", answer.headers, answer.text()).to_lowercase();
        for secret in
            ["spiffe", "prod.example", "login.example", "web-", "alice", "demo-", "billing"]
        {
            assert!(!told.contains(secret), "`{}` tells `{secret}`: {told}", step.title);
        }
        let challenged = answer.header("www-authenticate").is_some();
        assert_eq!(challenged, answer.status == 401, "`{}`: {told}", step.title);
    }
    stage.strike().await.unwrap();
}
