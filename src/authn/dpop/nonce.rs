//! Nonces for proofs (RFC 9449 section 9) that no replica has to remember: a time, sealed with a secret that they share.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::clock::UnixTime;
use crate::reason::{Reason, Rejection};
use crate::trust::DpopRules;

/// How many bytes of the seal are kept: 128 bits.
const SEAL_BYTES: usize = 16;

/// A nonce for now; none where none is needed.
pub(super) fn make(rules: &DpopRules, now: UnixTime) -> Option<String> {
    let secret = rules.nonce.as_ref()?.secrets.first()?;
    let time = now.as_secs().to_be_bytes();
    let seal = seal(secret.expose(), time);
    Some(URL_SAFE_NO_PAD.encode([&time[..], &seal].concat()))
}

/// Whether the proof with these `claims` holds a current nonce, where one is needed. A nonce where none is needed says nothing.
pub(super) fn check(
    claims: &Map<String, Value>,
    rules: &DpopRules,
    now: UnixTime,
) -> Result<(), Rejection> {
    let Some(needed) = rules.nonce.as_ref() else { return Ok(()) };
    let refuse = |detail: &'static str| Err(Reason::DpopNonce.because(detail));
    let Some(nonce) = claims.get("nonce").and_then(Value::as_str) else {
        return refuse("proof has no nonce");
    };
    let bytes = URL_SAFE_NO_PAD.decode(nonce).unwrap_or_default();
    let Some((time, sealed)) = bytes.split_first_chunk::<8>() else {
        return refuse("proof has a nonce that we did not make");
    };
    // Every secret is tried, also those on their way out, so that all replicas need not change at the same moment.
    let ours =
        needed.secrets.iter().any(|secret| bool::from(seal(secret.expose(), *time).ct_eq(sealed)));
    if !ours {
        return refuse("proof has a nonce that we did not make");
    }
    let made = UnixTime::from_secs(i64::from_be_bytes(*time));
    // Another replica's clock may be ahead of ours by a little.
    if now >= made.plus(needed.lifetime) || made > now.plus(needed.lifetime) {
        return refuse("proof has a nonce that is not current any more");
    }
    Ok(())
}

/// A nonce for the next proof of a caller whose last one, with these `claims`, was good: once half the time of its nonce is
/// over, or where that was sealed with a secret that is on its way out.
pub(super) fn renew(
    claims: &Map<String, Value>,
    rules: &DpopRules,
    now: UnixTime,
) -> Option<String> {
    let needed = rules.nonce.as_ref()?;
    let bytes = URL_SAFE_NO_PAD.decode(claims.get("nonce")?.as_str()?).ok()?;
    let (time, sealed) = bytes.split_first_chunk::<8>()?;
    let made = UnixTime::from_secs(i64::from_be_bytes(*time));
    let newest = needed.secrets.first()?;
    let lasts = bool::from(seal(newest.expose(), *time).ct_eq(sealed));
    let young = now < made.plus(needed.lifetime.checked_div(2).unwrap_or_default());
    if lasts && young { None } else { make(rules, now) }
}

fn seal(secret: &[u8], time: [u8; 8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, &[&b"countersign DPoP nonce\0"[..], &time].concat());
    tag.as_ref().get(..SEAL_BYTES).unwrap_or_default().to_vec()
}
