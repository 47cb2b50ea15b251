//! Opaque tokens: the answer of their issuer, checked as strictly as the claims of a JWT (RFC 7662 section 4).
//!
//! A cached answer is checked again for every request: the cache saves the question, never a check (P63).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::authn::claims::RegisteredClaims;
use crate::authn::kind;
use crate::evidence::PresentedToken;
use crate::reason::{Reason, Rejection};
use crate::trust::{Issuer, Material};

/// The claims that the issuer gives for `token`.
///
/// # Errors
/// `introspection_inactive`, `introspection_unavailable`, `issuer_unknown`, `token_type`, `token_malformed`.
pub(super) fn claims(
    token: &PresentedToken,
    issuer: &Issuer,
    material: &Material,
) -> Result<(Arc<Map<String, Value>>, RegisteredClaims), Rejection> {
    let answer = match material.answer(&issuer.name, token.fingerprint) {
        Some(Ok(answer)) => answer,
        Some(Err(rejection)) => return Err(rejection.clone()),
        None => return Err(Reason::IntrospectionUnavailable.because("the issuer was not asked")),
    };
    let claims = answer.claims().ok_or_else(|| {
        Reason::IntrospectionInactive.because("the issuer says that the token is not active")
    })?;
    // Refresh and ID tokens are active, too (P65).
    kind::check(claims, None, issuer)?;
    let mut registered = RegisteredClaims::read(claims, issuer.client_claim.as_deref())?;
    // An endpoint that answers for several issuers says whose token it is (P53, P65).
    if registered.issuer.as_deref().is_some_and(|named| !issuer.iss.is(named)) {
        return Err(Reason::IssuerUnknown.because("the answer is about a token of another issuer"));
    }
    registered.issuer.get_or_insert_with(|| issuer.iss.as_str().into());
    // RFC 7662 section 2.2: `exp` is optional. A token without one ends when its answer does, and the issuer is asked again
    // then.
    registered.expires_at.get_or_insert(answer.until());
    Ok((Arc::clone(claims), registered))
}

#[cfg(test)]
mod tests;
