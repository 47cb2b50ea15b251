//! Tokens that name no key, of issuers with several; keys that an issuer publishes and that are not used.

use super::*;
use crate::authn::signature;
use crate::evidence::CompactJws;
use crate::trust::{KeyPurpose, KeySet};

fn of(mints: &[Mint], more: &str) -> TrustStore {
    let names = ('a'..).map(String::from);
    let keys: Vec<_> =
        mints.iter().zip(names).map(|(mint, name)| mint.jwk(&json!({ "kid": name }))).collect();
    trust(&[("corp", ISS, &format!("  algorithms: [EdDSA]\n{more}"), json!(keys))])
}

fn unnamed(mint: &Mint) -> String {
    mint.token(&json!({ "alg": "EdDSA" }), &claims(ISS))
}

fn detail(trust: &TrustStore, token: &str) -> String {
    let presented =
        [PresentedToken::for_test(&TokenPlace::Authorization, TokenScheme::Bearer, token)];
    let material = Material::default();
    let by = Presenter::NO_PEER;
    let verified = verify_all(&presented, by, trust, &material, &NoCache, now(), &mut |_| {});
    verified.unwrap_err().detail().to_owned()
}

/// P411: an issuer whose tokens name no key can rotate with overlap: a few keys are tried, and never more.
#[test]
fn a_token_that_names_no_key_is_tried_with_a_few() {
    let mints: Vec<_> = std::iter::repeat_with(Mint::ed).take(6).collect();
    let two = of(mints.get(..2).unwrap(), "");
    for (mint, id) in mints.iter().zip(["a", "b"]) {
        let verified = verify_bearer(&two, &unnamed(mint)).unwrap();
        assert_eq!(verified.key_id(), Some(id), "the one that verified it");
    }
    assert_eq!(verify_bearer(&two, &unnamed(&mints[2])).unwrap_err(), Reason::SignatureInvalid);
    let six = of(&mints, "");
    let judged: Vec<_> =
        mints.iter().map(|mint| verify_bearer(&six, &unnamed(mint)).map(|_| ())).collect();
    let beyond = Err(Reason::KeyUnknown);
    assert_eq!(judged, [Ok(()), Ok(()), Ok(()), Ok(()), beyond, beyond]);
    assert_eq!(
        detail(&six, &unnamed(&mints[5])),
        "token names no key, 6 of the issuer's fit, and it is by none of the first 4"
    );
}

/// P411: a key that is denied is not tried, neither under its name nor under another one.
#[test]
fn a_denied_key_is_not_tried() {
    let mints = [Mint::ed(), Mint::ed()];
    let denied = of(&mints, "  denyKids: [a]\n");
    assert_eq!(verify_bearer(&denied, &unnamed(&mints[0])).unwrap_err(), Reason::KeyUnknown);
    assert!(verify_bearer(&denied, &unnamed(&mints[1])).is_ok());
    let twin = json!([mints[0].jwk(&json!({ "kid": "a" })), mints[0].jwk(&json!({ "kid": "b" }))]);
    let more = "  algorithms: [EdDSA]\n  denyKids: [b]\n";
    let denied = trust(&[("corp", ISS, more, twin)]);
    assert_eq!(verify_bearer(&denied, &unnamed(&mints[0])).unwrap_err(), Reason::KeyUnknown);
    for kid in ["a", "b"] {
        let token = mints[0].token(&json!({ "alg": "EdDSA", "kid": kid }), &claims(ISS));
        assert_eq!(verify_bearer(&denied, &token).unwrap_err(), Reason::KeyUnknown, "{kid}");
    }
}

/// P448: a denied name that is of an entry which cannot be used denies the key under its other names.
#[test]
fn a_key_that_is_denied_by_an_unused_entry_is_not_tried() {
    let mint = Mint::ed();
    let good = mint.jwk(&json!({ "kid": "b" }));
    for unused in [
        json!({ "kid": "a", "use": "enc" }),
        json!({ "kid": "a", "alg": "ES256" }),
        json!({ "kid": "a", "key_ops": "verify" }),
        json!({ "kid": "a".repeat(200), "use": "enc" }),
    ] {
        let id = unused["kid"].as_str().unwrap();
        let keys = json!([good, mint.jwk(&unused)]);
        let more = format!("  algorithms: [EdDSA]\n  denyKids: [{id}]\n");
        let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), KeyPurpose::Jwt);
        let set = set.unwrap();
        assert_eq!(set.skipped().len(), 1, "{unused}");
        let key = set.keys()[0].thumbprint();
        assert_eq!(
            set.named().collect::<Vec<_>>(),
            [("b", key), (id, key)],
            "by which it is revoked"
        );
        let trust = trust(&[("corp", ISS, &more, json!([good]))]);
        let token = mint.token(&json!({ "alg": "EdDSA", "kid": "b" }), &claims(ISS));
        let jws = CompactJws::parse(&token).unwrap();
        let judged = signature::verify(&jws, &trust.issuers()[0], &set, &[&set], &mut |_| {});
        assert_eq!(judged.unwrap_err().reason(), Reason::KeyUnknown, "{unused}");
    }
    let twins =
        trust(&[("corp", ISS, "  algorithms: [EdDSA]\n", json!([mint.jwk(&json!({})), good]))]);
    assert_eq!(verify_bearer(&twins, &unnamed(&mint)).unwrap().key_id(), Some("b"));
}

/// A key that is published and not used is another fault than one that is not there.
#[test]
fn an_unknown_key_that_was_skipped_says_why() {
    let (mint, other) = (Mint::ed(), Mint::ed());
    let keys =
        json!([mint.jwk(&json!({ "kid": "a" })), other.jwk(&json!({ "kid": "b", "use": "enc" })),])
            .to_string();
    let set = KeySet::parse(format!("{{\"keys\":{keys}}}").as_bytes(), KeyPurpose::Jwt).unwrap();
    let (trust, _) = simple();
    let token = other.token(&json!({ "alg": "EdDSA", "kid": "b" }), &claims(ISS));
    let jws = CompactJws::parse(&token).unwrap();
    let refused =
        signature::verify(&jws, &trust.issuers()[0], &set, &[&set], &mut |_| {}).unwrap_err();
    assert_eq!(refused.reason(), Reason::KeyUnknown);
    assert_eq!(
        refused.detail(),
        "issuer has no key `b` for EdDSA: key 2 of its set has this `kid` and is not for verifying signatures, by its `use`"
    );
}
