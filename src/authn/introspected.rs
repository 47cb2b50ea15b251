//! Opaque tokens: what their issuer says about them, judged as strictly as what a JWT says about itself (RFC 7662 section 4).
//!
//! An answer that was kept is judged anew for every request: only the question is saved, never a check (P63).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::authn::claims::RegisteredClaims;
use crate::evidence::{PresentedToken, TokenScheme};
use crate::json::type_name;
use crate::reason::{Reason, Rejection};
use crate::trust::{Issuer, Material};

/// What the issuer says about `token`, where that is good enough.
///
/// # Errors
/// `introspection_inactive`, `introspection_unavailable`, `issuer_unknown`, `token_type`, `token_malformed`.
pub(super) fn claims(
    token: &PresentedToken,
    issuer: &Issuer,
    material: &Material,
) -> Result<(Arc<Map<String, Value>>, RegisteredClaims), Rejection> {
    let answer = match material.answer(issuer.name(), token.fingerprint()) {
        Some(Ok(answer)) => answer,
        Some(Err(rejection)) => return Err(rejection.clone()),
        None => return Err(Reason::IntrospectionUnavailable.because("the issuer was not asked")),
    };
    let claims = answer.claims().ok_or_else(|| {
        Reason::IntrospectionInactive.because("the issuer says that the token is not active")
    })?;
    check_kind(claims, token.scheme())?;
    let mut registered = RegisteredClaims::read(claims)?;
    // An endpoint that answers for several issuers says whose token it is (P53, P65).
    if registered.issuer.as_deref().is_some_and(|named| named != issuer.iss()) {
        return Err(Reason::IssuerUnknown.because("the answer is about a token of another issuer"));
    }
    registered.issuer.get_or_insert_with(|| issuer.iss().into());
    // RFC 7662 section 2.2: `exp` is optional. A token without one ends when its answer does, and is asked about anew then.
    registered.expires_at.get_or_insert(answer.until());
    Ok((Arc::clone(claims), registered))
}

/// Refresh and ID tokens are active, too, and are no access tokens (P65). RFC 7662 section 2.2 has `token_type` for that
/// (RFC 6749 section 7.1); servers in use say it with `token_use` or `typ`. What is absent says nothing.
fn check_kind(answer: &Map<String, Value>, scheme: TokenScheme) -> Result<(), Rejection> {
    // RFC 9449 section 5: such a token is no bearer token.
    let types: &[&str] = match scheme {
        TokenScheme::Bearer => &["bearer", "access_token"],
        TokenScheme::Dpop => &["bearer", "access_token", "dpop"],
    };
    for (member, accepted) in [
        ("token_type", types),
        ("token_use", &["access_token", "access"]),
        ("typ", &["bearer", "jwt", "at+jwt"]),
    ] {
        match answer.get(member) {
            None | Some(Value::Null) => {}
            Some(Value::String(kind)) => {
                if !accepted.iter().any(|accepted| kind.eq_ignore_ascii_case(accepted)) {
                    let detail = format!(
                        "the issuer says by `{member}` that this is no bearer access token"
                    );
                    return Err(Reason::TokenType.because(detail));
                }
            }
            Some(other) => {
                let found = type_name(other);
                let detail =
                    format!("the answer has a `{member}` that is {found}, expected a string");
                return Err(Reason::TokenMalformed.because(detail));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
