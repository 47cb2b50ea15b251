//! The evidence of one check, with what the verification cache has of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::shared_headers::SharedHeaders;
use crate::authn::{
    self, Caches, CertificateCache, CertificateKey, SignedToken, TokenCache, VerifiedCertificate,
};
use crate::evidence::Evidence;
use crate::request::{CredentialHeaders, TokenPlace};
use crate::secret::Fingerprint;
use crate::trust::TrustStore;

/// The evidence of one check. It holds what the cache has of its tokens, so that every later step sees the same.
#[derive(Debug)]
pub struct Collected<'a> {
    /// The evidence, unverified.
    pub evidence: Evidence,
    /// The headers in which a token may be among other things.
    pub(super) shared: SharedHeaders,
    /// The client's address, or its IPv6 network: sources take turns where they wait for each other.
    pub(super) origin: Option<IpAddr>,
    pub(super) cached: CachedVerifications<'a>,
}

/// The verification cache as one check sees it. Its tokens are looked up once, when the evidence is collected.
#[derive(Debug)]
pub(super) struct CachedVerifications<'a> {
    cache: Caches<'a>,
    tokens: Vec<Arc<SignedToken>>,
    certificates: AtomicU32,
}

/// How many verifications of one check the cache had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheHits {
    /// Certificates with their chains.
    pub certificates: u32,
    /// Signatures of tokens.
    pub tokens: u32,
}

impl<'a> Collected<'a> {
    pub(super) fn new(
        evidence: Evidence,
        credentials: &CredentialHeaders,
        places: &[TokenPlace],
        cache: Caches<'a>,
    ) -> Self {
        let shared = SharedHeaders::of(credentials, places);
        let presented = evidence.presented();
        let mut tokens = Vec::with_capacity(presented.len());
        tokens.extend(presented.iter().filter_map(|own| cache.tokens.lookup(&own.fingerprint)));
        let cached = CachedVerifications { cache, tokens, certificates: AtomicU32::new(0) };
        Self { evidence, shared, origin: None, cached }
    }

    /// The same without the tokens of issuers that do not count.
    pub(super) fn ignore_uncounted(
        self,
        trust: &TrustStore,
        counts: impl Fn(&str) -> bool,
    ) -> Self {
        let Self { evidence, shared, origin, mut cached } = self;
        let evidence = authn::ignore_uncounted(evidence, trust, &cached, counts);
        let presented = evidence.presented();
        let is_left = |known: &Arc<SignedToken>| presented.iter().any(|token| known.is(token));
        cached.tokens.retain(is_left);
        Self { evidence, shared, origin, cached }
    }

    /// How much the cache had.
    pub(super) fn cache_hits(&self) -> CacheHits {
        CacheHits {
            certificates: self.cached.certificates.load(Ordering::Relaxed),
            tokens: u32::try_from(self.cached.tokens.len()).unwrap_or(u32::MAX),
        }
    }
}

impl CachedVerifications<'_> {
    pub(super) fn memory(&self) -> Caches<'_> {
        Caches { certificates: self, tokens: self }
    }
}

impl CertificateCache for CachedVerifications<'_> {
    fn lookup(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        let found = self.cache.certificates.lookup(key)?;
        self.certificates.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    fn keep(&self, key: CertificateKey, verified: &Arc<VerifiedCertificate>) {
        self.cache.certificates.keep(key, verified);
    }
}

impl TokenCache for CachedVerifications<'_> {
    fn lookup(&self, token: &Fingerprint) -> Option<Arc<SignedToken>> {
        self.tokens.iter().find(|known| known.fingerprint() == token).map(Arc::clone)
    }

    fn keep(&self, token: &Arc<SignedToken>) {
        self.cache.tokens.keep(token);
    }
}
