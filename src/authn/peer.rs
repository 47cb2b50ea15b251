//! The peer on the wire: evidence of a certificate, verified.

use std::fmt;

use crate::authn::Credential;
use crate::clock::UnixTime;
use crate::evidence::PeerEvidence;
use crate::evidence_level::EvidenceLevel;
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;
use crate::trust::TrustStore;

/// Remembers verified certificates.
pub trait CertificateMemory: fmt::Debug + Send + Sync {}

/// A verified peer.
#[derive(Clone, Debug)]
pub struct PeerIdentity {
    trust_domain: String,
    level: EvidenceLevel,
    spiffe: Option<SpiffeId>,
    dns: Vec<String>,
    uris: Vec<String>,
    emails: Vec<String>,
    subject: Option<String>,
    certificate: Option<Fingerprint>,
    spki: Option<Fingerprint>,
    serial: Option<String>,
    issuer: Option<String>,
    not_after: Option<UnixTime>,
}

pub(super) fn verify(
    _evidence: &PeerEvidence,
    _trust: &TrustStore,
    _memory: &dyn CertificateMemory,
    _now: UnixTime,
) -> Credential<PeerIdentity> {
    Credential::Absent
}

// === impl PeerIdentity ===

impl PeerIdentity {
    /// The name of the `TrustDomain` document that vouches for it.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// How much of the certificate was shown.
    #[must_use]
    pub const fn level(&self) -> EvidenceLevel {
        self.level
    }

    /// Its SPIFFE ID, where it has one.
    #[must_use]
    pub const fn spiffe(&self) -> Option<&SpiffeId> {
        self.spiffe.as_ref()
    }

    /// The DNS names of its certificate, in lower case.
    #[must_use]
    pub fn dns(&self) -> &[String] {
        &self.dns
    }

    /// The URIs of its certificate, the SPIFFE ID included.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// The e-mail addresses of its certificate.
    #[must_use]
    pub fn emails(&self) -> &[String] {
        &self.emails
    }

    /// The subject of its certificate as RFC 4514 text.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// SHA-256 of its certificate's DER: known from level `hash` up.
    #[must_use]
    pub const fn certificate(&self) -> Option<&Fingerprint> {
        self.certificate.as_ref()
    }

    /// SHA-256 of its public key's SubjectPublicKeyInfo: known from level `leaf` up.
    #[must_use]
    pub const fn spki(&self) -> Option<&Fingerprint> {
        self.spki.as_ref()
    }

    /// The serial number of its certificate in lower-case hexadecimal: known from level `leaf` up.
    #[must_use]
    pub fn serial(&self) -> Option<&str> {
        self.serial.as_deref()
    }

    /// The issuer of its certificate as RFC 4514 text: known from level `leaf` up.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// When its certificate expires: known from level `leaf` up.
    #[must_use]
    pub const fn not_after(&self) -> Option<UnixTime> {
        self.not_after
    }
}

#[cfg(test)]
impl PeerIdentity {
    /// A peer out of thin air, for unit tests of the rooms above.
    pub(crate) fn for_test(
        trust_domain: &str,
        level: EvidenceLevel,
        spiffe: Option<SpiffeId>,
        dns: &[&str],
    ) -> Self {
        Self {
            trust_domain: trust_domain.to_owned(),
            level,
            uris: spiffe.iter().map(ToString::to_string).collect(),
            spiffe,
            dns: dns.iter().map(ToString::to_string).collect(),
            emails: Vec::new(),
            subject: None,
            certificate: None,
            spki: None,
            serial: None,
            issuer: None,
            not_after: None,
        }
    }
}
