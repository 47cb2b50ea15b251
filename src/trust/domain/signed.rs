//! Signed DER structures: certificates and revocation lists have the same three parts (RFC 5280 sections 4.1 and 5.1).

use rustls::pki_types::SignatureVerificationAlgorithm;
use x509_parser::asn1_rs::{Any, BitString, FromDer};

/// A certificate or a list, taken apart and not yet verified.
pub(super) struct Signed<'a> {
    pub(super) content: &'a [u8],
    algorithm: &'a [u8],
    signature: BitString<'a>,
}

/// The check whether a key has signed something.
pub(super) struct SignatureCheck<'a> {
    pub(super) algorithm: &'static dyn SignatureVerificationAlgorithm,
    pub(super) key: BitString<'a>,
    pub(super) message: &'a [u8],
    pub(super) signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let (rest, whole) = Any::from_der(der).ok()?;
        let (after, _content) = Any::from_der(whole.data).ok()?;
        let content = taken(whole.data, after)?;
        let (after, algorithm) = Any::from_der(after).ok()?;
        let (end, signature) = BitString::from_der(after).ok()?;
        let complete = rest.is_empty() && end.is_empty();
        complete.then_some(Self { content, algorithm: algorithm.data, signature })
    }

    /// True if this key has signed it, with an algorithm that is accepted.
    pub(super) fn verifies(&self, key: &[u8]) -> bool {
        self.check(key).is_some_and(|check| {
            let SignatureCheck { algorithm, key, message, signature } = &check;
            algorithm.verify_signature(&key.data, message, signature).is_ok()
        })
    }

    /// The check whether `key`, a SubjectPublicKeyInfo, has signed it. Nothing where no accepted algorithm fits the key.
    pub(super) fn check<'b>(&'b self, key: &'b [u8]) -> Option<SignatureCheck<'b>> {
        let (algorithm, key) = split_key(key)?;
        let fits = |candidate: &&&dyn SignatureVerificationAlgorithm| {
            candidate.signature_alg_id().as_ref() == self.algorithm
                && candidate.public_key_alg_id().as_ref() == algorithm
        };
        let algorithm = *webpki::ALL_VERIFICATION_ALGS.iter().find(fits)?;
        let check = SignatureCheck {
            algorithm,
            key,
            message: self.content,
            signature: &self.signature.data,
        };
        (self.signature.unused_bits == 0).then_some(check)
    }
}

/// The algorithm (without its tag) and the key bits of a SubjectPublicKeyInfo.
fn split_key(der: &[u8]) -> Option<(&[u8], BitString<'_>)> {
    let (_, whole) = Any::from_der(der).ok()?;
    let (after, algorithm) = Any::from_der(whole.data).ok()?;
    let (_, key) = BitString::from_der(after).ok()?;
    Some((algorithm.data, key))
}

/// The part of `before` that was read when `after` is left.
pub(super) fn taken<'a>(before: &'a [u8], after: &[u8]) -> Option<&'a [u8]> {
    before.get(..before.len().checked_sub(after.len())?)
}
