//! The rules for proofs of possession of an issuer's tokens (RFC 9449).

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::clock::UnixTime;
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

/// How nonces are made and judged (RFC 9449 section 9). No replica has to remember one: it is a time, sealed with a secret that
/// they share.
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

/// How many bytes of the seal of a nonce are kept: 128 bits.
const SEAL_BYTES: usize = 16;

impl DpopRules {
    /// A nonce for now; none where none is needed.
    pub fn new_nonce(&self, now: UnixTime) -> Option<String> {
        let secret = self.nonce.as_ref()?.secrets.first()?;
        let time = now.as_secs().to_be_bytes();
        Some(URL_SAFE_NO_PAD.encode([&time[..], &seal(secret, time)].concat()))
    }
}

impl NonceRules {
    /// When `nonce` was made, and whether with the secret that makes new ones; none if we did not make it.
    pub fn open(&self, nonce: &str) -> Option<(UnixTime, bool)> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (time, sealed) = bytes.split_first_chunk::<8>()?;
        // Every secret is tried, also those on their way out, so that all replicas need not change at the same moment.
        let is_by = |secret| bool::from(seal(secret, *time).ct_eq(sealed));
        let by = self.secrets.iter().position(is_by)?;
        Some((UnixTime::from_secs(i64::from_be_bytes(*time)), by == 0))
    }
}

fn seal(secret: &Secret<Vec<u8>>, time: [u8; 8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    let tag = hmac::sign(&key, &[&b"countersign DPoP nonce\0"[..], &time].concat());
    tag.as_ref().get(..SEAL_BYTES).unwrap_or_default().to_vec()
}

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
