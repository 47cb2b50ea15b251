//! The nonces of proofs (RFC 9449 section 9), judged by the rules of the token's issuer.

use serde_json::{Map, Value};

use crate::clock::UnixTime;
use crate::reason::{Reason, Rejection};
use crate::trust::DpopRules;

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
    let Some((made, _)) = needed.open(nonce) else {
        return refuse("proof has a nonce that we did not make");
    };
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
    let (made, lasts) = needed.open(claims.get("nonce")?.as_str()?)?;
    let young = now < made.plus(needed.lifetime.checked_div(2).unwrap_or_default());
    if lasts && young { None } else { rules.new_nonce(now) }
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
        let nonce = ours.new_nonce(at(0)).unwrap();
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
