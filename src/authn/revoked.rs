//! Whether what was verified is believed no longer. Asked on every request, after whatever was remembered, so that a
//! revocation counts from the next request on and no cache has to be found and emptied (P64).

use serde_json::{Map, Value};

use crate::authn::PeerFacts;
use crate::authn::claims::RegisteredClaims;
use crate::clock::UnixTime;
use crate::document::IssuerProfile;
use crate::reason::{Reason, Rejection};
use crate::trust::{Issuer, RevocationKey, RevocationKind, Revocations, Revoked};

/// Refuses a certificate that is revoked, or whose public key or SPIFFE ID is: as much of these as was shown.
///
/// # Errors
/// `cert_revoked`, or `revocations_stale` where nobody knows.
pub(super) fn check_peer(
    facts: &PeerFacts,
    revocations: &Revocations,
    now: UnixTime,
) -> Result<(), Rejection> {
    check_fresh(revocations)?;
    if revocations.is_empty() {
        return Ok(());
    }
    let refuse = |key: RevocationKey<'_>| {
        let found = revocations.find(&key, facts.not_before, now);
        found.map_or(Ok(()), |found| Err(refused(Reason::CertRevoked, found)))
    };
    facts.certificate.as_ref().map_or(Ok(()), |print| refuse(RevocationKey::Certificate(print)))?;
    facts.spki.as_ref().map_or(Ok(()), |print| refuse(RevocationKey::Spki(print)))?;
    facts.spiffe.as_ref().map_or(Ok(()), |id| refuse(RevocationKey::Spiffe(id.as_str())))?;
    let number = facts.serial.as_deref().map(|serial| serial.trim_start_matches('0'));
    let number = number.map(|number| if number.is_empty() { "0" } else { number });
    let serial = number.zip(facts.issuer.as_deref());
    serial.map_or(Ok(()), |(serial, issuer)| refuse(RevocationKey::Serial(serial, issuer)))
}

/// Refuses a token that is revoked, or whose subject, session, client, key or issuer is.
///
/// # Errors
/// `token_revoked`, or `revocations_stale` where nobody knows.
pub(super) fn check_token(
    (claims, registered): (&Map<String, Value>, &RegisteredClaims),
    issuer: &Issuer,
    key_id: Option<&str>,
    revocations: &Revocations,
    now: UnixTime,
) -> Result<(), Rejection> {
    check_fresh(revocations)?;
    if revocations.is_empty() {
        return Ok(());
    }
    let refuse = |key: RevocationKey<'_>| {
        let found = revocations.find(&key, registered.issued_at, now);
        found.map_or(Ok(()), |found| Err(refused(Reason::TokenRevoked, found)))
    };
    let claim = |name: &str| claims.get(name).and_then(Value::as_str);
    let iss = issuer.iss();
    for (kind, value) in [
        (RevocationKind::Token, registered.token_id.as_deref()),
        (RevocationKind::Subject, registered.subject.as_deref()),
        (RevocationKind::Session, claim("sid")),
        // A token may have both, and then either of them is its client.
        (RevocationKind::Client, claim("client_id")),
        (RevocationKind::Client, claim("azp")),
        (RevocationKind::Key, key_id),
    ] {
        value.map_or(Ok(()), |value| refuse(RevocationKey::OfIssuer(kind, iss, value)))?;
    }
    refuse(RevocationKey::Issuer(iss))?;
    // A workload that is revoked is so under both of its documents.
    let workload = registered.subject.as_deref();
    let workload = workload.filter(|_| issuer.profile() == IssuerProfile::JwtSvid);
    workload.map_or(Ok(()), |id| refuse(RevocationKey::Spiffe(id)))
}

/// Without the list nobody can say that a credential is not on it.
fn check_fresh(revocations: &Revocations) -> Result<(), Rejection> {
    match revocations.stale() {
        None => Ok(()),
        Some(list) => Err(Reason::RevocationsStale
            .because(format!("the revocation list `{list}` is too old, or was never had"))),
    }
}

fn refused(reason: Reason, found: Revoked<'_>) -> Rejection {
    let (thing, list) = (found.kind.thing(), found.list);
    match found.note.reason.as_deref() {
        None => reason.because(format!("{thing} is revoked by `{list}`")),
        Some(why) => reason.because(format!("{thing} is revoked by `{list}`: {why}")),
    }
}
