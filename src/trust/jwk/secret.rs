//! Secrets that an issuer shares with us (RFC 7518 section 3.2): from a file of the operator's, never from a key set.

use aws_lc_rs::hmac;

use super::{KeyVerifier, VerificationKey};
use crate::secret::Secret;
use crate::trust::Algorithm;

impl VerificationKey {
    /// The secret `secret` for the symmetric ones of `algorithms`. `place`, its place in its list, names it where it has no id
    /// `id`: a thumbprint of a secret would be a way to guess it.
    pub(in crate::trust) fn shared(
        place: usize,
        id: Option<String>,
        secret: &Secret<Vec<u8>>,
        algorithms: &[Algorithm],
    ) -> Self {
        let key = |algorithm| hmac::Key::new(algorithm, secret.expose());
        let verifiers = algorithms
            .iter()
            .filter_map(|algorithm| {
                Some((*algorithm, KeyVerifier::Secret(Box::new(key(digest(*algorithm)?)))))
            })
            .collect();
        Self { id, issuer: None, thumbprint: format!("secret {place}"), verifiers }
    }
}

impl Algorithm {
    /// The least length of a secret, in bytes: that of the hash (RFC 7518 section 3.2). `None` for asymmetric ones.
    pub fn min_secret_bytes(self) -> Option<usize> {
        digest(self).map(|algorithm| algorithm.digest_algorithm().output_len())
    }
}

const fn digest(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::Hs256 => Some(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Some(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Some(hmac::HMAC_SHA512),
        Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::Es512
        | Algorithm::EdDsa
        | Algorithm::Ed25519 => None,
    }
}
