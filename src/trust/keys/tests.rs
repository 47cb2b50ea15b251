//! Selecting among the keys of a set.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
const Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";

fn ec(kid: Option<&str>) -> Value {
    let mut key = json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y });
    if let Some(kid) = kid {
        key["kid"] = json!(kid);
    }
    key
}

fn ed25519(kid: Option<&str>, x: &str) -> Value {
    let mut key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    if let Some(kid) = kid {
        key["kid"] = json!(kid);
    }
    key
}

/// RFC 8037 appendix A.2 and RFC 8032 section 7.1 test 2.
const ED_1: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED_2: &str = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw";

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), KeyPurpose::Jwt).unwrap()
}

fn selected(set: &KeySet, kid: Option<&str>, algorithm: Algorithm) -> Result<String, KeyMiss> {
    set.select(kid, algorithm).map(|key| key.thumbprint().to_owned())
}

/// P51: an unknown `kid` selects nothing, not the last key, not the only one.
#[test]
fn a_key_is_selected_by_its_id_and_algorithm_only() {
    let set = set(&[ec(Some("a")), ed25519(Some("b"), ED_1)]);
    assert!(set.select(Some("a"), Algorithm::Es256).is_ok());
    assert!(set.select(Some("b"), Algorithm::EdDsa).is_ok());
    for kid in ["", "A", "a ", "../a", "a' OR '1'='1", "a\0"] {
        assert_eq!(selected(&set, Some(kid), Algorithm::Es256), Err(KeyMiss::Unknown), "{kid}");
    }
    assert_eq!(selected(&set, Some("a"), Algorithm::EdDsa), Err(KeyMiss::OtherAlgorithm));
    assert!(set.select(None, Algorithm::Es256).is_ok());
    assert_eq!(selected(&set, None, Algorithm::Rs256), Err(KeyMiss::Unknown));
}

#[test]
fn a_token_without_an_id_may_be_by_any_key_that_fits() {
    let two = set(&[ed25519(Some("a"), ED_1), ed25519(Some("b"), ED_2), ec(None)]);
    assert_eq!(selected(&two, None, Algorithm::EdDsa), Err(KeyMiss::Ambiguous));
    assert_eq!(two.fitting(None, Algorithm::EdDsa).unwrap().len(), 2);
    assert_eq!(two.fitting(Some("b"), Algorithm::EdDsa).unwrap().len(), 1);
    let twice = set(&[ed25519(Some("a"), ED_1), ed25519(Some("b"), ED_1)]);
    assert!(twice.select(None, Algorithm::EdDsa).is_ok());
    let nameless = set(&[ec(None)]);
    assert_eq!(selected(&nameless, Some("a"), Algorithm::Es256), Err(KeyMiss::Unknown));
}

/// Of two keys that one token could mean neither is used; equal ones and other algorithms do no harm.
#[test]
fn keys_that_share_an_id_and_an_algorithm_are_both_dropped() {
    let clash = set(&[ed25519(Some("a"), ED_1), ed25519(Some("a"), ED_2), ec(Some("b"))]);
    assert_eq!(selected(&clash, Some("a"), Algorithm::EdDsa), Err(KeyMiss::Unknown));
    assert!(clash.select(Some("b"), Algorithm::Es256).is_ok());
    let faults: Vec<_> = clash.skipped().iter().map(|s| (s.position, s.fault)).collect();
    assert_eq!(faults, [(1, KeyFault::Ambiguous), (2, KeyFault::Ambiguous)]);
    let equal = set(&[ed25519(Some("a"), ED_1), ed25519(Some("a"), ED_1), ec(Some("a"))]);
    assert!(equal.select(Some("a"), Algorithm::EdDsa).is_ok());
    assert!(equal.select(Some("a"), Algorithm::Es256).is_ok());
}

/// P59, P60: one bad key is skipped and reported, the others serve.
#[test]
fn one_bad_key_does_not_spoil_the_set() {
    let mut private = ec(Some("p"));
    private["d"] = json!("AAAA");
    let set = set(&[json!(1), private, json!({ "kty": "oct", "k": "AA" }), ec(Some("a"))]);
    assert_eq!(set.keys().len(), 1);
    let reasons: Vec<_> = set.skipped().iter().map(ToString::to_string).collect();
    assert_eq!(
        reasons,
        [
            "key 1 is a number, expected a JSON object",
            "key 2 (`p`) holds a private key, in its member `d`",
            "key 3 is a symmetric key"
        ]
    );
}

/// P72, P410: no more than 256 keys are used, and those that cannot be do not count.
#[test]
fn the_number_of_keys_is_bounded() {
    let usable = |count: usize| (0..count).map(|n| ec(Some(&n.to_string())));
    let for_encryption = std::iter::repeat_n(json!({ "kty": "RSA", "use": "enc" }), 70);
    let one = set(&for_encryption.chain(usable(1)).collect::<Vec<_>>());
    assert_eq!((one.keys().len(), one.skipped().len()), (1, 70));
    let full = set(&usable(MAX_KEYS + 6).collect::<Vec<_>>());
    assert_eq!((full.keys().len(), full.skipped().len()), (MAX_KEYS, 6));
    assert!(full.skipped().iter().all(|skipped| skipped.fault == KeyFault::TooMany));
    let late = std::iter::repeat_n(json!({}), MAX_LISTED_KEYS).chain(usable(1));
    assert_eq!(set(&late.collect::<Vec<_>>()).keys().len(), 0);
}

/// P410: some servers put a byte order mark before what they send.
#[test]
fn a_byte_order_mark_is_no_part_of_a_set() {
    let text = format!("\u{feff}{}", json!({ "keys": [ec(None)] }));
    assert_eq!(KeySet::parse(text.as_bytes(), KeyPurpose::Jwt).unwrap().keys().len(), 1);
    let twice = format!("\u{feff}{text}");
    assert!(KeySet::parse(twice.as_bytes(), KeyPurpose::Jwt).is_err());
}

#[test]
fn the_revision_names_the_usable_keys() {
    let (a, b) = (ec(Some("a")), ed25519(Some("b"), ED_1));
    let one = set(&[a.clone(), b.clone()]);
    assert_eq!(one.revision(), set(&[b.clone(), json!({}), a.clone()]).revision());
    assert_ne!(one.revision(), set(std::slice::from_ref(&a)).revision());
    assert_ne!(one.revision(), set(&[a, ed25519(Some("c"), ED_1)]).revision());
}

#[test]
fn what_is_not_a_key_set_is_said_to_be_what_it_is() {
    let large = vec![b' '; MAX_KEY_SET_BYTES + 1];
    for (text, error) in [
        (&b"<html>"[..], KeySetError::Json(JsonError::Syntax)),
        (b"", KeySetError::Json(JsonError::Syntax)),
        (br#"{"keys":[],"keys":[]}"#, KeySetError::Json(JsonError::DuplicateMember)),
        (b"-----BEGIN PUBLIC KEY-----", KeySetError::Pem),
        (b"[]", KeySetError::OtherJson("an array")),
        (b"\"x\"", KeySetError::OtherJson("a string")),
        (br#"{"kty":"EC"}"#, KeySetError::SingleKey),
        (b"{}", KeySetError::NoKeys),
        (br#"{"keys":{}}"#, KeySetError::NoKeys),
        (&large, KeySetError::TooLarge),
    ] {
        assert_eq!(KeySet::parse(text, KeyPurpose::Jwt).err(), Some(error));
    }
}

proptest! {
    /// P60: no text makes the reader panic, least of all one that looks like a key set.
    #[test]
    fn no_text_makes_the_reader_fail(
        kty in prop::sample::select(vec!["RSA", "EC", "OKP", "oct", "x"]),
        crv in prop::sample::select(vec!["P-256", "P-384", "P-521", "Ed25519", "x"]),
        numbers in prop::collection::vec("[A-Za-z0-9_-]{0,90}", 4),
        noise in any::<Vec<u8>>(),
    ) {
        let key = json!({
            "kty": kty, "crv": crv,
            "x": numbers[0], "y": numbers[1], "n": numbers[2], "e": numbers[3],
        });
        let _ = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes(), KeyPurpose::Jwt);
        let _ = KeySet::parse(&noise, KeyPurpose::Jwt);
    }
}
