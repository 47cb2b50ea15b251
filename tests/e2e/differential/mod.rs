//! Whatever reaches the upstream is what was decided about: generated requests through the real Envoy, and an independent judge
//! of what an upstream received.

mod generate;
mod judge;

use std::sync::Arc;

use crate::testbed::pki::{HOST, Identity};
use crate::testbed::upstream::Received;
use crate::testbed::{Folder, Props, Stage};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;

use self::generate::{Seed, Sketch};
use self::judge::{Shown, objections};
use crate::envoy;

const POLICY: &str = r#"
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: differential }
spec:
  target: { hosts: [orders.example.com] }
  rules:
    - { name: no-debug, effect: deny, headers: [{ name: x-debug, any: { equals: "1" } }] }
    - { name: no-debug-parameter, effect: deny, query: [{ name: debug, any: { equals: "1" } }] }
    - name: not-off
      effect: deny
      when: '"x-stage" in request.headers && request.headers["x-stage"] == "off"'
    - name: reads
      effect: allow
      on: { methods: [GET], paths: ["/users/{id}"] }
      public: true
      headers: [{ name: x-tenant, all: { equals: acme } }]
      inject: { headers: { x-user: "{request.path.id}" } }
    - name: writes
      effect: allow
      on: { methods: [POST], paths: ["/users/{id}"] }
      peer: { any: true }
      inject: { headers: { x-peer-name: "{peer.spiffe}" }, query: { tenant: "{peer.spiffe|hex}" } }
    - { name: open, effect: allow, on: { methods: [GET], paths: [/open] }, public: true }
---
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: admin }
spec:
  target: { hosts: [admin.example.com] }
  rules:
    - { name: only, effect: allow, on: { methods: [GET], paths: [/only-admin] }, public: true }
"#;

/// Requests with the shipped configuration, with headers as a map, and with a list of headers that are shown.
const PER_STAGE: usize = 220;

const UNDERSCORES: (&str, &str) =
    ("headers_with_underscores_action: REJECT_REQUEST", "headers_with_underscores_action: ALLOW");
const JOINED: (&str, &str) = ("encode_raw_headers: true", "encode_raw_headers: false");
const TENANT_ALONE: (&str, &str) = (
    "validate_mutations: true",
    "validate_mutations: true\n                      allowed_headers: { patterns: [{ exact: x-tenant }] }",
);

struct Answer {
    status: u16,
    /// True if countersign was asked.
    decided: bool,
    body: Vec<u8>,
}

fn props(changes: &[(&'static str, &'static str)]) -> Option<Props> {
    let mut props = envoy::props()?;
    props.envoy_changes.extend(changes);
    props.files.push(("policies/orders.yaml", POLICY.to_owned()));
    Some(props)
}

/// P134 (and P26, P28, P29, P130, P131, P132, P133): what reached the upstream is what the policy allows in the most generous reading of it,
/// and what was decided about.
#[tokio::test]
async fn whatever_reaches_the_upstream_is_what_was_decided_about() {
    let seed = std::env::var_os("DIFFERENTIAL_SEED").and_then(|seed| seed.to_str()?.parse().ok());
    let seed = seed.unwrap_or(0x00c0_ffee);
    println!("DIFFERENTIAL_SEED={seed}");
    let mut requests = Seed::new(seed);
    for (changes, shown) in [
        (&[UNDERSCORES][..], Shown::Every),
        (&[UNDERSCORES, JOINED], Shown::Every),
        (&[UNDERSCORES, JOINED, TENANT_ALONE], Shown::TenantAlone),
    ] {
        let Some(props) = props(changes) else { return };
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        let (mut arrived, mut wrong) = (0, Vec::new());
        for _ in 0..PER_STAGE {
            let sketch = requests.request();
            let Some(answer) = send(&stage, &sketch).await else { continue };
            let record = match answer.decided || answer.status == 200 {
                true => stage.audit.next().await,
                false => None,
            };
            if answer.status != 200 {
                continue;
            }
            arrived += 1;
            let got: Received = serde_json::from_slice(&answer.body).unwrap();
            let record = record.expect("every allow is recorded");
            let decided =
                ["/decision", "/request/method", "/request/path"].map(|at| record.text(at));
            let received = [Some("allow"), Some(got.method.as_str()), got.path.split('?').next()];
            let mut why = objections(&got, sketch.known, shown);
            why.extend((decided != received).then(|| format!("decided about {decided:?}")));
            wrong.extend(
                (!why.is_empty()).then(|| format!("{why:?}\nsent {sketch:?}\ngot {got:?}")),
            );
        }
        assert!(wrong.is_empty(), "seed {seed}, {changes:?}:\n{}", wrong.join("\n\n"));
        assert_eq!(stage.upstream.requests(), arrived, "nothing arrived without an answer");
        println!("{changes:?}: {arrived} of {PER_STAGE} arrived");
        assert!(arrived > 25, "{arrived} of {PER_STAGE} arrived, seed {seed}");
        stage.strike().await.unwrap();
    }
}

/// None where the library or Envoy breaks off.
async fn send(stage: &Stage<'_>, sketch: &Sketch) -> Option<Answer> {
    let pki = Arc::clone(&stage.pki);
    let identity = sketch.known.then_some(&pki.frontend);
    if sketch.http2 {
        return send_http2(stage, identity, sketch).await;
    }
    let response = stage.client(identity).unwrap().send(&sketch.http1()).await.ok()?;
    let decided = response.header("x-decision-id").is_some();
    Some(Answer { status: response.status, decided, body: response.body })
}

async fn send_http2(
    stage: &Stage<'_>,
    identity: Option<&Identity>,
    sketch: &Sketch,
) -> Option<Answer> {
    let request = sketch.http2()?;
    let mut roots = RootCertStore::empty();
    roots.add(stage.pki.ca().der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some(own) => config.with_client_auth_cert(vec![own.der()], own.key()).unwrap(),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(stage.envoy().listener()).await.unwrap();
    let name = ServerName::try_from(HOST).unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let stream = TokioIo::new(stream.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await.ok()?;
        let (status, decided) =
            (response.status().as_u16(), response.headers().contains_key("x-decision-id"));
        let body = response.into_body().collect().await.ok()?.to_bytes().to_vec();
        Some(Answer { status, decided, body })
    };
    let answer = answer.await;
    connection.abort();
    answer
}
