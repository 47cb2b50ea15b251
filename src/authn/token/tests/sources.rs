//! Tokens of an issuer whose keys have several sources.

use serde_json::json;

use super::mint::Mint;
use super::*;
use crate::trust::{KeyPurpose, KeySet, Outdated};

const SHARED: &str = "https://kubernetes.default.svc.cluster.local";

/// Two clusters that share one `iss`: the keys of the first are in the document, those of the second are fetched.
fn clusters(first: &Mint) -> TrustStore {
    let keys = json!([first.jwk(&json!({ "kid": "k" }))]);
    let more = "  algorithms: [EdDSA]\n  moreKeys: [{ url: 'https://b.example/jwks' }]\n";
    trust(&[("corp", SHARED, more, keys)])
}

fn material(mint: Option<&Mint>, kid: &str) -> Material {
    let mut material = Material::default();
    if let Some(mint) = mint {
        let set = json!({ "keys": [mint.jwk(&json!({ "kid": kid }))] }).to_string();
        let set = KeySet::parse(set.as_bytes(), KeyPurpose::Jwt).unwrap();
        material.insert("corp/keys-2", Arc::new(set));
    }
    material
}

fn judge(trust: &TrustStore, material: &Material, token: &str) -> Result<String, Reason> {
    let presented =
        PresentedToken::for_test(&TokenPlace::Authorization, TokenScheme::Bearer, token);
    let memory = Recorder::default();
    let mut last = Err(Reason::NoRule);
    // A remembered token goes by the keys that verified it.
    for _ in 0..2 {
        let presented = std::slice::from_ref(&presented);
        last =
            verify_all(presented, Presenter::NO_PEER, trust, material, &memory, now(), &mut |_| {})
                .map(|found| found[0].issuer_name().to_owned())
                .map_err(|rejection| rejection.reason());
    }
    last
}

/// P470: a key of any source verifies, also under the same `kid`; one source that is away leaves the others in force.
#[test]
fn a_key_of_any_source_verifies() {
    let (first, second, other) = (Mint::ed(), Mint::ed(), Mint::ed());
    let trust = clusters(&first);
    let ids: Vec<_> = trust.issuers().iter().map(|own| own.id.as_str()).collect();
    assert_eq!(ids, ["corp", "corp/keys-2"]);
    let token = |mint: &Mint, kid: &str| {
        mint.token(&json!({ "alg": "EdDSA", "kid": kid }), &claims(SHARED))
    };
    let good = || Ok(String::from("corp"));
    for kid in ["k", "b"] {
        let both = material(Some(&second), kid);
        assert_eq!(judge(&trust, &both, &token(&first, "k")), good(), "{kid}");
        assert_eq!(judge(&trust, &both, &token(&second, kid)), good(), "{kid}");
        assert_eq!(judge(&trust, &both, &token(&other, kid)), Err(Reason::SignatureInvalid));
        assert_eq!(judge(&trust, &both, &token(&other, "z")), Err(Reason::KeyUnknown));
    }
    let nameless = second.token(&json!({ "alg": "EdDSA" }), &claims(SHARED));
    assert_eq!(judge(&trust, &material(Some(&second), "b"), &nameless), good());
    let away = material(None, "");
    assert_eq!(judge(&trust, &away, &token(&first, "k")), good());
    assert_eq!(judge(&trust, &away, &token(&second, "b")), Err(Reason::KeysStale));
    let mut pending = material(Some(&second), "b");
    pending.note_outdated("corp/keys-2", Outdated::Pending);
    assert_eq!(judge(&trust, &pending, &token(&other, "z")), Err(Reason::KeysPending));
    // A fault of the token itself is its own, whatever the source.
    let mut late = claims(SHARED);
    late["exp"] = json!(NOW - 600);
    let late = second.token(&json!({ "alg": "EdDSA", "kid": "b" }), &late);
    assert_eq!(judge(&trust, &material(Some(&second), "b"), &late), Err(Reason::TokenExpired));
}
