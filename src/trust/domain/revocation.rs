//! The revocation of certificates, by the lists of their trust domain and by those of every other that trusts their issuer.

use std::collections::HashMap;
use std::time::Duration;

use x509_parser::certificate::X509Certificate;

use super::crl::{Crl, IssuerId};
use super::scope::ALL_REASONS;
use super::standing::CurrentList;
use super::validity::Validity;
use crate::clock::UnixTime;
use crate::document::{OnMissing, RevocationDepth};
use crate::reason::{Reason, Rejection};
use crate::secret::hex;

/// Compiled `revocation` rules with their lists.
#[derive(Debug)]
pub struct Revocation {
    lists: HashMap<IssuerId, Vec<CurrentList>>,
    depth: RevocationDepth,
    on_missing: OnMissing,
    /// For how long a list is used after its next update is due.
    pub grace: Duration,
}

/// The revocations of authorities, whichever document has their lists: a document without lists must not accept what another
/// knows to be revoked.
#[derive(Debug, Default)]
pub(super) struct RevokedSerials {
    leaves: HashMap<IssuerId, Vec<CurrentList>>,
    issuers: HashMap<IssuerId, Vec<CurrentList>>,
}

impl Revocation {
    pub(super) const fn new(
        lists: HashMap<IssuerId, Vec<CurrentList>>,
        depth: RevocationDepth,
        on_missing: OnMissing,
        grace: Duration,
    ) -> Self {
        Self { lists, depth, on_missing, grace }
    }

    /// Every list that is used: of each issuer and scope the newest.
    pub fn lists(&self) -> impl Iterator<Item = &Crl> {
        self.lists.values().flatten().map(|list| &*list.newest)
    }

    /// When the first issuer and scope has no list any more that may be used without a grace.
    pub fn next_update(&self) -> Option<UnixTime> {
        let last = |list: &CurrentList| list.all().map(|list| list.validity.not_after).max();
        self.lists.values().flatten().filter_map(last).min()
    }

    /// True if issuers are checked too.
    pub fn covers_chain(&self) -> bool {
        self.depth == RevocationDepth::Chain
    }

    /// Checks one certificate, which `issuer` has issued. Says for how long the answer holds; nothing where it does not
    /// depend on the time.
    ///
    /// # Errors
    /// `cert_revoked`, `crl_stale` or `crl_missing`.
    pub fn check(
        &self,
        certificate: &X509Certificate<'_>,
        issuer: &IssuerId,
        now: UnixTime,
    ) -> Result<Option<Validity>, Rejection> {
        let of_issuer = self.lists.get(issuer).map(Vec::as_slice).unwrap_or_default();
        // A stale list still knows what was revoked before.
        if of_issuer.iter().any(|list| list.revokes(certificate, now, self.grace)) {
            return Err(revoked(certificate));
        }
        let (mut holds, mut covered): (Option<Validity>, _) = (None, 0);
        let mut stale: Option<Rejection> = None;
        for list in of_issuer {
            let reasons = list.newest.reasons_for(certificate);
            if reasons == 0 {
                continue;
            }
            match list.usable(now, self.grace) {
                Some(usable) => {
                    let Validity { not_before, not_after } = usable.validity;
                    let own = Validity { not_before, not_after: not_after.plus(self.grace) };
                    holds = Some(holds.map_or(own, |holds| holds.and(own)));
                    covered |= reasons;
                }
                None => stale = Some(unusable(&list.newest, now)),
            }
        }
        // RFC 5280 section 6.3.3: one complete and current list settles it.
        match (covered == ALL_REASONS, stale, self.on_missing) {
            (true, _, _) | (false, None, OnMissing::Allow) => Ok(holds),
            (false, Some(stale), _) => Err(stale),
            (false, None, OnMissing::Deny) => Err(Reason::CrlMissing.because(format!(
                "no revocation list of `{}` covers it: none at hand, or its distribution points name others",
                certificate.issuer()
            ))),
        }
    }
}

/// The caller's certificate, or one of its issuers: its number says which.
fn revoked(certificate: &X509Certificate<'_>) -> Rejection {
    let serial = hex(certificate.raw_serial());
    Reason::CertRevoked.because(format!(
        "certificate {serial} of `{}` is on a revocation list of that CA",
        certificate.issuer()
    ))
}

/// Why no list of the issuer and scope of `newest` may be used.
fn unusable(newest: &Crl, now: UnixTime) -> Rejection {
    if now.as_secs() < newest.validity.not_before.as_secs() {
        return Reason::CrlStale.because("the revocation list is dated in the future");
    }
    Reason::CrlStale.because("the revocation list is past its next update")
}

impl RevokedSerials {
    pub(super) fn new(
        all: impl IntoIterator<Item = CurrentList>,
        chain: impl IntoIterator<Item = CurrentList>,
    ) -> Self {
        Self { leaves: by_issuer(all), issuers: by_issuer(chain) }
    }

    /// Refuses a certificate that `issuer` has issued and that any list of it revokes.
    ///
    /// # Errors
    /// `cert_revoked`.
    pub(super) fn check(
        &self,
        certificate: &X509Certificate<'_>,
        issuer: &IssuerId,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let lists = if certificate.is_ca() { &self.issuers } else { &self.leaves };
        match is_listed(lists, certificate, issuer, now) {
            true => Err(revoked(certificate)),
            false => Ok(()),
        }
    }

    /// True if a list of `issuer` revokes the certificate, whatever kind it is of.
    pub(super) fn has(
        &self,
        certificate: &X509Certificate<'_>,
        issuer: &IssuerId,
        now: UnixTime,
    ) -> bool {
        is_listed(&self.leaves, certificate, issuer, now)
    }
}

fn is_listed(
    lists: &HashMap<IssuerId, Vec<CurrentList>>,
    certificate: &X509Certificate<'_>,
    issuer: &IssuerId,
    now: UnixTime,
) -> bool {
    let of_issuer = lists.get(issuer).map(Vec::as_slice).unwrap_or_default();
    of_issuer.iter().any(|list| list.revokes(certificate, now, Duration::ZERO))
}

fn by_issuer(lists: impl IntoIterator<Item = CurrentList>) -> HashMap<IssuerId, Vec<CurrentList>> {
    let mut all: HashMap<IssuerId, Vec<CurrentList>> = HashMap::new();
    for list in lists {
        all.entry(list.newest.issuer.clone()).or_default().push(list);
    }
    all
}
