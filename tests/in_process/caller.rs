//! A key pair, an issuer's or a caller's, and the proofs that its holder makes (RFC 9449).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::secret::Fingerprint;
use serde_json::{Value, json};

pub(crate) struct Key(EcdsaKeyPair);

impl Key {
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn jwk(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
    }

    /// RFC 7638.
    pub(crate) fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let text = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
        encode(Fingerprint::of(text.as_bytes()).as_bytes())
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let input = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", encode(signature.as_ref()))
    }

    /// A proof for a GET with `token`, made at `iat`, with `changes` to its header and its claims.
    pub(crate) fn proof(
        &self,
        token: &str,
        (url, iat): (&str, i64),
        (header, claims): (&Value, &Value),
    ) -> String {
        let own = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": self.jwk() });
        let ath = encode(Fingerprint::of(token.as_bytes()).as_bytes());
        let good = json!({ "jti": "proof-1", "htm": "GET", "htu": url, "iat": iat, "ath": ath });
        self.sign(&with(&own, header), &with(&good, claims))
    }
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `base` with the members of `changes`; a `null` removes one.
pub(crate) fn with(base: &Value, changes: &Value) -> Value {
    let mut all = base.as_object().unwrap().clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
    Value::Object(all)
}
