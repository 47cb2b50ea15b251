//! Opaque tokens: what their issuer says about them, judged as strictly as what a signed token claims.
//!
//! An answer that was kept is judged anew for every request: only the question is saved, never a check (P63).

use serde_json::{Map, Value};

use super::TokenIdentity;
use crate::authn::binding;
use crate::authn::claims::RegisteredClaims;
use crate::clock::UnixTime;
use crate::evidence::PresentedToken;
use crate::json::type_name;
use crate::reason::{Reason, Rejection};
use crate::secret::Fingerprint;
use crate::trust::{IntrospectionAnswer, Issuer, Material, TrustStore};

/// The issuer that is to be asked about `token`, if one is.
///
/// It is asked about whatever is in a place that is its alone. In a place that it shares with issuers of signed tokens,
/// what looks signed is theirs, well-formed or not, and is shown to nobody.
#[must_use]
pub fn introspecting_issuer<'a>(
    token: &PresentedToken,
    trust: &'a TrustStore,
) -> Option<&'a Issuer> {
    let issuer = trust.introspector_at(token.place())?;
    (!token.is_jose() || !trust.verifies_at(token.place())).then_some(issuer)
}

/// Judges `token` by the answer of `issuer` in `material`.
pub(super) fn verify(
    token: &PresentedToken,
    issuer: &Issuer,
    material: &Material,
    certificate: Option<&Fingerprint>,
    now: UnixTime,
) -> Result<TokenIdentity, Rejection> {
    let answer = answer(token, issuer, material)?;
    let claims = answer.claims().ok_or_else(|| {
        Reason::IntrospectionInactive.because("the issuer says that the token is not active")
    })?;
    check_kind(claims)?;
    let mut registered = RegisteredClaims::read(claims)?;
    check_issuer(&registered, issuer)?;
    // RFC 7662 section 2.2: `exp` is optional. A token without one ends when its answer does, and is asked about anew then.
    let expires_at = registered.expires_at.unwrap_or(answer.until());
    registered.expires_at = Some(expires_at);
    registered.check(claims, issuer, now)?;
    let binding = binding::check(claims, token.scheme(), certificate, issuer.binding())?;
    registered.issuer = Some(issuer.iss().to_owned());
    Ok(TokenIdentity {
        issuer_name: issuer.name().to_owned(),
        registered,
        claims: std::sync::Arc::clone(claims),
        key_id: None,
        expires_at,
        binding,
    })
}

fn answer<'a>(
    token: &PresentedToken,
    issuer: &Issuer,
    material: &'a Material,
) -> Result<&'a IntrospectionAnswer, Rejection> {
    match material.answer(issuer.name(), token.fingerprint()) {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(rejection)) => Err(rejection.clone()),
        None => Err(Reason::IntrospectionUnavailable.because("the issuer was not asked")),
    }
}

/// Refresh and ID tokens are active, too, and are no access tokens (P65). RFC 7662 section 2.2 has `token_type` for that
/// (RFC 6749 section 7.1); servers in use say it with `token_use` or `typ`. What is absent says nothing.
fn check_kind(answer: &Map<String, Value>) -> Result<(), Rejection> {
    for (member, accepted) in [
        ("token_type", &["bearer", "access_token"][..]),
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

/// An endpoint that answers for several issuers says whose token it is (P53).
fn check_issuer(registered: &RegisteredClaims, issuer: &Issuer) -> Result<(), Rejection> {
    match &registered.issuer {
        Some(other) if other != issuer.iss() => {
            Err(Reason::IssuerUnknown.because("the answer is about a token of another issuer"))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
