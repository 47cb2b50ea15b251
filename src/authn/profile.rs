//! What tokens of a certain kind must say beside what every token must.

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
    match issuer.profile() {
        IssuerProfile::Jwt => Ok(()),
        IssuerProfile::JwtSvid => check_svid(subject, issuer),
        IssuerProfile::Kubernetes => check_service_account(claims, subject),
    }
}

/// SPIFFE JWT-SVID section 3.1: the subject is the SPIFFE ID of a workload, here of the issuer's own trust domain, or one
/// domain's keys could vouch for another's workloads.
fn check_svid(subject: Option<&str>, issuer: &Issuer) -> Result<(), Rejection> {
    let id: SpiffeId = subject
        .and_then(|subject| subject.parse().ok())
        .ok_or_else(|| refuse("a JWT-SVID has a subject that is no SPIFFE ID"))?;
    let domain = issuer.iss().strip_prefix("spiffe://");
    if domain != Some(id.trust_domain()) || id.path().is_empty() {
        return Err(refuse("a JWT-SVID is about no workload of its trust domain"));
    }
    Ok(())
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
        .ok_or_else(|| refuse("the subject is no Kubernetes service account"))?;
    let told = |pointer: &str| claims.get("kubernetes.io")?.pointer(pointer)?.as_str();
    if told("/namespace") == Some(namespace) && told("/serviceaccount/name") == Some(name) {
        return Ok(());
    }
    Err(refuse("the claim `kubernetes.io` is absent or speaks of another service account"))
}

/// RFC 1123, as Kubernetes names are.
fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    (1..=253).contains(&text.len()) && text.bytes().all(allowed)
}

fn refuse(rule: &'static str) -> Rejection {
    Reason::ClaimMismatch.because(rule)
}
