//! The rules for proofs of possession of an issuer's tokens (RFC 9449).

use std::time::Duration;

use crate::request::UrlOrigin;
use crate::secret::Secret;
use crate::trust::Algorithm;

/// The compiled `dpop` of a `TokenIssuer` document; the default where it has none.
#[derive(Debug)]
pub struct DpopRules {
    /// The algorithms that proofs may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// How long ago they may have been made.
    pub max_age: Duration,
    /// The origins that callers see in front of the paths; empty if the proxy's is right.
    pub origins: Vec<UrlOrigin>,
    /// The nonces that they must hold, where they must.
    pub nonce: Option<NonceRules>,
}

/// How nonces are made and judged.
#[derive(Debug)]
pub struct NonceRules {
    /// The keys that seal them, at least 32 bytes each: the first one seals, all of them are accepted.
    pub secrets: Vec<Secret<Vec<u8>>>,
    /// For how long one is good.
    pub lifetime: Duration,
}

/// How long ago a proof may have been made, unless it is set: a request's way to us, with a wait for a connection.
pub(super) const DEFAULT_PROOF_AGE: Duration = Duration::from_secs(60);

/// A proof by a secret that we know as well would prove nothing (RFC 9449 section 4.3, check 5).
pub(super) fn asymmetric() -> Vec<Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()).collect()
}

impl DpopRules {}

impl Default for DpopRules {
    fn default() -> Self {
        Self {
            algorithms: asymmetric(),
            max_age: DEFAULT_PROOF_AGE,
            origins: Vec::new(),
            nonce: None,
        }
    }
}
