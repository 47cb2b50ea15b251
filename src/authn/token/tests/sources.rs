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

/// A list with these entries, if there are any, behind a document.
pub(super) fn list(entries: &str) -> String {
    if entries.is_empty() {
        return String::new();
    }
    format!(
        "---\napiVersion: countersign.dev/v1alpha1\nkind: RevocationList\nmetadata: {{ name: list }}\nspec: {{ entries: [{entries}] }}\n"
    )
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

/// P493, P495, P498: a key is denied and revoked by every name that a source of its issuer has for it, also by that of an entry that is
/// not used, and whatever is wrong with other sources.
#[test]
fn a_key_has_the_names_of_every_source() {
    let mint = Mint::ed();
    let keys = || {
        json!([mint.jwk(&json!({ "kid": "k" })), mint.jwk(&json!({ "kid": "c", "use": "enc" }))])
    };
    let more = "  algorithms: [EdDSA]\n  moreKeys: [{ url: 'https://b.example/jwks' }]\n";
    let tokens = [json!({ "alg": "EdDSA", "kid": "k" }), json!({ "alg": "EdDSA" })];
    let revoked = |kid: &str| format!("{{ kid: {kid}, issuer: '{SHARED}' }}");
    for (deny, entry, expected) in [
        ("  denyKids: [z]\n", revoked("z"), Ok(String::from("corp"))),
        ("  denyKids: [k]\n", String::new(), Err(Reason::KeyUnknown)),
        ("  denyKids: [b]\n", String::new(), Err(Reason::KeyUnknown)),
        ("  denyKids: [c]\n", String::new(), Err(Reason::KeyUnknown)),
        ("", revoked("k"), Err(Reason::TokenRevoked)),
        ("", revoked("b"), Err(Reason::TokenRevoked)),
        ("", revoked("c"), Err(Reason::TokenRevoked)),
    ] {
        let more = format!("{more}{deny}{}", list(&entry));
        let trust = trust(&[("corp", SHARED, &more, keys())]);
        for header in &tokens {
            let token = mint.token(header, &claims(SHARED));
            let judged = judge(&trust, &material(Some(&mint), "b"), &token);
            assert_eq!(judged, expected, "{deny}{entry} {header}");
        }
    }
    let twin = json!([mint.jwk(&json!({})), mint.jwk(&json!({ "kid": "c", "use": "enc" }))]);
    let more = format!("  algorithms: [EdDSA]\n{}", list(&revoked("c")));
    let twin = trust(&[("corp", SHARED, &more, twin)]);
    let nameless = mint.token(&tokens[1], &claims(SHARED));
    assert_eq!(judge(&twin, &Material::default(), &nameless), Err(Reason::TokenRevoked));
}

/// P495: a denied key is unknown for certain, also while the source that may have it is away.
#[test]
fn a_denied_key_needs_no_source() {
    let (first, second) = (Mint::ed(), Mint::ed());
    let keys = json!([first.jwk(&json!({ "kid": "k" }))]);
    let more =
        "  algorithms: [EdDSA]\n  denyKids: [b]\n  moreKeys: [{ url: 'https://b.example/jwks' }]\n";
    let trust = trust(&[("corp", SHARED, more, keys)]);
    let token = |kid: &str| second.token(&json!({ "alg": "EdDSA", "kid": kid }), &claims(SHARED));
    let mut pending = material(Some(&first), "k");
    pending.note_outdated("corp/keys-2", Outdated::Pending);
    for (material, other) in
        [(material(None, ""), Reason::KeysStale), (pending, Reason::KeysPending)]
    {
        assert_eq!(judge(&trust, &material, &token("b")), Err(Reason::KeyUnknown));
        assert_eq!(judge(&trust, &material, &token("z")), Err(other));
    }
}

/// P712: a token that a source's key verifies is refused for its own fault, also where further sources do not have the key or are away.
#[test]
fn a_fault_of_the_token_outranks_further_sources() {
    let (first, second, third) = (Mint::ed(), Mint::ed(), Mint::ed());
    let keys = json!([first.jwk(&json!({ "kid": "k" }))]);
    let more = "  algorithms: [EdDSA]\n  moreKeys: [{ url: 'https://b.example/jwks' }, { url: 'https://c.example/jwks' }]\n";
    let trust = trust(&[("corp", SHARED, more, keys)]);
    let good = claims(SHARED);
    let mut late = good.clone();
    late["exp"] = json!(NOW - 600);
    let token = |claims| second.token(&json!({ "alg": "EdDSA", "kid": "b" }), claims);
    for kid in ["", "c", "b"] {
        let mut material = material(Some(&second), "b");
        if !kid.is_empty() {
            let set = json!({ "keys": [third.jwk(&json!({ "kid": kid }))] }).to_string();
            let set = KeySet::parse(set.as_bytes(), KeyPurpose::Jwt).unwrap();
            material.insert("corp/keys-3", Arc::new(set));
        }
        assert_eq!(judge(&trust, &material, &token(&late)), Err(Reason::TokenExpired), "{kid}");
        assert_eq!(judge(&trust, &material, &token(&good)), Ok("corp".into()), "{kid}");
    }
}
