//! Issuers that share a secret with us, beside those that publish keys.

use serde_json::{Value, json};

use super::tests::mint::Mint;
use super::tests::{claims, verify_bearer};
use super::*;
use crate::document::{self, Attachments, SourceFile};
use crate::reason::Reason;
use crate::trust::TrustStore;

const A: &str = "https://a.example";
const SECRET: &[u8] = &[7; 64];

/// `A` with `keys` and `algorithms`, the secret beside it, and `B` with the public key `public`.
fn trust(keys: &str, algorithms: &str, public: &Value) -> TrustStore {
    let head = "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\n";
    let text = format!(
        "{head}metadata: {{ name: a }}\nspec:\n  issuer: {A}\n  audiences: [orders]\n  algorithms: {algorithms}\n  keys: {keys}\n---\n{head}metadata: {{ name: b }}\nspec:\n  issuer: https://b.example\n  audiences: [orders]\n  algorithms: [RS256]\n  keys: {{ inline: '{}' }}\n",
        json!({ "keys": [public] })
    );
    let mut files = Attachments::default();
    files.insert("secret".into(), Ok(SECRET.to_vec()));
    files.insert("older".into(), Ok(vec![8; 64]));
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("trust.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &files, &mut problems);
    assert_eq!(problems, []);
    store
}

/// P48: a secret verifies what was made with it, by the algorithms of its issuer, and nothing of another issuer.
#[test]
fn a_shared_secret_is_good_for_its_issuer_and_its_algorithms() {
    let rsa = Mint::rsa();
    let public = rsa.jwk(&json!({ "kid": "r" }));
    let trust = trust("{ secrets: [{ file: secret }] }", "[HS256, HS512]", &public);
    let ours = Mint::secret(SECRET);
    // An attacker knows the public key of `b`, in any of its spellings.
    let modulus = Mint::secret(public["n"].as_str().unwrap().as_bytes());
    let jwk = Mint::secret(public.to_string().as_bytes());
    for (mint, alg, kid, iss, expected) in [
        (&ours, "HS256", None, A, Ok("a")),
        (&ours, "HS512", None, A, Ok("a")),
        (&ours, "HS384", None, A, Err(Reason::TokenAlg)),
        (&ours, "hs256", None, A, Err(Reason::TokenAlg)),
        (&ours, "none", None, A, Err(Reason::TokenAlg)),
        (&ours, "RS256", None, A, Err(Reason::TokenAlg)),
        (&ours, "HS256", Some("x"), A, Err(Reason::KeyUnknown)),
        (&Mint::secret(&[9; 64]), "HS256", None, A, Err(Reason::SignatureInvalid)),
        (&Mint::secret(b""), "HS256", None, A, Err(Reason::SignatureInvalid)),
        (&ours, "HS256", None, "https://b.example", Err(Reason::TokenAlg)),
        (&modulus, "HS256", Some("r"), "https://b.example", Err(Reason::TokenAlg)),
        (&jwk, "HS256", Some("r"), "https://b.example", Err(Reason::TokenAlg)),
        (&rsa, "RS256", Some("r"), "https://b.example", Ok("b")),
        (&rsa, "RS256", Some("r"), A, Err(Reason::TokenAlg)),
    ] {
        let mut header = json!({ "alg": alg });
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        let judged = verify_bearer(&trust, &mint.token(&header, &claims(iss)));
        let judged = judged.as_ref().map(TokenIdentity::issuer_name).map_err(|reason| *reason);
        assert_eq!(judged, expected, "{alg} {kid:?} {iss}");
    }
}

/// A secret is replaced as a key is: both are known for a while, each by its `kid`.
#[test]
fn secrets_rotate_by_their_ids() {
    let keys = "{ secrets: [{ file: secret, keyId: new }, { file: older, keyId: old }] }";
    let trust = trust(keys, "[HS256]", &Mint::rsa().jwk(&json!({})));
    let (new, old) = (Mint::secret(SECRET), Mint::secret(&[8; 64]));
    for (mint, header, expected) in [
        (&new, json!({ "alg": "HS256", "kid": "new" }), Ok(())),
        (&old, json!({ "alg": "HS256", "kid": "old" }), Ok(())),
        (&old, json!({ "alg": "HS256", "kid": "new" }), Err(Reason::SignatureInvalid)),
        (&new, json!({ "alg": "HS256" }), Err(Reason::KeyUnknown)),
    ] {
        let judged = verify_bearer(&trust, &mint.token(&header, &claims(A))).map(|_| ());
        assert_eq!(judged, expected, "{header}");
    }
    assert!(!format!("{trust:?}").contains("\u{7}"), "P80");
    assert!(!format!("{trust:?}").contains("7, 7, 7"), "P80");
}

/// P330: a secret with an id is for tokens that name it, also where it is the only one.
#[test]
fn a_secret_with_an_id_is_for_tokens_that_name_it() {
    let keys = "{ secrets: [{ file: secret, keyId: new }, { file: older }] }";
    let (new, old) = (Mint::secret(SECRET), Mint::secret(&[8; 64]));
    for (keys, mint, header, expected) in [
        (
            "{ secrets: [{ file: secret, keyId: new }] }",
            &new,
            json!({ "alg": "HS256" }),
            Err(Reason::KeyUnknown),
        ),
        (keys, &new, json!({ "alg": "HS256" }), Err(Reason::SignatureInvalid)),
        (keys, &old, json!({ "alg": "HS256" }), Ok(())),
        (keys, &new, json!({ "alg": "HS256", "kid": "new" }), Ok(())),
    ] {
        let trust = trust(keys, "[HS256]", &Mint::rsa().jwk(&json!({})));
        let judged = verify_bearer(&trust, &mint.token(&header, &claims(A))).map(|_| ());
        assert_eq!(judged, expected, "{keys} {header}");
    }
}
