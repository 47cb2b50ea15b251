//! A signal that something is odd, from the real Envoy to the audit log and the pages of the admin listener.

use std::sync::Arc;

use crate::testbed::Folder;
use crate::testbed::http1::{Connection, Request};
use crate::testbed::pki::HOST;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::envoy;

#[tokio::test]
async fn a_token_of_two_peers_is_a_signal_and_decided_as_ever() {
    let Some(mut props) = envoy::props() else { return };
    props.files[0].1.push_str("anomalies: {}\n");
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    let (answer, _) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
    assert_eq!(answer.status, 200);
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.reports), &request).await;
    assert_eq!((answer.status, record.text("/policy")), (403, Some("orders")));
    let event = stage.audit.next().await.unwrap();
    assert_eq!(event.text("/event"), Some("anomaly"), "{}", event.as_json());
    assert_eq!(event.text("/signal"), Some("token_peers"));
    assert_eq!(event.text("/of_decision"), record.text("/decision_id"));
    assert!(event.text("/detail").unwrap().contains("spiffe://prod.example/ns/batch/sa/reports"));

    let admin = TcpStream::connect(stage.addresses().admin).await.unwrap();
    let mut admin = Connection::new(admin);
    let status = admin.send(&Request::get("admin", "/status")).await.unwrap();
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(status.pointer("/anomalies/last/0/signal"), Some(&json!("token_peers")));
    let metrics = admin.send(&Request::get("admin", "/metrics")).await.unwrap().text();
    assert!(metrics.contains("countersign_anomalies_total{signal=\"token_peers\"} 1"), "{metrics}");
    stage.strike().await.unwrap();
}
