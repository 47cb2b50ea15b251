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
    let typed = |member, found, expected| KeyFault::Type { member, found, expected };
    let length = |member, found, expected| KeyFault::Length { member, found, expected };
    for (key, fault) in [
        (json!("key"), KeyFault::NotAnObject("a string")),
        (json!({}), KeyFault::Missing("kty")),
        (with(rsa(), &json!({ "kty": 1 })), typed("kty", "a number", "a string")),
        (with(rsa(), &json!({ "kty": "DSA" })), KeyFault::Unsupported("kty")),
        (with(rsa(), &json!({ "kid": 1 })), typed("kid", "a number", "a string")),
        (with(rsa(), &json!({ "kid": "k".repeat(257) })), KeyFault::LongId),
        (with(rsa(), &json!({ "use": ["sig"] })), typed("use", "an array", "a string")),
        (with(rsa(), &json!({ "n": null })), KeyFault::Missing("n")),
        (with(rsa(), &json!({ "e": 65537 })), typed("e", "a number", "a string")),
        (with(rsa(), &json!({ "e": "AQAB!" })), KeyFault::Encoding("e")),
        (with(rsa(), &json!({ "n": "AA AA" })), KeyFault::Encoding("n")),
        (with(ec(), &json!({ "y": null })), KeyFault::Missing("y")),
        (json!({ "kty": "oct", "k": "AAAA", "alg": "HS256" }), KeyFault::Symmetric),
        (with(rsa(), &json!({ "k": "AAAA" })), KeyFault::Symmetric),
        (with(rsa(), &json!({ "d": "AAAA" })), KeyFault::Private("d")),
        (with(ec(), &json!({ "d": null, "p": "AAAA" })), KeyFault::Private("p")),
        (with(rsa(), &json!({ "use": "enc" })), KeyFault::OtherUse("use")),
        (with(rsa(), &json!({ "use": "SIG" })), KeyFault::OtherUse("use")),
        (with(rsa(), &json!({ "key_ops": [] })), KeyFault::OtherUse("key_ops")),
        (with(rsa(), &json!({ "key_ops": ["encrypt"] })), KeyFault::OtherUse("key_ops")),
        (
            with(rsa(), &json!({ "key_ops": "verify" })),
            typed("key_ops", "a string", "an array of strings"),
        ),
        (with(rsa(), &json!({ "alg": "HS256" })), KeyFault::Contradiction),
        (with(rsa(), &json!({ "alg": "none" })), KeyFault::Unsupported("alg")),
        (with(rsa(), &json!({ "alg": "ES256" })), KeyFault::Contradiction),
        (with(ec(), &json!({ "alg": "ES384" })), KeyFault::Contradiction),
        (with(ec(), &json!({ "alg": "RS256" })), KeyFault::Contradiction),
        (with(ec(), &json!({ "crv": "P-384" })), KeyFault::Invalid("`x` and `y`")),
        (with(ec(), &json!({ "crv": "Ed25519" })), KeyFault::Unsupported("crv")),
        (with(ec(), &json!({ "crv": "secp256k1" })), KeyFault::Unsupported("crv")),
        (with(ec(), &json!({ "crv": null })), KeyFault::Missing("crv")),
        (with(ed25519(), &json!({ "crv": "X25519" })), KeyFault::Unsupported("crv")),
        (with(ed25519(), &json!({ "x": "AAAA" })), length("x", 3, 32)),
        (with(ec(), &json!({ "x": ec()["y"] })), KeyFault::Invalid("`x` and `y`")),
        (with(ec(), &json!({ "x": "AAAA" })), KeyFault::Invalid("`x` and `y`")),
        (with(ec(), &json!({ "x": modulus(33) })), length("x", 33, 32)),
        (with(rsa(), &json!({ "e": "AQ" })), KeyFault::Invalid("`e`")),
        (with(rsa(), &json!({ "e": "AQAA" })), KeyFault::Invalid("`e`")),
        (with(rsa(), &json!({ "e": modulus(5) })), KeyFault::Invalid("`e`")),
        (with(rsa(), &json!({ "n": "" })), KeyFault::RsaSize(0)),
        (with(rsa(), &json!({ "n": modulus(255) })), KeyFault::RsaSize(2040)),
        (with(rsa(), &json!({ "n": modulus(1025) })), KeyFault::RsaSize(8200)),
        (with(rsa(), &json!({ "n": modulus(2048) })), KeyFault::RsaSize(16384)),
    ] {
        assert_eq!(VerificationKey::parse(&key, KeyPurpose::Jwt).err(), Some(fault), "{key}");
    }
}

/// P410: a key in the habits of real issuers is the same key: one meaning, one thumbprint.
#[test]
fn a_key_that_is_written_oddly_is_the_same_key() {
    let raw = |text: &Value| URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap();
    let zeroed = |text: &Value| URL_SAFE_NO_PAD.encode([&[0, 0], raw(text).as_slice()].concat());
    let other = |text: &Value| base64::engine::general_purpose::STANDARD.encode(raw(text));
    let (rsa, ec, ed) = (rsa(), ec(), ed25519());
    for (plain, odd) in [
        (&rsa, json!({ "n": zeroed(&rsa["n"]) })),
        (&rsa, json!({ "e": zeroed(&rsa["e"]), "n": other(&rsa["n"]) })),
        (&rsa, json!({ "n": format!("{}==", rsa["n"].as_str().unwrap()) })),
        (&ec, json!({ "x": zeroed(&ec["x"]), "y": other(&ec["y"]) })),
        (&ed, json!({ "x": other(&ed["x"]) })),
    ] {
        let odd = with(plain.clone(), &odd);
        let read =
            |key| VerificationKey::parse(key, KeyPurpose::Jwt).unwrap().thumbprint().to_owned();
        assert_eq!(read(&odd), read(plain), "{odd}");
    }
    let mut nulls = rsa.clone();
    for member in ["use", "kid", "alg", "crv", "key_ops", "d", "p", "k", "x5c"] {
        nulls[member] = Value::Null;
    }
    let key = VerificationKey::parse(&nulls, KeyPurpose::Jwt).unwrap();
    assert_eq!((key.id(), key.algorithms().count()), (None, 6));
}

/// P410: a coordinate that lost its zeros is the same number, and verifies.
#[test]
fn a_short_coordinate_is_filled_up() {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    let random = aws_lc_rs::rand::SystemRandom::new();
    let pair = std::iter::repeat_with(|| {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
    });
    let mut short = pair.filter(|pair| pair.public_key().as_ref()[1] == 0);
    let pair = short.next().unwrap();
    let point = pair.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[2..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let key = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
    let key = VerificationKey::parse(&key, KeyPurpose::Jwt).unwrap();
    let signature = pair.sign(&random, b"message").unwrap();
    assert!(key.verifies(Algorithm::Es256, b"message", signature.as_ref()));
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
