//! Opaque tokens: what their issuer says about them, checked as strictly as what a JWT says about itself (RFC 7662
//! section 4).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::authn::claims::RegisteredClaims;
use crate::evidence::PresentedToken;
use crate::reason::{Reason, Rejection};
use crate::trust::{Introspection, Issuer, Material};

/// What the issuer says about `token`, where that is good enough.
///
/// # Errors
/// `introspection_inactive`, `introspection_unavailable`, `issuer_unknown`, `token_type`.
pub(super) fn claims(
    token: &PresentedToken,
    issuer: &Issuer,
    material: &Material,
) -> Result<(Arc<Map<String, Value>>, RegisteredClaims), Rejection> {
    let unavailable = |why: &'static str| Err(Reason::IntrospectionUnavailable.because(why));
    let claims = match material.introspection(issuer.name(), &token.fingerprint()) {
        Some(Introspection::Active(claims)) => claims,
        Some(Introspection::Inactive) => {
            return Err(
                Reason::IntrospectionInactive.because("the issuer says that it is not active")
            );
        }
        Some(Introspection::Unavailable(why)) => return unavailable(why),
        None => return unavailable("the issuer was not asked in time"),
    };
    let mut registered = RegisteredClaims::read(claims)?;
    // The answer need not name the issuer, but if it names another it is not about a token of this one (P65).
    if registered.issuer.as_deref().is_some_and(|named| named != issuer.iss()) {
        return Err(Reason::IssuerUnknown.because("the answer names another issuer"));
    }
    let bearer =
        |kind: &Value| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    if claims.get("token_type").is_some_and(|kind| !bearer(kind)) {
        return Err(Reason::TokenType.because("the issuer says that it is no bearer token"));
    }
    registered.issuer.get_or_insert_with(|| issuer.iss().to_owned());
    Ok((Arc::clone(claims), registered))
}
