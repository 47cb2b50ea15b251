//! Credentials that work once: proofs of possession, and the tokens of issuers whose tokens work once.
//!
//! This room only names them. The decision point asks the shared store whether they were used before, once everything else
//! allows the request: a credential is never used up by a request that is denied anyway.

use aws_lc_rs::digest::{Context, SHA256};

use crate::clock::UnixTime;

/// One credential that works once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneTimeUse {
    kind: &'static str,
    key: [u8; 32],
    expires: UnixTime,
}

const PROOF: &str = "DPoP proof";

impl OneTimeUse {
    /// A proof with this `jti` by the key with this thumbprint (RFC 9449 section 11.1). It includes the key, so that one
    /// caller cannot use up the proofs of another.
    pub(super) fn proof(thumbprint: &[u8; 32], id: &str, expires: UnixTime) -> Self {
        Self::new(PROOF, &[thumbprint, id.as_bytes()], expires)
    }

    /// The token with this `jti` (RFC 7519 section 4.1.7) of the issuer `iss`.
    pub(super) fn token(iss: &str, id: &str, expires: UnixTime) -> Self {
        Self::new("token", &[iss.as_bytes(), id.as_bytes()], expires)
    }

    fn new(kind: &'static str, parts: &[&[u8]], expires: UnixTime) -> Self {
        let mut hash = Context::new(&SHA256);
        for part in [kind.as_bytes()].iter().chain(parts) {
            // Each with its length, so that no two lists of parts are the same bytes.
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(hash.finish().as_ref());
        Self { kind, key, expires }
    }

    /// True if it is a proof, and not a token.
    pub fn is_proof(&self) -> bool {
        self.kind == PROOF
    }

    /// `DPoP proof` or `token`.
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its name in the shared store, which reveals nothing about it.
    pub const fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// From when on it is refused for its age, so that its use need not be remembered.
    pub const fn expires(&self) -> UnixTime {
        self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_credential_has_a_key_of_its_own() {
        let end = UnixTime::from_secs(1);
        let keys = [
            OneTimeUse::token("a", "bc", end),
            OneTimeUse::token("ab", "c", end),
            OneTimeUse::token("a", "b", end),
            OneTimeUse::proof(&[1; 32], "bc", end),
            OneTimeUse::proof(&[2; 32], "bc", end),
        ]
        .map(|one| *one.key());
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(OneTimeUse::token("a", "bc", end), OneTimeUse::token("a", "bc", end));
    }
}
