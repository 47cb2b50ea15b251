//! Keys of the specifications, and what is wrong with others.

use serde_json::json;

use super::*;

/// RFC 7517 appendix A.1.
fn rsa() -> Value {
    json!({
        "kty": "RSA", "kid": "2011-04-29", "alg": "RS256", "e": "AQAB",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    })
}

/// RFC 7517 appendix A.1.
fn ec() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    })
}

/// RFC 8037 appendix A.2.
fn ed25519() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

/// `key` with `changes` laid over it; `null` removes a member.
fn with(mut key: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            key.as_object_mut().unwrap().remove(name);
        } else {
            key[name.as_str()] = value.clone();
        }
    }
    key
}

fn algorithms_of(key: &Value) -> Vec<&'static str> {
    VerificationKey::parse(key, KeyPurpose::Jwt)
        .unwrap()
        .algorithms()
        .map(Algorithm::as_str)
        .collect()
}

/// P48: a key's algorithms come from its own type, curve and `alg`, before any token is seen.
#[test]
fn a_key_has_only_the_algorithms_of_its_type() {
    assert_eq!(algorithms_of(&rsa()), ["RS256"]);
    assert_eq!(
        algorithms_of(&with(rsa(), &json!({ "alg": null }))),
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
    );
    assert_eq!(algorithms_of(&ec()), ["ES256"]);
    assert_eq!(algorithms_of(&ed25519()), ["EdDSA", "Ed25519"]);
    assert_eq!(algorithms_of(&with(ed25519(), &json!({ "alg": "EdDSA" }))), ["EdDSA"]);
    assert_eq!(algorithms_of(&with(rsa(), &json!({ "key_ops": ["verify"] }))), ["RS256"]);
}

/// RFC 7638 section 3.1, RFC 8037 appendix A.3.
#[test]
fn thumbprints_are_those_of_the_specifications() {
    let thumbprint =
        |key: &Value| VerificationKey::parse(key, KeyPurpose::Jwt).unwrap().thumbprint().to_owned();
    assert_eq!(thumbprint(&rsa()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(thumbprint(&ed25519()), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

/// P48, P59, P60, P70, P72: each way in which a key is not one to verify with.
#[test]
fn a_key_that_is_not_for_verifying_is_refused_with_its_fault() {
    let modulus = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
    for (key, fault) in [
        (json!("key"), KeyFault::Malformed),
        (json!({}), KeyFault::Malformed),
        (with(rsa(), &json!({ "kty": 1 })), KeyFault::Malformed),
        (with(rsa(), &json!({ "kid": 1 })), KeyFault::Malformed),
        (with(rsa(), &json!({ "kid": "k".repeat(257) })), KeyFault::Malformed),
        (with(rsa(), &json!({ "use": ["sig"] })), KeyFault::Malformed),
        (with(rsa(), &json!({ "n": null })), KeyFault::Malformed),
        (with(rsa(), &json!({ "e": 65537 })), KeyFault::Malformed),
        (with(rsa(), &json!({ "e": "AQAB=" })), KeyFault::Malformed),
        (with(ec(), &json!({ "y": null })), KeyFault::Malformed),
        (json!({ "kty": "oct", "k": "AAAA", "alg": "HS256" }), KeyFault::Symmetric),
        (with(rsa(), &json!({ "k": "AAAA" })), KeyFault::Symmetric),
        (with(rsa(), &json!({ "d": "AAAA" })), KeyFault::Private),
        (with(ec(), &json!({ "d": null, "p": "AAAA" })), KeyFault::Private),
        (with(rsa(), &json!({ "use": "enc" })), KeyFault::OtherUse),
        (with(rsa(), &json!({ "use": "SIG" })), KeyFault::OtherUse),
        (with(rsa(), &json!({ "key_ops": [] })), KeyFault::OtherUse),
        (with(rsa(), &json!({ "key_ops": ["encrypt"] })), KeyFault::OtherUse),
        (with(rsa(), &json!({ "key_ops": "verify" })), KeyFault::Malformed),
        (with(rsa(), &json!({ "alg": "HS256" })), KeyFault::Contradiction),
        (with(rsa(), &json!({ "alg": "none" })), KeyFault::Unsupported),
        (with(rsa(), &json!({ "alg": "ES256" })), KeyFault::Contradiction),
        (with(ec(), &json!({ "alg": "ES384" })), KeyFault::Contradiction),
        (with(ec(), &json!({ "alg": "RS256" })), KeyFault::Contradiction),
        (with(ec(), &json!({ "crv": "P-384" })), KeyFault::Invalid),
        (with(ec(), &json!({ "crv": "Ed25519" })), KeyFault::Unsupported),
        (with(ec(), &json!({ "crv": "secp256k1" })), KeyFault::Unsupported),
        (with(ec(), &json!({ "crv": null })), KeyFault::Unsupported),
        (with(ed25519(), &json!({ "crv": "X25519" })), KeyFault::Unsupported),
        (with(ed25519(), &json!({ "x": "AAAA" })), KeyFault::Invalid),
        (with(ec(), &json!({ "x": ec()["y"] })), KeyFault::Invalid),
        (with(ec(), &json!({ "x": "AAAA" })), KeyFault::Invalid),
        (with(rsa(), &json!({ "e": "AQ" })), KeyFault::Invalid),
        (with(rsa(), &json!({ "e": "AQAA" })), KeyFault::Invalid),
        (with(rsa(), &json!({ "e": modulus(5) })), KeyFault::Invalid),
        (with(rsa(), &json!({ "n": "" })), KeyFault::Invalid),
        (with(rsa(), &json!({ "n": modulus(255) })), KeyFault::RsaSize),
        (with(rsa(), &json!({ "n": modulus(1025) })), KeyFault::RsaSize),
        (with(rsa(), &json!({ "n": modulus(2048) })), KeyFault::RsaSize),
    ] {
        assert_eq!(VerificationKey::parse(&key, KeyPurpose::Jwt).err(), Some(fault), "{key}");
    }
}

/// P70: the keys of a SPIFFE bundle say what they are for, and are for nothing else.
#[test]
fn keys_of_a_spiffe_bundle_are_filtered_by_use() {
    for (usage, for_jwt, for_svid) in [
        ("jwt-svid", false, true),
        ("sig", true, true),
        ("x509-svid", false, false),
        ("wit-svid", false, false),
        ("enc", false, false),
    ] {
        let key = with(ec(), &json!({ "use": usage }));
        assert_eq!(VerificationKey::parse(&key, KeyPurpose::Jwt).is_ok(), for_jwt, "{usage}");
        assert_eq!(VerificationKey::parse(&key, KeyPurpose::JwtSvid).is_ok(), for_svid, "{usage}");
    }
}

/// P49, P60: certificates beside a key are neither used nor a reason to refuse it.
#[test]
fn what_is_not_used_cannot_spoil_a_key() {
    let key = with(rsa(), &json!({ "x5c": "no list", "x5t": 1, "x5u": {}, "ext": true }));
    assert!(VerificationKey::parse(&key, KeyPurpose::Jwt).is_ok());
}
