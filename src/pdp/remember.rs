//! What was verified before: certificates and token signatures, bounded by bytes (P72).

use std::sync::Arc;

use moka::sync::Cache;
use serde::Deserialize;

use crate::authn::{CertificateKey, CertificateMemory, Memory, TokenMemory, VerifiedCertificate};
use crate::clock::UnixTime;
use crate::secret::Fingerprint;

/// How much of what was verified is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MemoryOptions {
    /// Most bytes of verified certificates that are kept.
    pub certificate_bytes: u64,
    /// Most bytes of verified tokens that are kept.
    pub token_bytes: u64,
}

/// Verifications made under one snapshot. Whether one still holds at the time of a request is for `authn` to say.
#[derive(Debug)]
pub(super) struct Remembered {
    certificates: RememberedCertificates,
    tokens: RememberedTokens,
}

#[derive(Debug)]
struct RememberedCertificates(Cache<CertificateKey, Arc<VerifiedCertificate>>);

/// By the fingerprints of the token and of the key set that verified it.
#[derive(Debug)]
struct RememberedTokens(Cache<(Fingerprint, Fingerprint), ()>);

/// What an entry costs beside what it was made from: the parsed form and the cache's own bookkeeping.
const ENTRY_OVERHEAD: usize = 1024;

/// What a remembered token costs: two fingerprints and the cache's own bookkeeping.
const TOKEN_ENTRY_BYTES: u32 = 320;

// === impl MemoryOptions ===

impl Default for MemoryOptions {
    fn default() -> Self {
        Self { certificate_bytes: 64 * 1024 * 1024, token_bytes: 64 * 1024 * 1024 }
    }
}

// === impl Remembered ===

impl Remembered {
    pub(super) fn new(options: &MemoryOptions) -> Self {
        let certificates = Cache::builder()
            .max_capacity(options.certificate_bytes)
            .weigher(|key: &CertificateKey, _| weight(key.size()))
            .build();
        let tokens = Cache::builder()
            .max_capacity(options.token_bytes)
            .weigher(|_, ()| TOKEN_ENTRY_BYTES)
            .build();
        Self {
            certificates: RememberedCertificates(certificates),
            tokens: RememberedTokens(tokens),
        }
    }

    pub(super) const fn memory(&self) -> Memory<'_> {
        Memory { certificates: &self.certificates, tokens: &self.tokens }
    }
}

fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes.saturating_add(ENTRY_OVERHEAD)).unwrap_or(u32::MAX)
}

impl CertificateMemory for RememberedCertificates {
    fn recall(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        self.0.get(key)
    }

    fn keep(&self, key: CertificateKey, verified: &Arc<VerifiedCertificate>) {
        self.0.insert(key, Arc::clone(verified));
    }
}

impl TokenMemory for RememberedTokens {
    fn recall(&self, token: &Fingerprint, keys: &Fingerprint) -> bool {
        self.0.get(&(*token, *keys)).is_some()
    }

    fn keep(&self, token: &Fingerprint, keys: &Fingerprint, _until: UnixTime) {
        // What has expired is refused whatever is remembered, and falls out when room is needed.
        self.0.insert((*token, *keys), ());
    }
}
