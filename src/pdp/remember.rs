//! What was verified before: certificates and signed tokens, bounded by bytes (P72).

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use schemars::JsonSchema;
use serde::Deserialize;

use super::shelf::{Keep, Shelf};
use crate::authn::{
    CertificateKey, CertificateMemory, Memory, SignedToken, TokenMemory, VerifiedCertificate,
};
use crate::pdp::CacheHits;
use crate::secret::Fingerprint;

/// How much of what was verified is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MemoryOptions {
    /// Most bytes of verified certificates that are kept.
    pub certificate_bytes: u64,
    /// Most bytes of verified tokens that are kept.
    pub token_bytes: u64,
}

/// Verifications made under one snapshot. Whether one still holds at the time of a request is for `authn` to say.
#[derive(Debug)]
pub struct Remembered {
    certificates: RememberedCertificates,
    tokens: RememberedTokens,
}

#[derive(Debug)]
struct RememberedCertificates(Cache<CertificateKey, Arc<VerifiedCertificate>>);

/// By the fingerprint of the token. A token that was verified again, with other keys, replaces itself. Tokens that have expired
/// make room; that they are refused does not depend on it: their times are checked every time.
#[derive(Debug)]
struct RememberedTokens(Shelf<SignedToken>);

/// What an entry costs beside what it was made from: the parsed form and the cache's own bookkeeping.
const ENTRY_OVERHEAD: usize = 1024;

/// The memory as one request sees it: what was recalled is at hand until the request is decided, and counted.
#[derive(Debug)]
pub(super) struct Recalling<'a> {
    memory: Memory<'a>,
    certificates: AtomicU32,
    tokens: Mutex<Vec<Arc<SignedToken>>>,
}

// === impl MemoryOptions ===

impl Default for MemoryOptions {
    fn default() -> Self {
        Self { certificate_bytes: 64 * 1024 * 1024, token_bytes: 64 * 1024 * 1024 }
    }
}

// === impl Remembered ===

impl Remembered {
    /// Nothing yet.
    #[must_use]
    pub fn new(options: &MemoryOptions) -> Self {
        let certificates = Cache::builder()
            .max_capacity(options.certificate_bytes)
            .weigher(|key: &CertificateKey, _| weight(key.size(), ENTRY_OVERHEAD))
            .build();
        let tokens = RememberedTokens(Shelf::new(options.token_bytes));
        Self { certificates: RememberedCertificates(certificates), tokens }
    }

    /// How many tokens are remembered, and about how many bytes they take.
    #[must_use]
    pub fn tokens(&self) -> (u64, u64) {
        self.tokens.0.count()
    }

    /// As `authn` wants it.
    #[must_use]
    pub const fn memory(&self) -> Memory<'_> {
        Memory { certificates: &self.certificates, tokens: &self.tokens }
    }
}

fn weight(bytes: usize, overhead: usize) -> u32 {
    u32::try_from(bytes.saturating_add(overhead)).unwrap_or(u32::MAX)
}

impl CertificateMemory for RememberedCertificates {
    fn recall(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        self.0.get(key)
    }

    fn keep(&self, key: CertificateKey, verified: &Arc<VerifiedCertificate>) {
        self.0.insert(key, Arc::clone(verified));
    }
}

impl Keep for SignedToken {
    fn fingerprint(&self) -> &Fingerprint {
        self.fingerprint()
    }

    fn size(&self) -> usize {
        self.size()
    }
}

impl TokenMemory for RememberedTokens {
    fn recall(&self, token: &Fingerprint) -> Option<Arc<SignedToken>> {
        self.0.find(token)
    }

    fn keep(&self, token: &Arc<SignedToken>, lifetime: Duration) {
        self.0.keep(token, lifetime);
    }
}

// === impl Recalling ===

impl<'a> Recalling<'a> {
    pub(super) const fn new(memory: Memory<'a>) -> Self {
        Self { memory, certificates: AtomicU32::new(0), tokens: Mutex::new(Vec::new()) }
    }

    pub(super) fn memory(&self) -> Memory<'_> {
        Memory { certificates: self, tokens: self }
    }

    pub(super) fn hits(&self) -> CacheHits {
        CacheHits {
            certificates: self.certificates.load(Ordering::Relaxed),
            tokens: u32::try_from(self.recalled().len()).unwrap_or(u32::MAX),
        }
    }

    fn recalled(&self) -> MutexGuard<'_, Vec<Arc<SignedToken>>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CertificateMemory for Recalling<'_> {
    fn recall(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        let found = self.memory.certificates.recall(key)?;
        self.certificates.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    fn keep(&self, key: CertificateKey, verified: &Arc<VerifiedCertificate>) {
        self.memory.certificates.keep(key, verified);
    }
}

impl TokenMemory for Recalling<'_> {
    fn recall(&self, token: &Fingerprint) -> Option<Arc<SignedToken>> {
        let mut recalled = self.recalled();
        if let Some(known) = recalled.iter().find(|known| known.fingerprint() == token) {
            return Some(Arc::clone(known));
        }
        let found = self.memory.tokens.recall(token)?;
        recalled.push(Arc::clone(&found));
        Some(found)
    }

    fn keep(&self, token: &Arc<SignedToken>, lifetime: Duration) {
        self.memory.tokens.keep(token, lifetime);
    }
}
