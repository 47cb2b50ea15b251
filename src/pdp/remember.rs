//! What was verified before: certificates and token signatures, bounded.

use serde::Deserialize;

use crate::authn::{CertificateMemory, Memory, TokenMemory};
use crate::clock::UnixTime;
use crate::secret::Fingerprint;

/// How much of what was verified is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MemoryOptions {
    /// Most certificates whose verification is kept.
    pub certificates: u64,
    /// Most bytes of verified tokens that are kept.
    pub token_bytes: u64,
}

/// Verifications made under one snapshot.
#[derive(Debug)]
pub(super) struct Remembered {
    certificates: RememberedCertificates,
    tokens: RememberedTokens,
}

#[derive(Debug)]
struct RememberedCertificates {}

#[derive(Debug)]
struct RememberedTokens {}

// === impl MemoryOptions ===

impl Default for MemoryOptions {
    fn default() -> Self {
        Self { certificates: 100_000, token_bytes: 128 * 1024 * 1024 }
    }
}

// === impl Remembered ===

impl Remembered {
    pub(super) fn new(_options: &MemoryOptions) -> Self {
        Self { certificates: RememberedCertificates {}, tokens: RememberedTokens {} }
    }

    pub(super) const fn memory(&self) -> Memory<'_> {
        Memory { certificates: &self.certificates, tokens: &self.tokens }
    }
}

impl CertificateMemory for RememberedCertificates {}

impl TokenMemory for RememberedTokens {
    fn recall(&self, _token: &Fingerprint, _keys: &Fingerprint) -> bool {
        false
    }

    fn keep(&self, _token: &Fingerprint, _keys: &Fingerprint, _until: UnixTime) {}
}
