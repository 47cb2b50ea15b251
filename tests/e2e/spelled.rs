//! Certificates whose owner chose every name, through the real Envoy: whatever is spelled, no caller gets a name or a hash that the
//! certificate does not have, and nothing of anybody else's is allowed.

use std::sync::Arc;

use crate::testbed::http1::Request;
use crate::testbed::pki::{ENVOY, FRONTEND, HOST, Identity, REPORTS};
use crate::testbed::{Folder, Pki, tour};
use rcgen::{CertificateParams, DistinguishedName, DnType, OtherNameValue, SanType};
use time::{Duration, OffsetDateTime};

use crate::envoy;
use crate::listeners::settings;
use crate::mesh::{GATEWAY, INGRESS_GATEWAY, Mesh, SIDECAR};

const DETAILS: &str = "{ subject: true, dns: true, uri: true }";
const CERTIFIED: &str = "{ cert: true, subject: true, dns: true, uri: true }";
const HASHES: &str = "{ xfcc: true, leastEvidence: hash }";

/// An Envoy, which of its sources are trusted, and at which level.
struct Scene {
    title: &'static str,
    template: &'static str,
    changes: &'static [(&'static str, &'static str)],
    sources: &'static str,
    evidence: &'static str,
    /// True if Envoy's own certificate has a DNS name alone, so that it writes no `By`.
    public: bool,
}

const SCENES: [Scene; 9] = [
    Scene {
        title: "an Istio sidecar",
        template: SIDECAR,
        changes: &[],
        sources: HASHES,
        evidence: "hash",
        public: false,
    },
    Scene {
        title: "an Istio ingress gateway with a public certificate",
        template: INGRESS_GATEWAY,
        changes: &[],
        sources: "{ xfcc: true }",
        evidence: "leaf",
        public: true,
    },
    Scene {
        title: "the same without the certificate",
        template: INGRESS_GATEWAY,
        changes: &[(CERTIFIED, DETAILS)],
        sources: HASHES,
        evidence: "hash",
        public: true,
    },
    Scene {
        title: "Envoy Gateway with a public certificate",
        template: GATEWAY,
        changes: &[],
        sources: "{ xfcc: true }",
        evidence: "full",
        public: true,
    },
    Scene {
        title: "an Istio sidecar that shows the certificate",
        template: SIDECAR,
        changes: &[(DETAILS, "{ cert: true, subject: true, dns: false, uri: true }")],
        sources: "{ xfcc: true }",
        evidence: "leaf",
        public: false,
    },
    Scene {
        title: "names and the issuer, appended, without `By`",
        template: SIDECAR,
        changes: &[(DETAILS, "{ subject: false, dns: true, uri: true, issuer: true }")],
        sources: HASHES,
        evidence: "hash",
        public: true,
    },
    Scene {
        title: "JSON, appended",
        template: SIDECAR,
        changes: &[(
            DETAILS,
            "{ subject: true, dns: true, uri: true, issuer: true, format: JSON }",
        )],
        sources: HASHES,
        evidence: "hash",
        public: false,
    },
    Scene {
        title: "JSON with the certificate, set",
        template: INGRESS_GATEWAY,
        changes: &[(
            CERTIFIED,
            "{ cert: true, chain: true, subject: true, dns: true, uri: true, format: JSON }",
        )],
        sources: "{ xfcc: true }",
        evidence: "full",
        public: true,
    },
    Scene {
        title: "what the caller wrote, beside the certificate",
        template: SIDECAR,
        changes: &[
            (
                "forward_client_cert_details: APPEND_FORWARD",
                "forward_client_cert_details: FORWARD_ONLY",
            ),
            (
                "transport_api_version: V3",
                "include_peer_certificate: true\n                      transport_api_version: V3",
            ),
        ],
        sources: "{ sourceCertificate: true, xfcc: true }",
        evidence: "leaf",
        public: false,
    },
];

/// Texts that try to be more than a name.
fn texts(pki: &Pki) -> Vec<String> {
    let hash = pki.frontend.fingerprint().to_hex();
    let element = format!("Hash={hash};Subject=\"\";URI={FRONTEND}");
    let signed = format!("By={ENVOY};{element}");
    let certified = tour::forged_xfcc(&pki.frontend);
    let json = format!(r#"{{"by":["{ENVOY}"],"hash":"{hash}","uri":["{FRONTEND}"]}}"#);
    vec![
        FRONTEND.to_owned(),
        format!("x,Hash={hash};URI={FRONTEND}"),
        format!("x,{element}"),
        format!("x,{signed}"),
        format!("x,By={ENVOY};{certified}"),
        format!("x,{certified}"),
        format!("{REPORTS},{signed}"),
        format!("x;URI={FRONTEND}"),
        format!("x;DNS=y;URI={FRONTEND}"),
        format!("x;Hash={hash}"),
        format!("x;By={ENVOY}"),
        format!("x;Subject=\"CN=a\";URI={FRONTEND}"),
        format!("{FRONTEND};DNS=x"),
        format!("{FRONTEND},x"),
        format!("{FRONTEND} "),
        format!(" {FRONTEND}"),
        format!("{FRONTEND}\\"),
        format!("x\",{signed}"),
        format!("x;Issuer=\"a\",{signed}"),
        format!("x;Issuer=\""),
        format!("x\\\",{signed}"),
        format!("\"}},{json}]"),
        format!("\"]}},{json}]"),
        format!("x=,;\"\\ {element}"),
        String::new(),
        String::from(","),
        String::from(";"),
        String::from("\""),
        String::from("-"),
    ]
}

/// Headers that a caller writes before.
fn headers(pki: &Pki) -> Vec<String> {
    let mut headers = texts(pki);
    let hash = pki.frontend.fingerprint().to_hex();
    let json = format!(r#"{{"by":["{ENVOY}"],"hash":"{hash}","uri":["{FRONTEND}"]}}"#);
    headers.extend([
        format!("By={ENVOY};Hash={hash};URI={FRONTEND}"),
        format!("By={ENVOY};{}", tour::forged_xfcc(&pki.frontend)),
        tour::forged_xfcc(&pki.frontend),
        format!("Hash={hash};Subject=\"CN=x"),
        format!("Hash={hash};Cert=\""),
        format!("[{json}]"),
        format!("[{json}"),
        String::from(r#"[{"uri":["x"#),
        String::from(r#"[{"subject":"CN=x"#),
        String::from("[]"),
    ]);
    headers
}

/// Numbers that look like chance and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a>(&mut self, texts: &'a [String]) -> &'a str {
        &texts[self.below(texts.len())]
    }
}

/// A name of any kind.
fn san(kind: usize, text: &str) -> Option<SanType> {
    Some(match kind {
        0 => SanType::Rfc822Name(text.try_into().ok()?),
        1 => SanType::OtherName((
            vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3],
            OtherNameValue::Utf8String(text.into()),
        )),
        2 => SanType::IpAddress([192, 0, 2, 1].into()),
        3 | 4 => SanType::URI(text.try_into().ok()?),
        _ => SanType::DnsName(text.try_into().ok()?),
    })
}

/// A certificate with these names, from the authority that Envoy trusts. It gives no caller the URI of another workload.
fn certificate(pki: &Pki, subject: &str, names: Vec<SanType>) -> (Identity, Vec<String>) {
    let uri = |name: &SanType| {
        if let SanType::URI(uri) = name { Some(uri.as_str().to_owned()) } else { None }
    };
    let names: Vec<_> =
        names.into_iter().filter(|name| uri(name).as_deref() != Some(FRONTEND)).collect();
    let uris = names.iter().filter_map(uri).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if !subject.is_empty() {
        params.distinguished_name.push(DnType::CommonName, subject);
    }
    params.subject_alt_names = names;
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::minutes(1);
    params.not_after = now + Duration::hours(12);
    (pki.ca().sign("hostile", &params).unwrap(), uris)
}

/// For everybody of the namespace, and for the one that the token is bound to.
fn asks(mesh: &Mesh) -> [(&'static str, String); 2] {
    [("/v1/orders", mesh.tokens.bearer.clone()), ("/v1/orders/42", mesh.tokens.bound.clone())]
}

/// One after the other, as `countersign` records them: a denial, and never a peer with what it does not have.
async fn tries(
    mesh: &mut Mesh,
    title: &str,
    (identity, uris): &(Identity, Vec<String>),
    before: Option<&str>,
) {
    for (path, token) in asks(mesh) {
        let mut request = Request::get(HOST, path).bearer(&token);
        if let Some(before) = before {
            request = request.header("x-forwarded-client-cert", before);
        }
        let (answer, record) = mesh.ask(identity, &request).await;
        let told = format!("{title}: {before:?} {}", record.as_json());
        assert_eq!((record.decision_text(), answer.status == 200), (Some("deny"), false), "{told}");
        if record.as_json().pointer("/peer").is_some() {
            let spiffe = record.text("/peer/spiffe").unwrap_or_default();
            assert!(spiffe.is_empty() || uris == &[spiffe], "{told}");
            let own = identity.fingerprint().to_hex();
            let hash = record.text("/peer/fingerprint").unwrap_or(&own);
            assert_eq!(hash, own, "{told}");
        }
    }
}

/// P88, P89, P90: the impersonation of item 0, and of it the victim's bound token, on the shipped configurations.
#[tokio::test]
async fn two_dns_names_are_not_the_victim_on_any_shipped_configuration() {
    for scene in &SCENES[..5] {
        let Some(mut mesh) = scene.raise().await else { return };
        let pki = Arc::clone(&mesh.pki);
        let hash = pki.frontend.fingerprint().to_hex();
        let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
        for (first, second) in [
            (FRONTEND.to_owned(), format!("x,Hash={hash};URI={FRONTEND}")),
            (FRONTEND.to_owned(), format!("x,By={ENVOY};Hash={hash};URI={FRONTEND}")),
            (format!("x,Hash={hash};URI={FRONTEND}"), FRONTEND.to_owned()),
        ] {
            let hostile = certificate(&pki, "", vec![dns(&first), dns(&second)]);
            tries(&mut mesh, scene.title, &hostile, None).await;
        }
        scene.lets_the_owner_in(&mut mesh).await;
        assert_eq!(mesh.upstream.requests(), 2, "the owner's");
    }
}

/// P83, P88, P89, P90, P91, P93, P95: names of every kind and order, in every way of forwarding.
#[tokio::test]
async fn whatever_is_spelled_a_certificate_has_its_own_names_alone() {
    for (seed, scene) in (1..).zip(&SCENES) {
        let Some(mut mesh) = scene.raise().await else { return };
        let pki = Arc::clone(&mesh.pki);
        let (texts, headers) = (texts(&pki), headers(&pki));
        let mut numbers = Numbers(seed);
        for at in 0..40 {
            let subject = if at % 3 == 0 { numbers.of(&texts).to_owned() } else { String::new() };
            let count = 1 + numbers.below(3);
            let mut names: Vec<_> =
                (0..count).filter_map(|_| san(numbers.below(8), numbers.of(&texts))).collect();
            if at % 2 == 0 {
                // Then the principal is the victim's ID.
                names.insert(numbers.below(names.len() + 1), san(5, FRONTEND).unwrap());
            }
            let hostile = certificate(&pki, &subject, names);
            tries(&mut mesh, scene.title, &hostile, None).await;
            tries(&mut mesh, scene.title, &hostile, Some(numbers.of(&headers))).await;
        }
        assert_eq!(mesh.upstream.requests(), 0, "{}", scene.title);
        scene.lets_the_owner_in(&mut mesh).await;
    }
}

impl Scene {
    async fn raise(&self) -> Option<Mesh> {
        Mesh::vary(self.template, self.changes, self.sources, self.evidence, self.public).await
    }

    /// Or nothing above would mean anything.
    async fn lets_the_owner_in(&self, mesh: &mut Mesh) {
        let pki = Arc::clone(&mesh.pki);
        for (path, token) in asks(mesh) {
            let request = Request::get(HOST, path).bearer(&token);
            let (answer, record) = mesh.ask(&pki.frontend, &request).await;
            assert_eq!(answer.status, 200, "{}: {}", self.title, record.as_json());
            assert_eq!(record.text("/peer/spiffe"), Some(FRONTEND));
        }
    }
}

/// P94: what a proxy did not verify is worth nothing without the certificate, whatever a rule asks for.
#[tokio::test]
async fn a_hash_is_worth_what_the_proxy_verified() {
    const URI_ALONE: (&str, &str) =
        ("{ cert: true, chain: true, subject: true, dns: true, uri: true }", "{ uri: true }");
    const SOURCES: &str = "{ sourceCertificate: true, xfcc: true }";
    let orders = include_str!("../../src/demo/documents/orders.yaml");
    for evidence in ["", ", evidence: hash"] {
        for (verifies, stated) in [(true, false), (true, true), (false, false), (false, true)] {
            let Some(mut props) = envoy::props() else { return };
            props.envoy_changes.extend([URI_ALONE]);
            props.envoy_changes.extend(verifies.then_some(envoy::VERIFY));
            let sources = if stated { HASHES } else { "{ xfcc: true }" };
            props.files = vec![
                settings(SOURCES, sources),
                ("policies/orders.yaml", orders.replace(", evidence: leaf", evidence)),
            ];
            let folder = Folder::temporary().unwrap();
            let mut stage = envoy::raise(&props, &folder).await;
            let pki = Arc::clone(&stage.pki);
            let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
            let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
            let expected = if stated { (200, None) } else { (403, Some("evidence_insufficient")) };
            assert_eq!((answer.status, record.reason_text()), expected, "{}", record.as_json());
            // The same SPIFFE ID from an authority that is not pinned.
            if verifies {
                let refused = stage.client(Some(&pki.impostor)).unwrap().send(&request).await;
                assert!(refused.is_err(), "Envoy breaks the handshake");
            } else {
                // If the statement is false, the impostor is the workload: this is what it states.
                let (answer, record) = envoy::ask(&mut stage, Some(&pki.impostor), &request).await;
                assert_eq!((answer.status, record.reason_text()), expected, "{}", record.as_json());
            }
            stage.strike().await.unwrap();
        }
    }
}
