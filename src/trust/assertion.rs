//! Assertions by which a client proves to an issuer who it is (RFC 7523): signed here, with a key from the configuration.

use jsonwebtoken::{Algorithm as Signing, AlgorithmFamily, EncodingKey, Header};
use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::trust::Algorithm;

/// How an assertion is made.
#[derive(Clone, Debug)]
pub struct ClientAssertion {
    /// The private key, PEM.
    pub key: Secret<Vec<u8>>,
    /// The key that it signs with.
    pub algorithm: Algorithm,
    /// Its `kid`, where the issuer needs one.
    pub key_id: Option<String>,
    /// The `aud` of the assertion.
    pub audience: String,
}

impl ClientAssertion {
    /// A signed JWT with `claims`; `None` where the key does not sign with the algorithm.
    pub fn sign(&self, claims: &Map<String, Value>) -> Option<Secret<String>> {
        let algorithm = signing(self.algorithm)?;
        let pem = self.key.expose();
        let key = match algorithm.family() {
            AlgorithmFamily::Ec => EncodingKey::from_ec_pem(pem),
            AlgorithmFamily::Ed => EncodingKey::from_ed_pem(pem),
            AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(pem),
            AlgorithmFamily::Hmac => return None,
        };
        let mut header = Header::new(algorithm);
        header.kid.clone_from(&self.key_id);
        jsonwebtoken::encode(&header, claims, &key.ok()?).ok().map(Secret::new)
    }

    /// The algorithms that it can be made with.
    pub(super) fn can_sign_with(algorithm: Algorithm) -> bool {
        signing(algorithm).is_some()
    }
}

const fn signing(algorithm: Algorithm) -> Option<Signing> {
    match algorithm {
        Algorithm::Rs256 => Some(Signing::RS256),
        Algorithm::Rs384 => Some(Signing::RS384),
        Algorithm::Rs512 => Some(Signing::RS512),
        Algorithm::Ps256 => Some(Signing::PS256),
        Algorithm::Ps384 => Some(Signing::PS384),
        Algorithm::Ps512 => Some(Signing::PS512),
        Algorithm::Es256 => Some(Signing::ES256),
        Algorithm::Es384 => Some(Signing::ES384),
        Algorithm::EdDsa => Some(Signing::EdDSA),
        Algorithm::Es512
        | Algorithm::Ed25519
        | Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512 => None,
    }
}
