//! The stolen-token drill: a token works for its owner alone, through a real Envoy.

use crate::testbed::http1::Request;
use crate::testbed::mint::Key;
use crate::testbed::pki::{FRONTEND, HOST, Usage};
use crate::testbed::server::FILES;
use crate::testbed::{Folder, Props, Stage};
use countersign::clock::{Clock as _, SystemClock};
use rcgen::SanType;
use serde_json::{Value, json};

use crate::envoy::{self, ISTIO_SIDECAR};
use crate::listeners::settings;

/// Orders by identity-bound tokens, one order by certificate-bound ones.
const RULES: &str = r#"apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: orders }
spec:
  target: { hosts: [orders.example.com] }
  rules:
    - name: by-identity
      effect: allow
      on: { methods: [GET], paths: ["/v1/orders"] }
      token:
        issuer: corp
        scopes: [orders:read]
        bind: { claim: client_id, to: peer.spiffe, map: "spiffe://prod.example/ns/web/sa/{client}" }
    - name: by-certificate
      effect: allow
      on: { methods: [GET], paths: ["/v1/orders/{id}"] }
      token: { issuer: corp, scopes: [orders:read], binding: certificate }
"#;

/// The demo's files with [`RULES`], and `more` in Envoy's bootstrap.
fn props(more: &[(&'static str, &'static str)]) -> Option<Props> {
    let mut props = envoy::props()?;
    props.files.push(("policies/orders.yaml", String::from(RULES)));
    props.envoy_changes.extend(more.to_vec());
    Some(props)
}

/// Asks with both tokens of the frontend, as the peer with `identity`: status and reason for the identity-bound one, then for
/// the certificate-bound one.
async fn both(
    stage: &mut Stage<'_>,
    identity: &crate::testbed::pki::Identity,
) -> [(u16, Option<String>); 2] {
    let thumbprint = {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        URL_SAFE_NO_PAD.encode(stage.pki.frontend.fingerprint().as_bytes())
    };
    let token = |changes: Value| stage.issuer.mint(Key::Ec, &changes).unwrap();
    let by_identity = token(json!({ "client_id": "frontend" }));
    let by_certificate = token(json!({ "cnf": { "x5t#S256": thumbprint } }));
    let mut found = Vec::new();
    for (path, token) in [("/v1/orders", by_identity), ("/v1/orders/7", by_certificate)] {
        let request = Request::get(HOST, path).bearer(&token);
        let (response, record) = envoy::ask(stage, Some(identity), &request).await;
        found.push((response.status, record.reason_text().map(str::to_owned)));
    }
    found.try_into().unwrap()
}

fn refused(status: u16, reason: &str) -> (u16, Option<String>) {
    (status, Some(reason.to_owned()))
}

async fn drill(props: &Props) {
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(props, &folder).await;
    let pki = std::sync::Arc::clone(&stage.pki);
    let allowed = (200, None);
    assert_eq!(
        both(&mut stage, &pki.frontend).await,
        [allowed.clone(), allowed.clone()],
        "the owner"
    );
    let thief = [refused(403, "identity_token_mismatch"), refused(401, "binding_mismatch")];
    assert_eq!(both(&mut stage, &pki.reports).await, thief, "another workload");
    let names = vec![SanType::URI(FRONTEND.try_into().unwrap())];
    let rotated = pki.ca().issue("frontend", names, Usage::Client, SystemClock.now()).unwrap();
    let after = [allowed, refused(401, "binding_mismatch")];
    assert_eq!(both(&mut stage, &rotated).await, after, "the owner with a new certificate");
    stage.strike().await.unwrap();
}

/// P69: with the whole certificate as evidence.
#[tokio::test]
async fn a_stolen_token_is_of_no_use_to_another_workload() {
    let Some(props) = props(&[]) else { return };
    drill(&props).await;
}

/// P69: with the hash alone, as in a default Istio mesh.
#[tokio::test]
async fn a_stolen_token_is_of_no_use_where_only_a_hash_is_shown() {
    let Some(mut props) = props(&ISTIO_SIDECAR) else { return };
    props.files[0] = settings("xfcc: true }", "xfcc: true, leastEvidence: hash }");
    drill(&props).await;
}

/// P69: where only a name is shown, nothing can be compared, and no caller gets in, not even the owner.
#[tokio::test]
async fn a_bound_token_is_refused_where_only_a_name_is_shown() {
    let Some(mut props) = props(&ISTIO_SIDECAR) else { return };
    let (name, text) = FILES[0];
    let asserted = text.replace(
        "{ sourceCertificate: true, xfcc: true }",
        "{ principal: uriSanRequired, leastEvidence: asserted }",
    );
    props.files = vec![
        (name, format!("{asserted}deadline: 5s\n")),
        ("policies/orders.yaml", String::from(RULES)),
    ];
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = std::sync::Arc::clone(&stage.pki);
    let unavailable = refused(401, "binding_unavailable");
    assert_eq!(both(&mut stage, &pki.frontend).await, [unavailable.clone(), unavailable]);
    stage.strike().await.unwrap();
}
