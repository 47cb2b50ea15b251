//! Verifications that may be relied on again. A cache decides how much it holds and for how long; the rest of this room checks
//! everything that can change since.

use std::fmt;
use std::sync::Arc;

use super::signed::SignedToken;
use super::verified::{CertificateKey, VerifiedCertificate};
use crate::evidence::PresentedToken;
use crate::secret::Fingerprint;

/// The caches of verified certificates and tokens.
#[derive(Clone, Copy, Debug)]
pub struct Caches<'a> {
    /// Certificates whose chain was verified.
    pub certificates: &'a dyn CertificateCache,
    /// Tokens whose signature was verified, under the same trust store.
    pub tokens: &'a dyn TokenCache,
}

/// A cache of verified certificates. It may forget at any time.
pub trait CertificateCache: fmt::Debug + Send + Sync {
    /// The certificate that was kept for exactly this key.
    fn lookup(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>>;

    /// Keeps a verified certificate. Failures are never kept.
    fn keep(&self, key: CertificateKey, verified: &Arc<VerifiedCertificate>);

    /// True if a certificate that it does not have is verified. If not, it is refused (`throttled`).
    fn lets_verify(&self) -> bool {
        true
    }
}

/// A cache of tokens whose signature was verified, so that they are neither parsed nor verified again.
///
/// A cache is valid for one [`TrustStore`](crate::trust::TrustStore): the rules of an issuer (its algorithms, types and
/// denied keys) are applied when a token is verified, so a change of the rules starts with an empty cache (invariant 7).
pub trait TokenCache: fmt::Debug + Send + Sync {
    /// The token with the fingerprint `token`.
    fn lookup(&self, token: &Fingerprint) -> Option<Arc<SignedToken>>;

    /// Keeps `token`. The cache may forget it at any time.
    fn keep(&self, token: &Arc<SignedToken>);
}

/// A cache that holds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCache;

/// A cache with which nothing new is verified.
#[derive(Clone, Copy, Debug)]
pub struct KnownOnly<'a>(pub &'a dyn CertificateCache);

/// True if `memory` has `token`, verified in the same place.
pub fn is_cached(token: &PresentedToken, memory: &dyn TokenCache) -> bool {
    memory.lookup(&token.fingerprint).is_some_and(|known| known.is(token))
}

impl CertificateCache for NoCache {
    fn lookup(&self, _key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        None
    }

    fn keep(&self, _key: CertificateKey, _verified: &Arc<VerifiedCertificate>) {}
}

impl CertificateCache for KnownOnly<'_> {
    fn lookup(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        self.0.lookup(key)
    }

    fn keep(&self, _key: CertificateKey, _verified: &Arc<VerifiedCertificate>) {}

    fn lets_verify(&self) -> bool {
        false
    }
}

impl TokenCache for NoCache {
    fn lookup(&self, _token: &Fingerprint) -> Option<Arc<SignedToken>> {
        None
    }

    fn keep(&self, _token: &Arc<SignedToken>) {}
}
