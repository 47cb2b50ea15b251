//! A compiled trust domain.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, TrustAnchor};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::authorities::Authority;
use super::crl::IssuerId;
use super::leaf::LeafRules;
use super::revocation::{Revocation, RevokedSerials};
use super::validity::Validity;
use crate::clock::UnixTime;
use crate::reason::Rejection;
use crate::secret::Fingerprint;
use crate::spiffe::{SpiffeId, SpiffePattern, TrustDomainName};
use crate::trust::{CanonicalName, RemoteFile};

/// A compiled `TrustDomain` document.
#[derive(Debug)]
pub struct TrustDomain {
    /// The name of the document.
    pub name: String,
    /// The SPIFFE trust domain whose IDs it vouches for; without one it vouches for certificates without a SPIFFE ID.
    pub spiffe: Option<TrustDomainName>,
    /// The pinned authorities, in the same order as [`Self::anchors`].
    pub authorities: Vec<Authority>,
    /// The pinned authorities as path building wants them.
    pub anchors: Vec<TrustAnchor<'static>>,
    /// Certificates that may help to find a path.
    pub intermediates: Vec<CertificateDer<'static>>,
    /// Changes whenever other paths may be found: domains with the same one accept the same paths, but for revocation.
    pub paths: Fingerprint,
    pub(super) forwarders: Vec<SpiffePattern>,
    /// The rules for a peer's certificate.
    pub leaf: LeafRules,
    /// How revocation is checked, if it is.
    pub revocation: Option<Revocation>,
    /// The certificates that any list of any document revokes.
    pub(super) revoked: Arc<RevokedSerials>,
    /// The problems of revocation lists that it names and that do not count. The lists that were in force stay in force.
    pub list_problems: Vec<String>,
    /// The files that it needs from servers.
    pub remotes: Vec<Arc<RemoteFile>>,
    /// Changes whenever the document or a file it points to does.
    pub revision: Fingerprint,
}

impl TrustDomain {
    /// The names of its authorities and intermediates.
    pub fn issuer_names(&self) -> Vec<CanonicalName> {
        let all = self.authorities.iter().map(|own| &own.der).chain(&self.intermediates);
        let name = |der| {
            let (_, certificate) = X509Certificate::from_der(der).ok()?;
            Some(CanonicalName::of(certificate.subject()))
        };
        all.filter_map(|der| name(der)).collect()
    }

    /// Checks a certificate of a path, which `issuer` has issued, by the lists of this document, and by those of all others
    /// for what they know to be revoked. Says for how long the answer holds; nothing where it does not depend on the time.
    ///
    /// # Errors
    /// `cert_revoked`, `crl_stale` or `crl_missing`.
    pub fn check_revocation(
        &self,
        certificate: &X509Certificate<'_>,
        issuer: &IssuerId,
        now: UnixTime,
    ) -> Result<Option<Validity>, Rejection> {
        self.revoked.check(certificate, issuer, now)?;
        let asked = |own: &&Revocation| !certificate.is_ca() || own.covers_chain();
        match self.revocation.as_ref().filter(asked) {
            Some(own) => own.check(certificate, issuer, now),
            None => Ok(None),
        }
    }

    pub(in crate::trust) fn is_listed(
        &self,
        certificate: &X509Certificate<'_>,
        issuer: &IssuerId,
        now: UnixTime,
    ) -> bool {
        self.revoked.has(certificate, issuer, now)
    }

    /// True if the workload speaks for the caller it was called by.
    pub fn is_forwarder(&self, id: &SpiffeId) -> bool {
        self.forwarders.iter().any(|pattern| pattern.matches(id))
    }
}
