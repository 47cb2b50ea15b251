//! What the targets share: a trust domain, and a request that shows a certificate.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::authn::{Credential, NoMemory, PeerIdentity, verify_peer};
use countersign::clock::UnixTime;
use countersign::document::{self, Attachments, Diagnostic, SourceFile};
use countersign::evidence::{PeerEvidence, PeerSources};
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::trust::TrustStore;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

static AUTHORITY: LazyLock<String> = LazyLock::new(|| {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
});

static TRUST: LazyLock<TrustStore> = LazyLock::new(|| compile("", &[]).0);

/// A trust domain with `more` in its spec, and the file `data` beside it.
pub fn compile(more: &str, data: &[u8]) -> (TrustStore, Vec<Diagnostic>) {
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: {{ name: fuzz }}\n\
         spec: {{ authorities: [{{ file: ca.pem }}], {more} }}\n"
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("fuzz.yaml", text), &mut problems);
    let mut files = Attachments::default();
    files.insert("ca.pem".into(), Ok(AUTHORITY.clone().into_bytes()));
    files.insert("data".into(), Ok(data.to_vec()));
    let store = TrustStore::compile(&documents, &files, &mut problems);
    (store, problems)
}

/// URL-encoded PEM.
pub fn encoded(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der).replace('+', "%2B");
    format!("-----BEGIN%20CERTIFICATE-----%0A{base64}%0A-----END%20CERTIFICATE-----%0A")
}

/// Verifies a request with this `source.certificate` and this XFCC header. Nothing that a fuzzer makes can be verified:
/// it does not have the authority's key.
pub fn verify(certificate: Option<String>, xfcc: Option<String>) {
    let mut headers = Headers::default();
    if let Some(xfcc) = xfcc {
        headers.push("x-forwarded-client-cert", HeaderValue::new(xfcc.into_bytes()));
    }
    let (_, sealed) = CredentialHeaders::split(headers, &SealedNames::default(), certificate, None);
    let sources = PeerSources {
        source_certificate: true,
        xfcc: true,
        xfcc_without_tls: true,
        ..PeerSources::default()
    };
    let evidence = PeerEvidence::collect(&sealed, None, &sources);
    let found: Credential<PeerIdentity> =
        verify_peer(&evidence, &TRUST, &NoMemory, UnixTime::from_secs(1_781_481_600));
    assert!(found.verified().is_none(), "{found:?}");
}
