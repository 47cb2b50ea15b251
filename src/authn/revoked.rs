//! The check that a verified credential is not revoked. It runs on every request, after every cache, so that a revocation counts
//! from the next request on and no cache has to be emptied (P64).

use serde_json::{Map, Value};

use crate::authn::claims::RegisteredClaims;
use crate::authn::facts::PeerFacts;
use crate::clock::UnixTime;
use crate::document::IssuerProfile;
use crate::reason::{Reason, RefusedCredential, Rejection};
use crate::secret::Fingerprint;
use crate::trust::{
    Issuer, RUNNING, RevocationKind, RevocationMark, RevocationTarget, RevocationView, Revoked,
};

/// A CA on the path of a certificate, by what may be revoked of it.
#[derive(Clone, Debug)]
pub(super) struct IssuerMarks {
    marks: Box<[RevocationMark]>,
    issued_at: Option<UnixTime>,
}

/// Refuses a certificate that is revoked, or whose public key or SPIFFE ID is, as far as these were presented.
///
/// # Errors
/// `cert_revoked`, or `revocations_stale` if that cannot be determined.
pub(super) fn check_peer(
    facts: &PeerFacts,
    revocations: &RevocationView,
    now: UnixTime,
) -> Result<(), Rejection> {
    if !any_in_force(revocations)? {
        return Ok(());
    }
    check_known(facts, revocations, now)
}

/// Refuses a certificate that is known to be revoked, even if a list is stale.
///
/// # Errors
/// `cert_revoked`.
pub(super) fn check_known(
    facts: &PeerFacts,
    revocations: &RevocationView,
    now: UnixTime,
) -> Result<(), Rejection> {
    let found = find_peer(facts, revocations, now);
    found.map_or(Ok(()), |found| Err(named(Reason::CertRevoked.because(sentence(found)), facts)))
}

/// Refuses a certificate where one of the CAs on the path that was found for it is revoked.
///
/// # Errors
/// As [`check_peer`].
pub(super) fn check_issuers(
    (facts, issuers): (&PeerFacts, &[IssuerMarks]),
    revocations: &RevocationView,
    now: UnixTime,
) -> Result<(), Rejection> {
    if !any_in_force(revocations)? {
        return Ok(());
    }
    let found = issuers.iter().find_map(|issuer| issuer.find(revocations, now));
    found.map_or(Ok(()), |found| {
        let why = sentence(found);
        Err(named(Reason::CertRevoked.because(format!("of a CA on its path, {why}")), facts))
    })
}

/// `why` with the certificate of `facts`, where that is revoked.
pub(super) fn named(why: Rejection, facts: &PeerFacts) -> Rejection {
    if why.reason() != Reason::CertRevoked {
        return why;
    }
    let marks = [
        ("trust_domain", Some(facts.trust_domain.clone())),
        ("spiffe", facts.spiffe.as_ref().map(ToString::to_string)),
        ("subject", facts.subject.clone()),
        ("issuer", facts.issuer.clone()),
        ("serial", facts.serial.clone()),
        ("fingerprint", facts.certificate.map(|own| own.to_hex())),
    ];
    why.naming(refused("certificate", marks))
}

fn refused<const N: usize>(
    credential: &'static str,
    marks: [(&'static str, Option<String>); N],
) -> RefusedCredential {
    let marks = marks.into_iter().filter_map(|(name, mark)| Some((name, mark?))).collect();
    RefusedCredential { credential, marks }
}

impl IssuerMarks {
    pub(super) fn of(facts: &PeerFacts) -> Self {
        let marks = keys(facts).map(|key| key.mark()).collect();
        Self { marks, issued_at: facts.not_before }
    }

    fn find<'a>(&self, revocations: &'a RevocationView, now: UnixTime) -> Option<Revoked<'a>> {
        let mut marks = self.marks.iter();
        marks.find_map(|mark| revocations.find_mark(mark, self.issued_at, now))
    }
}

fn find_peer<'a>(
    facts: &PeerFacts,
    revocations: &'a RevocationView,
    now: UnixTime,
) -> Option<Revoked<'a>> {
    let mut shown = keys(facts);
    shown.find_map(|key| revocations.find(&key, facts.not_before, now))
}

/// The targets by which a certificate may be revoked, as far as it was presented.
fn keys(facts: &PeerFacts) -> impl Iterator<Item = RevocationTarget<&str>> {
    let number = facts.serial.as_deref().map(|serial| serial.trim_start_matches('0'));
    let number = number.map(|number| if number.is_empty() { "0" } else { number });
    let serial = number.zip(facts.issuer.as_deref());
    let shown = [
        facts.certificate.map(RevocationTarget::Certificate),
        facts.spki.map(RevocationTarget::Spki),
        facts.spiffe.as_ref().map(|id| RevocationTarget::Spiffe(id.as_str())),
        serial.map(|(serial, issuer)| RevocationTarget::Serial(serial, issuer)),
    ];
    shown.into_iter().flatten()
}

/// Refuses a token that is revoked, or whose subject, session, client, issuer or key is, by any of the `names` of this.
///
/// # Errors
/// `token_revoked`, or `revocations_stale` if that cannot be determined.
pub(super) fn check_token<'a>(
    (claims, registered): (&'a Map<String, Value>, &'a RegisteredClaims),
    issuer: &'a Issuer,
    (key_id, names): (Option<&str>, impl Iterator<Item = &'a str> + Clone),
    revocations: &RevocationView,
    now: UnixTime,
) -> Result<(), Rejection> {
    if !any_in_force(revocations)? {
        return Ok(());
    }
    let claim = |name: &str| claims.get(name).and_then(Value::as_str);
    // Of an issuer with tenants the one that the token names, or by the template every one (P497).
    let named = registered.issuer.as_deref().filter(|_| issuer.iss.is_template());
    let (iss, subject) = (named.unwrap_or(issuer.iss.as_str()), registered.subject.as_deref());
    let issuers = [Some(iss), issuer.iss.template()].into_iter().flatten();
    let own = issuer.client_claim.as_deref();
    let of_issuer = [
        (RevocationKind::Token, registered.token_id.as_deref()),
        (RevocationKind::Subject, subject),
        (RevocationKind::Session, claim("sid")),
        // A token may have several of these, and then each of them is its client.
        (RevocationKind::Client, claim("client_id")),
        (RevocationKind::Client, claim("azp")),
        (RevocationKind::Client, claim("cid")),
        (RevocationKind::Client, claim("appid")),
        (RevocationKind::Client, own.and_then(claim)),
        (RevocationKind::Key, key_id),
    ];
    let names = names.map(|name| (RevocationKind::Key, Some(name)));
    let of_issuer = |iss| {
        let all = of_issuer.into_iter().chain(names.clone());
        let all = all
            .filter_map(move |(kind, value)| Some(RevocationTarget::OfIssuer(kind, iss, value?)));
        all.chain([RevocationTarget::Issuer(iss)])
    };
    // A workload that is revoked is revoked under both of its documents.
    let workload = subject.filter(|_| issuer.profile == IssuerProfile::JwtSvid);
    let mut all = issuers.flat_map(of_issuer).chain(workload.map(RevocationTarget::Spiffe));
    let found = all.find_map(|key| revocations.find(&key, registered.issued_at, now));
    let Some(found) = found else { return Ok(()) };
    let id = registered.token_id.as_deref().map(|id| Fingerprint::of(id.as_bytes()).to_hex());
    let marks = [
        ("issuer_name", Some(issuer.name.to_string())),
        ("issuer", Some(iss.to_owned())),
        ("token_id_hash", id),
        ("key_id", key_id.map(str::to_owned)),
    ];
    Err(Reason::TokenRevoked.because(sentence(found)).naming(refused("token", marks)))
}

/// True if anything is revoked at all. Without a required list it cannot be determined that a credential is not on it.
fn any_in_force(revocations: &RevocationView) -> Result<bool, Rejection> {
    match revocations.stale() {
        None => Ok(!revocations.is_empty()),
        Some(RUNNING) => Err(Reason::RevocationsStale.because(
            "the list `running` was never read from the shared store: it has what was revoked on servers",
        )),
        Some(list) => Err(Reason::RevocationsStale
            .because(format!("the revocation list `{list}` is too old, or was never loaded"))),
    }
}

fn sentence(found: Revoked<'_>) -> String {
    let (noun, list) = (found.kind.noun(), found.list);
    match found.note.reason.as_deref() {
        None => format!("{noun} is revoked by `{list}`"),
        Some(why) => format!("{noun} is revoked by `{list}`: {why}"),
    }
}
