//! Verifications that may be relied on again. A cache decides how much it holds and for how long; the rest of this room checks
//! everything that can change since.

use std::fmt;
use std::sync::Arc;

use super::peer::{CertificateKey, VerifiedCertificate};
use super::signed::SignedToken;
use crate::evidence::PresentedToken;
use crate::secret::Fingerprint;

/// What was verified before and may be relied on again. Implementations decide how much they keep; they never outlive
/// what they are told.
#[derive(Clone, Copy, Debug)]
pub struct Caches<'a> {
    /// Certificates whose chain was verified.
    pub certificates: &'a dyn CertificateCache,
    /// Tokens whose signature was verified, under the same trust store.
    pub tokens: &'a dyn TokenCache,
}

/// Remembers verified certificates. It may forget at any time and keeps nothing that it was not given.
pub trait CertificateCache: fmt::Debug + Send + Sync {
    /// What was kept for exactly this key.
    fn recall(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>>;

    /// Keeps a verified certificate. Failures are never kept.
    fn keep(&self, key: CertificateKey, verified: &Arc<VerifiedCertificate>);
}

/// Remembers tokens whose signature was verified, so that they need be neither parsed nor verified again.
///
/// A memory is good for one [`TrustStore`](crate::trust::TrustStore): the rules of an issuer (its algorithms, types and denied keys) are applied when a token
/// is verified, so whoever changes them starts with another memory (invariant 7).
pub trait TokenCache: fmt::Debug + Send + Sync {
    /// The token with the fingerprint `token`, if it is remembered.
    fn recall(&self, token: &Fingerprint) -> Option<Arc<SignedToken>>;

    /// Remembers `token`. It may be forgotten at any time.
    fn keep(&self, token: &Arc<SignedToken>);
}

/// A cache that holds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCache;

/// Whether `memory` has `token`.
#[must_use]
pub fn is_cached(token: &PresentedToken, memory: &dyn TokenCache) -> bool {
    memory.recall(&token.fingerprint()).is_some_and(|known| known.is(token))
}

// === impl NoCache ===

impl CertificateCache for NoCache {
    fn recall(&self, _key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        None
    }

    fn keep(&self, _key: CertificateKey, _verified: &Arc<VerifiedCertificate>) {}
}

impl TokenCache for NoCache {
    fn recall(&self, _token: &Fingerprint) -> Option<Arc<SignedToken>> {
        None
    }

    fn keep(&self, _token: &Arc<SignedToken>) {}
}
