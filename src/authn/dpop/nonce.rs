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

/// Checks that the proof with these `claims` holds a current nonce, where one is needed: the moment when that ends, by which the
/// proof is judged instead of by the client's clock (RFC 9449 section 11.1). A nonce where none is needed says nothing.
pub(super) fn check(
    claims: &Map<String, Value>,
    rules: &DpopRules,
    now: UnixTime,
) -> Result<Option<UnixTime>, Rejection> {
    let Some(needed) = rules.nonce.as_ref() else { return Ok(None) };
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
    Ok(Some(made.plus(needed.lifetime)))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::authn::dpop::made_at;
    use crate::secret::Secret;
    use crate::trust::NonceRules;

    /// P416: a fresh nonce of ours says how old a proof is, whatever the client's clock says, and for no longer than it lives.
    #[test]
    fn a_proof_is_as_old_as_its_nonce() {
        let lifetime = Duration::from_secs(300);
        let rules = |secret: &[u8]| DpopRules {
            nonce: Some(NonceRules { secrets: vec![Secret::new(secret.to_vec())], lifetime }),
            ..DpopRules::default()
        };
        let ours = rules(&[7; 32]);
        let at = |secs: i64| UnixTime::from_secs(1_800_000_000 + secs);
        let nonce = make(&ours, at(0)).unwrap();
        let claims = json!({ "nonce": nonce, "iat": 5 }).as_object().unwrap().clone();
        let judged =
            |rules: &DpopRules, now| check(&claims, rules, now).map_err(|why| why.reason());
        assert_eq!(judged(&ours, at(0)), Ok(Some(at(300))));
        assert_eq!(judged(&ours, at(299)), Ok(Some(at(300))));
        assert_eq!(judged(&ours, at(300)), Err(Reason::DpopNonce));
        assert_eq!(judged(&rules(&[8; 32]), at(0)), Err(Reason::DpopNonce));
        assert_eq!(judged(&DpopRules::default(), at(0)), Ok(None));
    }

    #[test]
    fn a_proof_may_have_a_fraction_of_a_second() {
        let made = |iat: Value| made_at(json!({ "iat": iat }).as_object().unwrap()).ok();
        assert_eq!(made(json!(1_800_000_000.25)), Some(UnixTime::from_millis(1_800_000_000_250)));
        for iat in [json!(-1), json!("1"), json!(null), json!(1e300), json!(1_800_000_000_000_i64)]
        {
            assert_eq!(made(iat.clone()), None, "{iat}");
        }
    }
}
