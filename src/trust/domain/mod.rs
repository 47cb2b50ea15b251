//! A trust domain: whose certificates are believed, and under which rules.

mod authorities;
mod bundle;
mod compile;
mod crl;
mod extensions;
mod key;
mod leaf;
mod pem_file;
mod revocation;
mod scope;
mod signed;

pub use authorities::{Authority, Validity};
pub use bundle::SpiffeBundle;
pub(super) use compile::{check_distinct, compile};
pub use crl::{Crl, IssuerId};
pub use extensions::{extension_fault, issues_clients};
pub use key::key_weakness;
pub(in crate::trust) use leaf::sha256;
pub use leaf::{ExtendedKeyUsageRules, LeafRules, Pin};
pub use revocation::Revocation;
pub use signed::is_signed_by;

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, TrustAnchor};

use crate::secret::Fingerprint;
use crate::spiffe::{SpiffeId, SpiffePattern, TrustDomainName};
use crate::trust::RemoteFile;

/// A compiled `TrustDomain` document.
#[derive(Debug)]
pub struct TrustDomain {
    name: String,
    spiffe: Option<TrustDomainName>,
    bundle: Option<SpiffeBundle>,
    authorities: Vec<Authority>,
    anchors: Vec<TrustAnchor<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
    forwarders: Vec<SpiffePattern>,
    leaf: LeafRules,
    revocation: Option<Revocation>,
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
