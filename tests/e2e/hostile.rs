//! Callers that know Envoy well, through the real Envoy.

use std::sync::Arc;

use crate::testbed::http1::Request;
use crate::testbed::pki::{Authority, FRONTEND, HOST, Identity, REPORTS, Usage};
use crate::testbed::{Folder, Props, tour};
use countersign::clock::{Clock as _, SystemClock};
use rcgen::SanType;

use crate::envoy;
use crate::listeners::settings;

const JOINED: (&str, &str) = ("encode_raw_headers: true", "encode_raw_headers: false");
const APPEND: (&str, &str) =
    ("forward_client_cert_details: SANITIZE_SET", "forward_client_cert_details: APPEND_FORWARD");

/// An Envoy that appends to what the caller wrote, with all the evidence there is and with a default Istio sidecar's.
fn meshes() -> Option<[Props; 2]> {
    let mut full = envoy::props()?;
    full.envoy_changes.extend(vec![APPEND]);
    Some([full, envoy::istio_sidecar()?])
}

/// P2, P6: a header value that is not UTF-8 broke Envoy's check once, and the request passed unchecked (CVE-2023-27488).
/// With raw headers it is refused for every caller; without, Envoy has replaced the bytes, and the rest decides.
#[tokio::test]
async fn bytes_that_are_not_utf8_do_not_get_around_the_check() {
    for raw in [false, true] {
        let Some(mut props) = envoy::props() else { return };
        props.envoy_changes.extend((!raw).then_some(JOINED));
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
        let obs_text = || Request::get(HOST, "/v1/orders").header("x-note", b"caf\xff".to_vec());
        let broken = [b"Bearer \xff", tokens.bearer.as_bytes()].concat();
        for (identity, request, status, reason) in [
            (None, obs_text(), 403, "peer_missing"),
            (None, obs_text().bearer(&tokens.bearer), 403, "peer_missing"),
            (Some(&pki.frontend), obs_text(), 401, "token_missing"),
            (Some(&pki.frontend), obs_text().bearer(&tokens.no_scope), 403, "scope_missing"),
            (
                Some(&pki.frontend),
                obs_text().header("authorization", broken),
                401,
                "token_malformed",
            ),
        ] {
            let (status, reason) = if raw { (403, "encoding_invalid") } else { (status, reason) };
            let (answer, record) = envoy::ask(&mut stage, identity, &request).await;
            assert_eq!((answer.status, record.reason_text()), (status, Some(reason)));
        }
        assert_eq!(stage.upstream.requests(), 0);
        let good = obs_text().bearer(&tokens.bearer);
        let (answer, _) = envoy::ask(&mut stage, Some(&pki.frontend), &good).await;
        assert_eq!(answer.status, if raw { 403 } else { 200 });
        stage.strike().await.unwrap();
    }
}

/// P4, P86: two `Authorization` headers arrive as one value with a comma, or as two entries; never is the first one used.
#[tokio::test]
async fn two_authorization_headers_are_refused_in_both_encodings() {
    for changes in [vec![], vec![JOINED]] {
        let Some(mut props) = envoy::props() else { return };
        props.envoy_changes.extend(changes);
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(&props, &folder).await;
        let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
        for (one, other) in [(&tokens.bearer, &tokens.no_scope), (&tokens.no_scope, &tokens.bearer)]
        {
            let request = Request::get(HOST, "/v1/orders").bearer(one).bearer(other);
            let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
            assert_eq!((answer.status, record.reason_text()), (401, Some("token_multiple")));
        }
        assert_eq!(stage.upstream.requests(), 0);
        stage.strike().await.unwrap();
    }
}

/// P30, P31: under `APPEND_FORWARD` the caller writes the first element. Position carries the trust: the caller is the
/// last one, whatever the first one copies from a victim.
#[tokio::test]
async fn a_forged_first_element_is_not_the_caller() {
    let Some(meshes) = meshes() else { return };
    for props in &meshes {
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(props, &folder).await;
        let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
        for (path, token, status, reason) in [
            ("/v1/orders", &tokens.bearer, 403, "cert_san"),
            ("/v1/orders/42", &tokens.bound, 401, "binding_mismatch"),
        ] {
            let request = Request::get(HOST, path)
                .bearer(token)
                .header("x-forwarded-client-cert", tour::forged_xfcc(&pki.frontend));
            let (answer, record) = envoy::ask(&mut stage, Some(&pki.reports), &request).await;
            let got = (answer.status, record.decision_text(), record.reason_text());
            assert_eq!(got, (status, Some("deny"), Some(reason)), "{}", record.as_json());
            assert_eq!(record.text("/peer/spiffe"), Some(REPORTS), "{}", record.as_json());
        }
        assert_eq!(stage.upstream.requests(), 0);
        stage.strike().await.unwrap();
    }
}

/// P33, P87: unknown keys, in an element of the caller's own, are ignored.
#[tokio::test]
async fn unknown_keys_and_repeated_names_do_not_hide_the_caller() {
    let Some(meshes) = meshes() else { return };
    for props in &meshes {
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(props, &folder).await;
        let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
        let xfcc = "By=spiffe://a/b;By=x:y;URI=spiffe://c/d;URI=e:f;DNS=e;DNS=f;Issuer=\"CN=a\\, \\\"b\\\"\";New=1";
        let request = Request::get(HOST, "/v1/orders")
            .bearer(&tokens.bearer)
            .header("x-forwarded-client-cert", xfcc);
        let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
        assert_eq!(answer.status, 200, "{}", record.as_json());
        assert_eq!(record.text("/peer/spiffe"), Some(FRONTEND), "{}", record.as_json());
        stage.strike().await.unwrap();
    }
}

/// P30: of a certificate with a subject alone, `source.principal` is the subject as Envoy writes it, and the element must
/// be that of the same subject.
#[tokio::test]
async fn a_subject_alone_is_compared_as_envoy_writes_it() {
    let Some(mut props) = envoy::props() else { return };
    let plain = include_str!("../../src/demo/documents/trust-domain.yaml")
        .replace("name: prod", "name: plain")
        .replace("spiffe: prod.example", "forwarders: []");
    props.files = vec![
        settings("sourceCertificate: true", "sourceCertificate: false"),
        ("policies/plain.yaml", plain),
    ];
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    for name in ["plain", "a, \"b\" + c", " #d;<e>\\", "Ünit"] {
        let caller = pki.ca().issue(name, Vec::new(), Usage::Client, SystemClock.now()).unwrap();
        let request = Request::get(HOST, "/v1/orders");
        let (_, record) = envoy::ask(&mut stage, Some(&caller), &request).await;
        // Known, and not one of those that the rule lets in.
        assert_eq!(record.text("/peer/trust_domain"), Some("plain"), "{}", record.as_json());
        assert_ne!(record.reason_text(), Some("xfcc_untrusted_hop"), "{}", record.as_json());
    }
    stage.strike().await.unwrap();
}

/// P84: a quote that the caller leaves open swallows the element that Envoy appends.
#[tokio::test]
async fn an_open_quote_makes_the_whole_header_malformed() {
    let Some(meshes) = meshes() else { return };
    for props in &meshes {
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(props, &folder).await;
        let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
        for open in ["Subject=\"", &format!("URI={FRONTEND};Subject=\"CN=")] {
            let request = Request::get(HOST, "/v1/orders")
                .bearer(&tokens.bearer)
                .header("x-forwarded-client-cert", open);
            let (_, record) = envoy::ask(&mut stage, Some(&pki.reports), &request).await;
            assert_eq!(record.decision_text(), Some("deny"), "{}", record.as_json());
            assert_eq!(record.reason_text(), Some("xfcc_malformed"), "{}", record.as_json());
        }
        assert_eq!(stage.upstream.requests(), 0);
        stage.strike().await.unwrap();
    }
}

/// P83: Envoy does not escape the names that it writes into XFCC, so a name can spell a second key or element. The CA is
/// the pinned one: an attacker got it to sign this.
#[tokio::test]
async fn a_name_that_spells_another_element_is_no_peer() {
    let Some(meshes) = meshes() else { return };
    for props in &meshes {
        let folder = Folder::temporary().unwrap();
        let mut stage = envoy::raise(props, &folder).await;
        let (pki, tokens) = (Arc::clone(&stage.pki), stage.tokens.clone());
        let hash = pki.frontend.fingerprint().to_hex();
        for name in [
            format!("{REPORTS},Hash={hash};URI={FRONTEND}"),
            format!("{REPORTS};URI={FRONTEND}"),
            format!("{REPORTS}\",Hash={hash};URI={FRONTEND}"),
            format!("{FRONTEND};By=x"),
        ] {
            let hostile = hostile(pki.ca(), &name);
            for (path, token) in [("/v1/orders", &tokens.bearer), ("/v1/orders/42", &tokens.bound)]
            {
                let request = Request::get(HOST, path).bearer(token);
                let (_, record) = envoy::ask(&mut stage, Some(&hostile), &request).await;
                assert_eq!(record.decision_text(), Some("deny"), "{name}: {}", record.as_json());
                let because = record.reason_text().unwrap_or_default();
                let of_the_name =
                    ["spiffe_invalid", "xfcc_malformed", "xfcc_untrusted_hop", "xfcc_inconsistent"];
                assert!(of_the_name.contains(&because), "{name}: {}", record.as_json());
                assert_eq!(record.as_json().pointer("/peer"), None, "{name} is no peer");
            }
        }
        assert_eq!(stage.upstream.requests(), 0);
        stage.strike().await.unwrap();
    }
}

fn hostile(ca: &Authority, name: &str) -> Identity {
    let uri = SanType::URI(name.try_into().unwrap());
    ca.issue("hostile", vec![uri], Usage::Client, SystemClock.now()).unwrap()
}
