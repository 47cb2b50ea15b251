//! Envoy asks over each of the three ways in which countersign can be reached.

use std::sync::Arc;

use crate::drills::{CLUSTER, TLS};
use crate::testbed::http1::Request;
use crate::testbed::pki::{ENVOY, HOST, REPORTS};
use crate::testbed::{Folder, Props};
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::envoy;

const ADDRESS: &str = "socket_address: { address: 127.0.0.1, port_value: ${COUNTERSIGN_PORT} }";

/// One request that is allowed and one that is not.
async fn plays(props: &Props) {
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
    assert_eq!(
        (answer.status, record.decision_text()),
        (200, Some("allow")),
        "{}",
        record.as_json()
    );
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.reports), &request).await;
    assert_eq!(
        (answer.status, record.decision_text()),
        (403, Some("deny")),
        "{}",
        record.as_json()
    );
    stage.strike().await.unwrap();
}

/// The settings of these tests with `from` replaced.
pub(crate) fn settings(from: &str, to: &str) -> (&'static str, String) {
    let (name, text) = envoy::patient();
    assert_eq!(text.matches(from).count(), 1, "{from}");
    (name, text.replace(from, to))
}

/// The gRPC health checking protocol, as Kubernetes asks it.
#[tokio::test]
async fn grpc_health_says_serving_while_it_serves() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let url = format!("http://{}", stage.addresses().checks);
    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    for service in ["", "envoy.service.auth.v3.Authorization"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "`{service}`");
    }
    stage.stop_server().await.unwrap();
    let gone = health.check(HealthCheckRequest { service: String::new() }).await;
    assert!(gone.is_err());
    stage.strike().await.unwrap();
}

#[tokio::test]
async fn over_a_unix_socket() {
    let Some(mut props) = envoy::props() else { return };
    props.files = vec![settings("127.0.0.1:${PORT}", "unix:countersign.sock")];
    // The port of the template has to go somewhere.
    props
        .envoy_changes
        .extend(vec![(ADDRESS, "pipe: { path: countersign.sock } # not ${COUNTERSIGN_PORT}")]);
    plays(&props).await;
}

pub(crate) fn over_tls(allowed: &str) -> Option<Props> {
    let mut props = envoy::props()?;
    props.files = vec![settings("127.0.0.1:${PORT}", &TLS.replace("ALLOWED", allowed))];
    props.envoy_changes.extend(vec![CLUSTER]);
    Some(props)
}

#[tokio::test]
async fn over_mutual_tls() {
    let Some(props) = over_tls(ENVOY) else { return };
    plays(&props).await;
}

/// P18, P47: a certificate of the right CA is not enough to ask; it has to be an Envoy's.
#[tokio::test]
async fn over_mutual_tls_an_envoy_that_is_not_on_the_list_is_not_answered() {
    let Some(props) = over_tls(REPORTS) else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    let answer = client.send(&request).await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(stage.upstream.requests(), 0);
    let audit = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap_or_default();
    assert_eq!(audit, "", "nothing was decided");
    stage.strike().await.unwrap();
}
