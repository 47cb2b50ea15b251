//! Keys of ours: what is published verifies what is signed, before, while and after they rotate.

use std::fs;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use rcgen::KeyPair;
use serde_json::json;

use super::*;
use crate::clock::{FixedClock, UnixTime};
use crate::document::HumanDuration;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn claims() -> Map<String, Value> {
    json!({ "sub": "alice", "aud": "orders" }).as_object().cloned().unwrap()
}

fn verifies(token: &str, key_set: &str) -> bool {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let set: JwkSet = serde_json::from_str(key_set).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let Some(jwk) = set.find(header.kid.as_deref().unwrap()) else { return false };
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&["orders"]);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).is_ok()
}

fn signer(keys: AssertionKeys, clock: &FixedClock) -> Result<Signer, String> {
    let options = AssertionOptions { issuer: "https://us.example".into(), keys, publish: None };
    Signer::new(&options, Arc::new(clock.clone()))
}

/// A token verifies with what was published a whole period earlier and later, so that an upstream may keep key sets.
#[test]
fn generated_keys_are_published_before_and_after_they_sign() {
    let clock = FixedClock::at(NOW);
    let generated = AssertionKeys::Generated(GeneratedKeys { rotation: HumanDuration::new(DAY) });
    let signer = signer(generated, &clock).unwrap();
    let (mut before, mut last) = (signer.key_set(), signer.sign(&claims()).unwrap());
    for _ in 0..4 {
        clock.advance(DAY - Duration::from_secs(1));
        assert_eq!(signer.refresh(), Ok(false));
        clock.advance(Duration::from_secs(1));
        assert_eq!(signer.refresh(), Ok(true));
        let token = signer.sign(&claims()).unwrap();
        for (token, set) in [
            (&last, &before),
            (&token, &before),
            (&last, &signer.key_set()),
            (&token, &signer.key_set()),
        ] {
            assert!(verifies(token.expose(), set));
        }
        let days_old = last;
        (before, last) = (signer.key_set(), token);
        assert_ne!(days_old.expose(), last.expose());
    }
    assert_eq!(signer.signed(), 5);
}

#[test]
fn keys_come_from_pem_and_jwk_and_change_with_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let clock = FixedClock::at(NOW);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let ec = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let ed = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
    // RFC 7515 appendix A.3 and RFC 8037 appendix A.
    let ec_jwk = r#"{"kty":"EC","crv":"P-256","kid":"ec","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
    let ed_jwk = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    write("1", &ec);
    let signer = signer(AssertionKeys::Folder(folder.path().to_owned()), &clock).unwrap();
    let first = signer.sign(&claims()).unwrap();
    assert_eq!(signer.refresh(), Ok(false));
    for key in [ed.as_str(), ec_jwk, ed_jwk] {
        write("0", key);
        assert_eq!(signer.refresh(), Ok(true));
        let token = signer.sign(&claims()).unwrap();
        assert!(verifies(token.expose(), &signer.key_set()), "{key}");
        assert!(verifies(first.expose(), &signer.key_set()), "the other key is still published");
    }
    // RFC 8037 appendix A.3.
    assert_eq!(signer.key_id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert!(!signer.key_set().contains("\"d\""), "{}", signer.key_set());
    let good = signer.key_set();
    for bad in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "{}", &ec] {
        write("0", bad);
        let why = signer.refresh().unwrap_err();
        assert!(!why.contains("AAAA"), "{why}");
        assert_eq!(signer.key_set(), good, "the last good keys stay");
    }
}

#[test]
fn what_cannot_sign_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let clock = FixedClock::at(NOW);
    let empty = AssertionKeys::Folder(folder.path().to_owned());
    assert!(signer(empty, &clock).unwrap_err().contains("no assertion key"));
    let missing = AssertionKeys::Files(vec![folder.path().join("none.pem")]);
    assert!(signer(missing, &clock).unwrap_err().contains("none.pem"));
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    let path = folder.path().join("p384.pem");
    fs::write(&path, p384).unwrap();
    let why = signer(AssertionKeys::Files(vec![path]), &clock).unwrap_err();
    assert!(why.contains("p384.pem") && why.contains("P-256"), "{why}");
}
