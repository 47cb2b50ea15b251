//! A policy of Istio that is about countersign's own sidecar: the sidecar of the shipped set-up in front of countersign, and
//! a check that comes by it.

use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;

use crate::mesh::{Mesh, SIDECAR, held_port};
use crate::testbed::client::Client;
use crate::testbed::pki::HOST;

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The rules of `whole-mesh.yaml` about countersign's port, as istiod writes them: every other port, and at this port every
/// other path.
fn excluded(port: u16) -> String {
    let at = format!("or_rules: {{ rules: [{{ destination_port: {port} }}] }}");
    let path = format!("or_rules: {{ rules: [{{ url_path: {{ path: {{ exact: {CHECK} }} }} }}] }}");
    format!(
        "permissions: [{{ and_rules: {{ rules: [{{ not_rule: {{ {at} }} }}] }} }}, {{ and_rules: {{ rules: [{{ not_rule: {{ {path} }} }}, {{ {at} }}] }} }}]"
    )
}

/// Asks by the sidecar, as Envoy asks; the `grpc-status` of the answer.
async fn ask(client: &Client) -> String {
    let http = HttpRequest {
        host: HOST.into(),
        path: "/v1/orders".into(),
        method: "GET".into(),
        ..Default::default()
    };
    let request = Some(Request { time: None, http: Some(http) });
    let check =
        CheckRequest { attributes: Some(AttributeContext { request, ..Default::default() }) };
    let check = check.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(check.len()).unwrap().to_be_bytes());
    framed.extend(check);
    let stream = TokioIo::new(client.open().await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("https://countersign.auth:9001{CHECK}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from(framed)))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or_default();
    let status = head.headers.get("grpc-status").or_else(|| trailers.get("grpc-status"));
    status.map_or_else(|| "none".into(), |status| status.to_str().unwrap().to_owned())
}

/// P522: a check that is checked is never answered; with the rules that are shipped for a whole mesh it is.
#[tokio::test]
async fn a_check_that_is_itself_checked_is_not_answered() {
    const ASKED: &str = "cluster_name: \"outbound|9001||countersign.auth.svc.cluster.local\"";
    const ANY: &str = "permissions: [{ and_rules: { rules: [{ any: true }] } }]";
    let (_held, port) = held_port();
    // The Service that the sidecar asks is the one that it stands in front of.
    let itself: &'static str = format!(
        "  clusters:
    - name: itself
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {{ http2_protocol_options: {{}} }}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          common_tls_context:
            tls_certificates:
              - certificate_chain: {{ filename: \"${{SERVER_CERTIFICATE_FILE}}\" }}
                private_key: {{ filename: \"${{SERVER_KEY_FILE}}\" }}
      load_assignment:
        cluster_name: itself
        endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }} }}] }}]
"
    )
    .leak();
    let listen: &'static str = format!("port_value: {port} }}").leak();
    let common = [
        ("port_value: ${LISTEN_PORT} }", listen),
        (ASKED, "cluster_name: itself"),
        (
            "route: { cluster: service }",
            "route: { cluster: \"outbound|9001||countersign.auth.svc.cluster.local\" }",
        ),
        ("  clusters:\n", itself),
    ];
    let excluded: &'static str = excluded(port).leak();
    for (changes, status) in
        [(common.to_vec(), "14"), ([&common[..], &[(ANY, excluded)]].concat(), "0")]
    {
        let sources = "{ xfcc: true, leastEvidence: hash }";
        let Some(mesh) = Mesh::vary(SIDECAR, &changes, sources, "hash", false).await else {
            return;
        };
        let pki = Arc::clone(&mesh.pki);
        assert_eq!(ask(&mesh.client(&pki.frontend)).await, status);
        mesh.stop().await;
    }
}
