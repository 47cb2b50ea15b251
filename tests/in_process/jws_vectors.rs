//! Third-party token vectors, judged by the same call that serves requests: Wycheproof, the JOSE cookbook, RFC 8705.
//!
//! Differences from a vector's expectation stand in a ledger with their reasons, and a ledger entry that is no longer needed
//! fails too.

#![expect(
    clippy::disallowed_methods,
    reason = "a test that cannot read its vectors must fail, and says so"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign::authn::{self, Binding, Caches, NoCache, TokenIdentity};
use countersign::clock::UnixTime;
use countersign::document::{self, Attachments, SourceFile};
use countersign::evidence::{self, CompactJws, PeerSources};
use countersign::evidence_level::EvidenceLevel;
use countersign::reason::Reason;
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::secret::Fingerprint;
use countersign::trust::{Algorithm, KeyPurpose, KeySet, Material, TrustStore, VerificationKey};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const SELF: &str = "spiffe://prod.example/ns/orders/sa/orders";

/// The vectors in `file`, or nothing, loudly, where the folder is not at hand.
fn vectors(file: &str) -> Option<Value> {
    let Ok(folder) = std::env::var("COUNTERSIGN_VECTORS") else {
        assert!(std::env::var("CI").is_err(), "COUNTERSIGN_VECTORS is not set, and CI needs it");
        say(format_args!(
            "SKIPPED: {file}: COUNTERSIGN_VECTORS does not name the folder of the vectors"
        ));
        return None;
    };
    let path = PathBuf::from(folder).join(file);
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_slice(&text).unwrap())
}

/// An issuer that shares the secrets in `keys` with us, as an operator would write it down; `None` where they are none.
fn shared(
    iss: &str,
    audience: &str,
    keys: &Value,
) -> Option<Result<TrustStore, Vec<&'static str>>> {
    let keys = keys["keys"].as_array()?;
    let mut files = Attachments::default();
    let (mut algorithms, mut secrets) = (Vec::new(), String::new());
    for (n, key) in keys.iter().enumerate() {
        let secret = URL_SAFE_NO_PAD.decode(key["k"].as_str()?).ok()?;
        files.insert(format!("secret-{n}").into(), Ok(secret));
        secrets += &format!("\n    - {{ file: secret-{n}, keyId: '{}' }}", key["kid"].as_str()?);
        algorithms.extend(key["alg"].as_str());
    }
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec:\n  issuer: {iss}\n  audiences: ['{audience}']\n  algorithms: [{}]\n  maxLifetime: 40000d\n  keys:\n   secrets:{secrets}\n",
        algorithms.join(", "),
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("vector.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &files, &mut problems);
    let codes = problems.iter().map(|problem| problem.code.as_str()).collect();
    Some(if document::any_error(&problems) { Err(codes) } else { Ok(store) })
}

/// An issuer with every algorithm that has public keys, as one document; `Err` with the codes of what is wrong.
fn trust(iss: &str, audience: &str, keys: &Value) -> Result<TrustStore, Vec<&'static str>> {
    let asymmetric = Algorithm::ALL.iter().filter(|algorithm| !algorithm.is_symmetric());
    let algorithms: Vec<_> = asymmetric.map(|algorithm| algorithm.as_str()).collect();
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec:\n  issuer: {iss}\n  audiences: ['{audience}']\n  algorithms: [{}]\n  maxLifetime: 40000d\n  keys: {{ inline: '{}' }}\n---\n{}",
        algorithms.join(", "),
        keys.to_string().replace('\'', "''"),
        trust_domain(),
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("vector.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    if document::any_error(&problems) {
        return Err(problems.iter().map(|problem| problem.code.as_str()).collect());
    }
    Ok(store)
}

/// The trust domain of the peers in these tests; its authority signs nothing here.
fn trust_domain() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem =
        params.self_signed(&key).unwrap().pem().replace("\r\n", "\n").replace('\n', "\n        ");
    format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: {{ name: prod }}\nspec:\n  spiffe: prod.example\n  authorities:\n    - inline: |\n        {pem}\n"
    )
}

/// The outcome of a request with this `Authorization` from a peer with this certificate, whose SHA-256 alone is known.
fn judge(
    trust: &TrustStore,
    authorization: &str,
    certificate: Option<&Fingerprint>,
) -> Result<Option<TokenIdentity>, Reason> {
    let mut headers = Headers::default();
    headers.push("authorization", HeaderValue::new(authorization.as_bytes().to_vec()));
    let uri = "spiffe://prod.example/ns/web/sa/front";
    if let Some(hash) = certificate {
        let xfcc = format!("By={SELF};Hash={};Subject=\"\";URI={uri}", hash.to_hex());
        headers.push("x-forwarded-client-cert", HeaderValue::new(xfcc.into_bytes()));
    }
    let (_, credentials) =
        CredentialHeaders::split(headers, &SealedNames::default(), None, Some(uri.into()));
    let sources = PeerSources {
        xfcc: true,
        least_evidence: EvidenceLevel::Asserted,
        ..PeerSources::default()
    };
    let evidence =
        evidence::collect(&credentials, Some(&SELF.into()), &sources, &trust.token_places());
    let memory = Caches { certificates: &NoCache, tokens: &NoCache };
    let now = UnixTime::from_secs(NOW);
    let subject = authn::authenticate(&evidence, trust, &Material::default(), memory, now);
    assert_eq!(subject.peer().rejection(), None);
    match subject.tokens().rejection() {
        Some(rejection) => Err(rejection.reason()),
        None => Ok(subject.token("corp").cloned()),
    }
}

/// Compares what is with what should be, case by case, under a ledger of exceptions.
struct Ledger {
    exceptions: BTreeMap<&'static str, &'static str>,
    wrong: Vec<String>,
    counted: BTreeMap<&'static str, usize>,
}

impl Ledger {
    fn new(exceptions: &[(&'static str, &'static str)]) -> Self {
        let exceptions = exceptions.iter().copied().collect();
        Self { exceptions, wrong: Vec::new(), counted: BTreeMap::new() }
    }

    fn record(&mut self, id: &str, should_allow: bool, allowed: bool, detail: &str) {
        let word = if allowed { "allowed" } else { "denied" };
        *self.counted.entry(word).or_default() += 1;
        let excepted = self.exceptions.remove(id).is_some();
        if excepted == (should_allow == allowed) {
            let why =
                if excepted { "needs no exception any more" } else { "is not as it should be" };
            self.wrong.push(format!("{id}: {word} ({detail}), which {why}"));
        }
    }

    fn close(self, allowed: usize, denied: usize) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        assert!(self.exceptions.is_empty(), "no such case: {:?}", self.exceptions);
        let count = |word| self.counted.get(word).copied().unwrap_or_default();
        assert_eq!((count("allowed"), count("denied")), (allowed, denied));
    }
}

/// P48, P50, P51, P72, P73: 418 tokens with a valid claims set under the keys and with the defects of Wycheproof.
#[test]
fn wycheproof_tokens_are_judged_as_they_should_be() {
    const CONTRADICTION: &str = "valid by Wycheproof, but its header contradicts its key's `alg`";
    let Some(document) = vectors("wycheproof-jws/derived-jwt-cases.json") else { return };
    let mut ledger = Ledger::new(&[
        ("jws-346", CONTRADICTION),
        ("jws-347", CONTRADICTION),
        ("jws-350", CONTRADICTION),
        ("jws-351", CONTRADICTION),
    ]);
    let claims = &document["claims"];
    let (iss, aud) = (claims["iss"].as_str().unwrap(), claims["aud"].as_str().unwrap());
    for case in document["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        // Upstream says what holds for a server that accepts HMAC; for one that does not, everything symmetric is denied.
        let symmetric = case["key_class"] != "asymmetric";
        let should_allow = case["expected"] == "allow" && !symmetric;
        let token = case["token"].as_str().unwrap();
        let (allowed, detail) = match trust(iss, aud, &case["jwks"]) {
            Err(codes) => (false, format!("key set refused: {codes:?}")),
            Ok(store) => match judge(&store, &format!("Bearer {token}"), None) {
                Ok(identity) => (identity.is_some(), String::from("verified")),
                Err(reason) => (false, reason.to_string()),
            },
        };
        ledger.record(id, should_allow, allowed, &detail);
    }
    ledger.close(33, 385);
}

/// P48: the same tokens for issuers that share their secret with us: what Wycheproof says of HMAC holds.
#[test]
fn wycheproof_tokens_are_judged_as_they_should_be_with_a_shared_secret() {
    let Some(document) = vectors("wycheproof-jws/derived-jwt-cases.json") else { return };
    let mut ledger = Ledger::new(&[]);
    let claims = &document["claims"];
    let (iss, aud) = (claims["iss"].as_str().unwrap(), claims["aud"].as_str().unwrap());
    for case in document["cases"].as_array().unwrap() {
        let Some(store) = shared(iss, aud, &case["jwks"]) else { continue };
        let (id, token) = (case["id"].as_str().unwrap(), case["token"].as_str().unwrap());
        let (allowed, detail) = match store {
            Err(codes) => (false, format!("refused: {codes:?}")),
            Ok(store) => match judge(&store, &format!("Bearer {token}"), None) {
                Ok(identity) => (identity.is_some(), String::from("verified")),
                Err(reason) => (false, reason.to_string()),
            },
        };
        ledger.record(id, case["expected"] == "allow", allowed, &detail);
    }
    ledger.close(12, 34);
}

fn public(key: &Value) -> Value {
    let mut key = key.clone();
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        key.as_object_mut().unwrap().remove(member);
    }
    key
}

/// RFC 7520 section 4 and RFC 8037 appendix A.4: real signatures verify, and with one bit changed they do not.
#[test]
fn cookbook_signatures_verify_with_their_public_keys() {
    for (file, algorithm) in [
        ("rfc-jose/jws/4_1.rsa_v15_signature.json", Algorithm::Rs256),
        ("rfc-jose/jws/4_2.rsa-pss_signature.json", Algorithm::Ps384),
        ("rfc-jose/jws/4_3.ecdsa_signature.json", Algorithm::Es512),
        ("rfc-jose/curve25519/jws.json", Algorithm::EdDsa),
    ] {
        let Some(figure) = vectors(file) else { return };
        let private = &figure["input"]["key"];
        assert!(
            VerificationKey::parse(private, KeyPurpose::Jwt).is_err(),
            "{file}: a private key is no public one"
        );
        let text = json!({ "keys": [public(private)] }).to_string();
        let keys = KeySet::parse(text.as_bytes(), KeyPurpose::Jwt).unwrap();
        let key = keys.select(private["kid"].as_str(), algorithm).unwrap();
        let message = figure["signing"]["sig-input"].as_str().unwrap().as_bytes();
        let signature = figure["signing"]["sig"].as_str().unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verifies(algorithm, message, &signature), "{file}");
        signature[7] ^= 1;
        assert!(!key.verifies(algorithm, message, &signature), "{file}");
    }
}

/// P50, P73: text payloads, detached content, unencoded payloads and JSON serializations are no tokens.
#[test]
fn cookbook_objects_that_are_no_tokens_are_refused() {
    for file in [
        "rfc-jose/jws/4_1.rsa_v15_signature.json",
        "rfc-jose/jws/4_2.rsa-pss_signature.json",
        "rfc-jose/jws/4_3.ecdsa_signature.json",
        "rfc-jose/jws/4_4.hmac-sha2_integrity_protection.json",
        "rfc-jose/jws/4_5.signature_with_detached_content.json",
        "rfc-jose/jws/4_6.protecting_specific_header_fields.json",
        "rfc-jose/jws/4_7.protecting_content_only.json",
        "rfc-jose/jws/4_8.multiple_signatures.json",
        "rfc-jose/curve25519/jws.json",
        "rfc-jose/curve25519/ecdh-es.json",
        "rfc-jose/rfc7797/4.2.hmac-sha2_b64_false.json",
        "rfc-jose/rfc7797/hmac-sha2_b64_false.json",
    ] {
        let Some(figure) = vectors(file) else { return };
        for (form, output) in figure["output"].as_object().unwrap() {
            let text = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
            let refused = CompactJws::parse(&text).expect_err(file);
            assert_eq!(refused.reason(), Reason::TokenMalformed, "{file} {form}");
        }
    }
    let Some(nested) = vectors("rfc-jose/6.nesting_signatures_and_encryption.json") else { return };
    let signed = nested["sign"]["output"]["compact"].as_str().unwrap();
    assert!(CompactJws::parse(signed).is_ok(), "the inner token alone is a signed claims set");
    let encrypted = nested["encrypt"]["output"]["compact"].as_str().unwrap();
    assert!(CompactJws::parse(encrypted).unwrap_err().detail().contains("encrypted"));
}

/// RFC 7517 appendix A and RFC 7520 section 3: public keys are read, private and symmetric ones refused.
#[test]
fn cookbook_keys_are_told_apart() {
    for (file, usable) in [
        ("rfc-jose/jwk/3_1.ec_public_key.json", true),
        ("rfc-jose/jwk/3_2.ec_private_key.json", false),
        ("rfc-jose/jwk/3_3.rsa_public_key.json", true),
        ("rfc-jose/jwk/3_4.rsa_private_key.json", false),
        ("rfc-jose/jwk/3_5.symmetric_key_mac_computation.json", false),
        ("rfc-jose/jwk/3_6.symmetric_key_encryption.json", false),
    ] {
        let Some(key) = vectors(file) else { return };
        assert_eq!(VerificationKey::parse(&key, KeyPurpose::Jwt).is_ok(), usable, "{file}");
    }
}

/// A token with `claims` that our own issuer signs, under which these vectors' claims are judged.
struct Signer(Ed25519KeyPair);

impl Signer {
    fn new() -> Self {
        Self(Ed25519KeyPair::generate().unwrap())
    }

    fn trust(&self) -> TrustStore {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
        trust("https://server.example.com", "us", &json!({ "keys": [key] })).unwrap()
    }

    fn token(&self, claims: &Value) -> String {
        let mut all = json!({ "iss": "https://server.example.com", "aud": "us" });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        // The vectors' own times are not what is tested here.
        all.as_object_mut().unwrap().extend(
            json!({ "iat": NOW, "nbf": NOW, "exp": NOW + 60 }).as_object().unwrap().clone(),
        );
        let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
        let header = encode(json!({ "alg": "EdDSA" }).to_string());
        let input = format!("{header}.{}", encode(all.to_string()));
        let signature = self.0.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn fingerprint_of(pem: &str) -> Fingerprint {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    Fingerprint::of(&STANDARD.decode(body).unwrap())
}

/// P69: the certificate and the tokens of RFC 8705, with the certificate known by its XFCC `Hash` alone.
#[test]
fn certificate_bound_tokens_are_judged_as_rfc_8705_says() {
    let Some(document) = vectors("rfc-tokens/rfc8705.json") else { return };
    let signer = Signer::new();
    let store = signer.trust();
    let mut ledger = Ledger::new(&[]);
    for case in document["cases"].as_array().unwrap() {
        let claims =
            case.get("token_claims").or_else(|| case.get("introspection_response")).unwrap();
        let certificate = case["peer_cert"].as_str().map(fingerprint_of);
        let authorization = format!("Bearer {}", signer.token(claims));
        let judged = judge(&store, &authorization, certificate.as_ref());
        let bound = matches!(&judged, Ok(Some(token)) if token.binding() == Binding::Certificate);
        let should_allow = case["expected"] == "allow";
        ledger.record(case["id"].as_str().unwrap(), should_allow, bound, &format!("{judged:?}"));
    }
    ledger.close(1, 3);
}

/// Says it on the terminal, past the test harness, which shows nothing of a test that passes.
fn say(message: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{message}");
}
