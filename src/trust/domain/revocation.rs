//! Whether a certificate is revoked, by the lists of its trust domain.

use std::collections::HashMap;
use std::time::Duration;

use x509_parser::certificate::X509Certificate;

use super::authorities::Validity;
use super::crl::{Crl, IssuerId};
use super::scope::ALL_REASONS;
use crate::clock::UnixTime;
use crate::document::{OnMissing, OnStale, RevocationDepth, RevocationSpec};
use crate::reason::{Reason, Rejection};

/// Compiled `revocation` rules with their lists.
#[derive(Debug)]
pub struct Revocation {
    lists: HashMap<IssuerId, Vec<Crl>>,
    depth: RevocationDepth,
    on_missing: OnMissing,
    grace: Duration,
}

// === impl Revocation ===

impl Revocation {
    /// Keeps the newest list of each issuer and scope: an older one may lack what was revoked since.
    pub(super) fn new(spec: &RevocationSpec, lists: Vec<Crl>) -> Self {
        let mut newest: HashMap<IssuerId, Vec<Crl>> = HashMap::new();
        for list in lists {
            let own = newest.entry(list.issuer().clone()).or_default();
            match own.iter_mut().find_map(|old| list.replaces(old).map(|newer| (old, newer))) {
                Some((old, true)) => *old = list,
                Some((_, false)) => {}
                None => own.push(list),
            }
        }
        let grace = match spec.on_stale {
            OnStale::Deny => Duration::ZERO,
            OnStale::Grace(grace) => grace.get(),
        };
        Self { lists: newest, depth: spec.depth, on_missing: spec.on_missing, grace }
    }

    /// Every list that is used.
    pub fn lists(&self) -> impl Iterator<Item = &Crl> {
        self.lists.values().flatten()
    }

    /// For how long a list is used after its next update is due.
    #[must_use]
    pub const fn grace(&self) -> Duration {
        self.grace
    }

    /// Whether issuers are checked too.
    #[must_use]
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
        if of_issuer.iter().any(|list| list.revokes(certificate)) {
            return Err(
                Reason::CertRevoked.because("the certificate or one of its issuers is revoked")
            );
        }
        let (mut holds, mut covered): (Option<Validity>, _) = (None, 0);
        for list in of_issuer {
            let reasons = list.reasons_for(certificate);
            if reasons != 0 {
                let own = self.fresh(list, now)?;
                holds = Some(holds.map_or(own, |holds| holds.and(own)));
                covered |= reasons;
            }
        }
        if covered != ALL_REASONS && self.on_missing == OnMissing::Deny {
            return Err(Reason::CrlMissing.because(format!(
                "no revocation list of `{}` covers it: none at hand, or its distribution points name others",
                certificate.issuer()
            )));
        }
        Ok(holds)
    }

    /// When the list may be used, which must include `now`.
    fn fresh(&self, list: &Crl, now: UnixTime) -> Result<Validity, Rejection> {
        let Validity { not_before, not_after } = list.validity();
        let not_after = not_after.plus(self.grace);
        if now.as_secs() < not_before.as_secs() {
            return Err(Reason::CrlStale.because("the revocation list is dated in the future"));
        }
        if now.as_secs() > not_after.as_secs() {
            return Err(Reason::CrlStale.because("the revocation list is past its next update"));
        }
        Ok(Validity { not_before, not_after })
    }
}
