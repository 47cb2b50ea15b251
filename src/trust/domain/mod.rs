//! A trust domain: whose certificates are believed, and under which rules.

mod authorities;
mod bundle;
mod compile;
mod crl;
mod draft;
mod extensions;
mod faults;
mod key;
mod leaf;
mod overlap;
mod pem_file;
mod revocation;
mod scope;
mod signed;
mod standing;

pub use authorities::{Authority, Validity};
pub use bundle::SpiffeBundle;
pub(super) use compile::{check_distinct, compile};
pub use crl::{Crl, IssuerId};
pub(super) use draft::settle;
pub use extensions::{extension_fault, issues_clients};
pub use key::key_weakness;
pub(in crate::trust) use leaf::sha256;
pub use leaf::{ExtendedKeyUsageRules, LeafRules, Pin};
pub(super) use overlap::check_overlaps;
pub use revocation::Revocation;
pub use signed::is_signed_by;
pub use standing::{KnownLists, StandingList, StoredList};

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, TrustAnchor};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use self::revocation::Revoked;
use crate::clock::UnixTime;
use crate::reason::Rejection;
use crate::secret::Fingerprint;
use crate::spiffe::{SpiffeId, SpiffePattern, TrustDomainName};
use crate::trust::{CanonicalName, RemoteFile};

/// A compiled `TrustDomain` document.
#[derive(Debug)]
pub struct TrustDomain {
    name: String,
    spiffe: Option<TrustDomainName>,
    bundle: Option<SpiffeBundle>,
    authorities: Vec<Authority>,
    anchors: Vec<TrustAnchor<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
    paths: Fingerprint,
    forwarders: Vec<SpiffePattern>,
    leaf: LeafRules,
    revocation: Option<Revocation>,
    /// What is revoked by any list of any document.
    revoked: Arc<Revoked>,
    list_problems: Vec<String>,
    remotes: Vec<Arc<RemoteFile>>,
    revision: Fingerprint,
}

// === impl TrustDomain ===

impl TrustDomain {
    /// The name of the document.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SPIFFE trust domain whose IDs it vouches for; without one it vouches for certificates without a SPIFFE ID.
    #[must_use]
    pub const fn spiffe(&self) -> Option<&TrustDomainName> {
        self.spiffe.as_ref()
    }

    /// Its SPIFFE bundle, if it has one. The X.509 authorities in it are among [`Self::authorities`].
    #[must_use]
    pub const fn bundle(&self) -> Option<&SpiffeBundle> {
        self.bundle.as_ref()
    }

    /// What it needs from servers.
    #[must_use]
    pub fn remotes(&self) -> &[Arc<RemoteFile>] {
        &self.remotes
    }

    /// The pinned authorities, in the same order as [`Self::anchors`].
    #[must_use]
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// The pinned authorities as path building wants them.
    #[must_use]
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    /// Certificates that may help to find a path.
    #[must_use]
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }

    /// The names of its authorities and intermediates.
    #[must_use]
    pub fn issuer_names(&self) -> Vec<CanonicalName> {
        let all = self.authorities.iter().map(Authority::der).chain(&self.intermediates);
        let name = |der| {
            let (_, certificate) = X509Certificate::from_der(der).ok()?;
            Some(CanonicalName::of(certificate.subject()))
        };
        all.filter_map(|der| name(der)).collect()
    }

    /// What is asked of a peer's certificate.
    #[must_use]
    pub const fn leaf(&self) -> &LeafRules {
        &self.leaf
    }

    /// How revocation is checked, if it is.
    #[must_use]
    pub const fn revocation(&self) -> Option<&Revocation> {
        self.revocation.as_ref()
    }

    /// What is wrong with revocation lists that it names and that do not count. Those that were in force stay so.
    #[must_use]
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

    /// Changes whenever other paths may be found: domains with the same one believe the same paths, but for revocation.
    #[must_use]
    pub const fn paths(&self) -> &Fingerprint {
        &self.paths
    }

    /// Whether the workload speaks for the caller it was called by.
    #[must_use]
    pub fn is_forwarder(&self, id: &SpiffeId) -> bool {
        self.forwarders.iter().any(|pattern| pattern.matches(id))
    }

    /// Changes whenever the document or a file it points to does.
    #[must_use]
    pub const fn revision(&self) -> &Fingerprint {
        &self.revision
    }
}

#[cfg(test)]
mod tests;
