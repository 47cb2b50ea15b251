//! The claims that a kind of token must have, beside those of every token.

use serde_json::{Map, Value};

use crate::document::IssuerProfile;
use crate::reason::{Reason, Rejection};
use crate::spiffe::SpiffeId;
use crate::trust::Issuer;

/// Checks the claims of a token of `issuer` against the rules of its kind.
///
/// # Errors
/// `claim_mismatch` with the rule that is broken.
pub(super) fn check(
    claims: &Map<String, Value>,
    subject: Option<&str>,
    issuer: &Issuer,
) -> Result<(), Rejection> {
    match issuer.profile {
        IssuerProfile::JwtSvid => check_svid(subject, issuer),
        IssuerProfile::Kubernetes => check_service_account(claims, subject),
        IssuerProfile::Entra => check_tenant(claims, issuer),
        IssuerProfile::Jwt
        | IssuerProfile::Keycloak
        | IssuerProfile::Okta
        | IssuerProfile::Auth0
        | IssuerProfile::Cognito
        | IssuerProfile::Google
        | IssuerProfile::GithubActions => Ok(()),
    }
}

/// SPIFFE JWT-SVID section 3.1: the subject is the SPIFFE ID of a workload, here of the issuer's own trust domain, or one
/// domain's keys could vouch for another's workloads.
fn check_svid(subject: Option<&str>, issuer: &Issuer) -> Result<(), Rejection> {
    let id: SpiffeId = subject
        .and_then(|subject| subject.parse().ok())
        .ok_or_else(|| refuse("the subject of the JWT-SVID is not a SPIFFE ID"))?;
    let domain = issuer.iss.as_str().strip_prefix("spiffe://");
    if domain != Some(id.trust_domain()) || id.path().is_empty() {
        return Err(refuse("the subject of the JWT-SVID is not a workload of its trust domain"));
    }
    Ok(())
}

/// Entra ID writes the tenant of a token twice (P500).
fn check_tenant(claims: &Map<String, Value>, issuer: &Issuer) -> Result<(), Rejection> {
    let claim = |name: &str| claims.get(name).and_then(Value::as_str);
    let iss = claim("iss").unwrap_or(issuer.iss.as_str());
    let named = |tenant: &str| match issuer.iss.tenant(iss) {
        Some(own) => own == tenant,
        None => has_segment(iss, tenant),
    };
    if claim("tid").is_some_and(named) {
        return Ok(());
    }
    Err(refuse("the claim `tid` is absent or names another tenant than `iss`"))
}

/// True if the path of the address `iss` has the segment `name`.
pub(super) fn has_segment(iss: &str, name: &str) -> bool {
    let path = iss.split_once("://").map_or(iss, |(_, rest)| rest);
    path.split('/').skip(1).any(|own| own == name)
}

/// The subject `system:serviceaccount:NAMESPACE:NAME` and the claim `kubernetes.io` speak of the same account.
fn check_service_account(
    claims: &Map<String, Value>,
    subject: Option<&str>,
) -> Result<(), Rejection> {
    let (namespace, name) = subject
        .and_then(|subject| subject.strip_prefix("system:serviceaccount:"))
        .and_then(|account| account.split_once(':'))
        .filter(|(namespace, name)| is_name(namespace) && is_name(name))
        .ok_or_else(|| refuse("the subject is not a Kubernetes service account"))?;
    let claim = |pointer: &str| claims.get("kubernetes.io")?.pointer(pointer)?.as_str();
    if claim("/namespace") == Some(namespace) && claim("/serviceaccount/name") == Some(name) {
        return Ok(());
    }
    Err(refuse("the claim `kubernetes.io` is absent or names another service account"))
}

/// RFC 1123, as Kubernetes names are.
fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    (1..=253).contains(&text.len()) && text.bytes().all(allowed)
}

fn refuse(rule: &'static str) -> Rejection {
    Reason::ClaimMismatch.because(rule)
}
