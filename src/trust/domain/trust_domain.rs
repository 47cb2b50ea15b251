//! A compiled trust domain.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, TrustAnchor};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::authorities::Authority;
use super::bundle::SpiffeBundle;
use super::crl::IssuerId;
use super::leaf::LeafRules;
use super::revocation::{Revocation, Revoked};
use super::validity::Validity;
use crate::clock::UnixTime;
use crate::reason::Rejection;
use crate::secret::Fingerprint;
use crate::spiffe::{SpiffeId, SpiffePattern, TrustDomainName};
use crate::trust::{CanonicalName, RemoteFile};

/// A compiled `TrustDomain` document.
#[derive(Debug)]
pub struct TrustDomain {
    pub(super) name: String,
    pub(super) spiffe: Option<TrustDomainName>,
    pub(super) bundle: Option<SpiffeBundle>,
    pub(super) authorities: Vec<Authority>,
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    pub(super) paths: Fingerprint,
    pub(super) forwarders: Vec<SpiffePattern>,
    pub(super) leaf: LeafRules,
    pub(super) revocation: Option<Revocation>,
    /// The certificates that any list of any document revokes.
    pub(super) revoked: Arc<Revoked>,
    pub(super) list_problems: Vec<String>,
    pub(super) remotes: Vec<Arc<RemoteFile>>,
    pub(super) revision: Fingerprint,
}

impl TrustDomain {
    /// The name of the document.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SPIFFE trust domain whose IDs it vouches for; without one it vouches for certificates without a SPIFFE ID.
    pub const fn spiffe(&self) -> Option<&TrustDomainName> {
        self.spiffe.as_ref()
    }

    /// Its SPIFFE bundle, if it has one. The X.509 authorities in it are among [`Self::authorities`].
    pub const fn bundle(&self) -> Option<&SpiffeBundle> {
        self.bundle.as_ref()
    }

    /// The files that it needs from servers.
    pub fn remotes(&self) -> &[Arc<RemoteFile>] {
        &self.remotes
    }

    /// The pinned authorities, in the same order as [`Self::anchors`].
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// The pinned authorities as path building wants them.
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// Certificates that may help to find a path.
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }

    /// The names of its authorities and intermediates.
    pub fn issuer_names(&self) -> Vec<CanonicalName> {
        let all = self.authorities.iter().map(Authority::der).chain(&self.intermediates);
        let name = |der| {
            let (_, certificate) = X509Certificate::from_der(der).ok()?;
            Some(CanonicalName::of(certificate.subject()))
        };
        all.filter_map(|der| name(der)).collect()
    }

    /// The rules for a peer's certificate.
    pub const fn leaf(&self) -> &LeafRules {
        &self.leaf
    }

    /// How revocation is checked, if it is.
    pub const fn revocation(&self) -> Option<&Revocation> {
        self.revocation.as_ref()
    }

    /// The problems of revocation lists that it names and that do not count. The lists that were in force stay in force.
    pub fn list_problems(&self) -> &[String] {
        &self.list_problems
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

    /// Changes whenever other paths may be found: domains with the same one accept the same paths, but for revocation.
    pub const fn paths(&self) -> &Fingerprint {
        &self.paths
    }

    /// Whether the workload speaks for the caller it was called by.
    pub fn is_forwarder(&self, id: &SpiffeId) -> bool {
        self.forwarders.iter().any(|pattern| pattern.matches(id))
    }

    /// Changes whenever the document or a file it points to does.
    pub const fn revision(&self) -> &Fingerprint {
        &self.revision
    }
}
