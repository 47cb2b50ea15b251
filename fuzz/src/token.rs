//! Targets for tokens, keys and answers about tokens.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::authn::{Caches, NoCache, Subject, TokenIdentity, authenticate};
use countersign::clock::UnixTime;
use countersign::document::{self, Attachments, SourceFile};
use countersign::evidence::{self, CompactJws, PeerSources};
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::secret::Fingerprint;
use countersign::trust::{IntrospectionAnswer, KeyPurpose, KeySet, Material, TrustStore};
use rcgen::{PublicKeyData as _, SigningKey as _};
use serde_json::Value;

use super::samples;

const OPAQUE: &str = "2YotnFZFEjr1zCsicMWpAA";

pub static TRUST: LazyLock<TrustStore> = LazyLock::new(trust);

/// Any text as a token; and any bytes as the JOSE header of a token that is good otherwise.
pub fn jws(bytes: &[u8]) -> bool {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(jws) = CompactJws::parse(text) {
            let rest = text.as_bytes().strip_prefix(jws.signing_input());
            assert_eq!(rest.and_then(<[u8]>::first), Some(&b'.'));
            assert!(!jws.signature.is_empty() && !jws.header.algorithm.is_empty());
        }
        assert!(tokens(text, &Material::default()).is_empty(), "{text:?}");
    }
    let token = signed(bytes, samples::CLAIMS.as_bytes());
    let accepted = tokens(&token, &Material::default());
    for _ in &accepted {
        // P48, P50: the one algorithm of the key, and nothing that must be understood.
        let header: Value = serde_json::from_slice(bytes).expect("a header that is no JSON");
        assert_eq!(header.get("alg").and_then(Value::as_str), Some("EdDSA"));
        assert!(header.get("crit").is_none() && header.get("b64").is_none());
    }
    !accepted.is_empty()
}

/// Any bytes as the claims set of a signed token.
pub fn claims(bytes: &[u8]) -> bool {
    let token = signed(samples::HEADER.as_bytes(), bytes);
    let accepted = tokens(&token, &Material::default());
    accepted.iter().for_each(|token| check(token, "https://a.example"));
    !accepted.is_empty()
}

/// Any bytes as a key set.
pub fn jwks(bytes: &[u8]) -> bool {
    let mut usable = 0;
    for purpose in [KeyPurpose::Jwt, KeyPurpose::JwtSvid] {
        let Ok(keys) = KeySet::parse(bytes, purpose) else { continue };
        for key in keys.keys() {
            assert!(key.algorithms().next().is_some());
            assert!(key.algorithms().all(|algorithm| !key.verifies(algorithm, b"message", &[])));
            assert!(
                key.algorithms().all(|algorithm| !key.verifies(algorithm, b"message", &[0; 64]))
            );
        }
        let ids: Vec<_> = keys.keys().iter().filter_map(|key| key.id()).collect();
        assert!(ids.iter().all(|id| keys.has(id)));
        usable += keys.keys().len();
    }
    usable > 0
}

/// Any bytes as an issuer's answer about an opaque token.
pub fn introspection(bytes: &[u8]) -> bool {
    let until = UnixTime::from_secs(samples::NOW + 30);
    let Ok(answer) = IntrospectionAnswer::parse(bytes, until) else { return false };
    let mut material = Material::default();
    material.insert_answer("opaque", Fingerprint::of(OPAQUE.as_bytes()), Ok(Arc::new(answer)));
    let accepted = tokens(OPAQUE, &material);
    for token in &accepted {
        // P65: nothing but `true`.
        assert_eq!(token.claims().get("active"), Some(&Value::Bool(true)));
        check(token, "https://b.example");
    }
    !accepted.is_empty()
}

/// Properties of every verified token.
fn check(token: &TokenIdentity, issuer: &str) {
    assert_eq!(token.issuer(), issuer);
    assert!(token.audiences().iter().any(|audience| audience == "orders"));
    // A minute is the most that a clock may be off.
    assert!(token.expires_at().as_secs() > samples::NOW - 60);
}

/// The tokens that a request with this one has.
fn tokens(text: &str, material: &Material) -> Vec<TokenIdentity> {
    let mut headers = Headers::default();
    headers.push("authorization", HeaderValue::new(format!("Bearer {text}").into_bytes()));
    let (_, sealed) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
    let places = TRUST.token_places();
    let evidence = evidence::collect(&sealed, None, &PeerSources::default(), &places);
    let memory = Caches { certificates: &NoCache, tokens: &NoCache };
    let now = UnixTime::from_secs(samples::NOW);
    let subject: Subject = authenticate(&evidence, &TRUST, material, memory, now);
    subject.tokens().verified().cloned().unwrap_or_default()
}

/// A compact JWS, signed with the key of the issuer.
pub fn signed(header: &[u8], claims: &[u8]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let input = format!("{}.{}", encode(header), encode(claims));
    let signature = samples::AUTHORITY_KEY.sign(input.as_bytes()).expect("Ed25519 signs anything");
    format!("{input}.{}", encode(&signature))
}

/// An issuer with one key, and one that is asked.
fn trust() -> TrustStore {
    const HEAD: &str = "---\napiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\n";
    let x = URL_SAFE_NO_PAD.encode(samples::AUTHORITY_KEY.der_bytes());
    let text = format!(
        "{HEAD}metadata: {{ name: signed }}\nspec:\n  issuer: https://a.example\n  audiences: [orders]\n  algorithms: [EdDSA]\n  \
         keys: {{ inline: '{{\"keys\":[{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\",\"x\":\"{x}\"}}]}}' }}\n\
         {HEAD}metadata: {{ name: opaque }}\nspec:\n  issuer: https://b.example\n  audiences: [orders]\n  \
         introspection: {{ url: 'https://b.example/introspect', client: {{ id: us, basic: {{ file: secret }} }}, timeout: 100ms }}\n"
    );
    let mut files = Attachments::default();
    files.insert("secret".into(), Ok(b"canary\n".to_vec()));
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("fuzz.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &files, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    store
}
