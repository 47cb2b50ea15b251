//! Verified certificates and signed tokens, bounded by bytes (P72).

use std::fmt;
use std::sync::Arc;

use moka::sync::Cache;
use quick_cache::DefaultHashBuilder;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::authn::{
    Caches, CertificateCache, CertificateKey, SignedToken, TokenCache, VerifiedCertificate,
};
use crate::secret::Fingerprint;

/// The sizes of the verification cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VerificationCacheOptions {
    /// Most bytes of verified certificates to keep.
    pub certificate_bytes: u64,
    /// Most bytes of verified tokens to keep.
    pub token_bytes: u64,
}

/// Verifications made under one snapshot. `authn` decides whether one still holds at the time of a request.
#[derive(Debug)]
pub struct VerificationCache {
    certificates: CertificateEntries,
    tokens: TokenEntries,
}

/// A key is a whole certificate, perhaps with its chain: with the standard hasher, hashing it is most of a look.
#[derive(Debug)]
struct CertificateEntries(Cache<CertificateKey, Arc<VerifiedCertificate>, DefaultHashBuilder>);

/// By the fingerprint of the token. A token that is verified again, with other keys, replaces itself. An expired one makes room in
/// time; its times are checked for every request.
///
/// There may be a hundred thousand, so that the cache's own size for each matters.
struct TokenEntries(quick_cache::sync::Cache<Fingerprint, Arc<SignedToken>, TokenWeight>);

/// The weight of a cached token.
#[derive(Clone, Copy, Debug)]
struct TokenWeight;

/// The size of an entry beside what it was made from: the parsed form and the cache's own bookkeeping.
const ENTRY_OVERHEAD: usize = 1024;

/// The size of the cache's own bookkeeping for a token.
const TOKEN_ENTRY_OVERHEAD: usize = 96;

/// The size of a small token, which bounds how many there are.
const SMALL_TOKEN_BYTES: u64 = 1024;

impl Default for VerificationCacheOptions {
    fn default() -> Self {
        Self { certificate_bytes: 64 * 1024 * 1024, token_bytes: 64 * 1024 * 1024 }
    }
}

impl VerificationCache {
    /// An empty cache.
    pub fn new(options: &VerificationCacheOptions) -> Self {
        let certificates = Cache::builder()
            .max_capacity(options.certificate_bytes)
            .weigher(|key: &CertificateKey, _| weight(key.size(), ENTRY_OVERHEAD))
            .build_with_hasher(DefaultHashBuilder::default());
        let bytes = options.token_bytes;
        let most = usize::try_from(bytes / SMALL_TOKEN_BYTES).unwrap_or(usize::MAX);
        let tokens = quick_cache::sync::Cache::with_weighter(most, bytes, TokenWeight);
        Self { certificates: CertificateEntries(certificates), tokens: TokenEntries(tokens) }
    }

    /// How many tokens are cached, and about how many bytes they take.
    pub fn tokens(&self) -> (u64, u64) {
        let TokenEntries(cache) = &self.tokens;
        (u64::try_from(cache.len()).unwrap_or(u64::MAX), cache.weight())
    }

    /// As `authn` wants it.
    pub const fn memory(&self) -> Caches<'_> {
        Caches { certificates: &self.certificates, tokens: &self.tokens }
    }
}

fn weight(bytes: usize, overhead: usize) -> u32 {
    u32::try_from(bytes.saturating_add(overhead)).unwrap_or(u32::MAX)
}

impl CertificateCache for CertificateEntries {
    fn lookup(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        self.0.get(key)
    }

    fn keep(&self, key: CertificateKey, verified: &Arc<VerifiedCertificate>) {
        self.0.insert(key, Arc::clone(verified));
    }
}

impl TokenCache for TokenEntries {
    fn lookup(&self, token: &Fingerprint) -> Option<Arc<SignedToken>> {
        self.0.get(token)
    }

    fn keep(&self, token: &Arc<SignedToken>) {
        self.0.insert(*token.fingerprint(), Arc::clone(token));
    }
}

impl fmt::Debug for TokenEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl quick_cache::Weighter<Fingerprint, Arc<SignedToken>> for TokenWeight {
    fn weight(&self, _: &Fingerprint, token: &Arc<SignedToken>) -> u64 {
        u64::from(weight(token.size(), TOKEN_ENTRY_OVERHEAD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P72: cached tokens are bounded by bytes, however many callers send some.
    #[test]
    fn tokens_are_kept_within_their_bytes() {
        for (room, holds_some) in [(1024 * 1024, true), (100, false), (0, false)] {
            let options = VerificationCacheOptions {
                token_bytes: room,
                ..VerificationCacheOptions::default()
            };
            let cache = VerificationCache::new(&options);
            let memory = cache.memory().tokens;
            for number in 0..10_000 {
                let token = Arc::new(SignedToken::for_test(number));
                memory.keep(&token);
                let (count, bytes) = cache.tokens();
                let least = count * u64::try_from(token.size()).unwrap();
                assert!(least <= bytes && bytes <= room, "{count} in {bytes} of {room} bytes");
            }
            let (count, bytes) = cache.tokens();
            assert_eq!(count > 0, holds_some, "{room}");
            assert!(!holds_some || bytes > room / 2, "{bytes} of {room} are used");
        }
    }

    /// A token that is used again and again stays, however many others come once.
    #[test]
    fn tokens_in_use_are_not_displaced_by_strangers() {
        let options = VerificationCacheOptions {
            token_bytes: 1024 * 1024,
            ..VerificationCacheOptions::default()
        };
        let cache = VerificationCache::new(&options);
        let memory = cache.memory().tokens;
        let used = Arc::new(SignedToken::for_test(u32::MAX));
        memory.keep(&used);
        for number in 0..10_000 {
            assert!(memory.lookup(used.fingerprint()).is_some(), "after {number}");
            memory.keep(&Arc::new(SignedToken::for_test(number)));
        }
    }
}
