//! The peer on the wire: evidence of a certificate, verified.

mod cause;
mod certificate;
mod client;
mod constraints;
mod describe;
mod distinguished_name;
mod element;
mod memory;
mod names;
mod path;
mod policies;
mod position;
mod profile;
mod trace;
mod walk;

pub use client::check_client;
pub use describe::{CertificateDescription, DomainVerdict, verdicts};
pub use memory::{CertificateKey, CertificateMemory, NoMemory, VerifiedCertificate};
pub use trace::{Hop, HopFinding, HopPlace};

use std::sync::Arc;

use crate::authn::Credential;
use crate::clock::UnixTime;
use crate::evidence::{PeerEvidence, PeerSource};
use crate::evidence_level::EvidenceLevel;
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;
use crate::trust::{Revocations, TrustStore};

/// A verified peer.
#[derive(Clone, Debug)]
pub struct PeerIdentity {
    facts: Arc<PeerFacts>,
    level: EvidenceLevel,
    source: PeerSource,
    forwarders: Vec<SpiffeId>,
}

/// What is known of a peer. Not an identity: anybody can write these down, only [`PeerIdentity`] says that they were
/// verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFacts {
    /// The name of the `TrustDomain` document that vouches for it; of several, the first.
    pub trust_domain: String,
    /// The names of the others that vouch for it.
    pub other_trust_domains: Vec<String>,
    /// The names of those whose authorities issued its certificate, and that do not vouch for it.
    pub unsure_trust_domains: Vec<String>,
    /// Its SPIFFE ID.
    pub spiffe: Option<SpiffeId>,
    /// The DNS names of its certificate, in lower case.
    pub dns: Vec<String>,
    /// The URIs of its certificate, the SPIFFE ID included.
    pub uris: Vec<String>,
    /// The e-mail addresses of its certificate.
    pub emails: Vec<String>,
    /// The IP addresses of its certificate as text (RFC 5952 for IPv6).
    pub ips: Vec<String>,
    /// The subject of its certificate as RFC 4514 text.
    pub subject: Option<String>,
    /// SHA-256 of its certificate's DER.
    pub certificate: Option<Fingerprint>,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub spki: Option<Fingerprint>,
    /// The serial number of its certificate in lower-case hexadecimal.
    pub serial: Option<String>,
    /// The issuer of its certificate as RFC 4514 text.
    pub issuer: Option<String>,
    /// When its certificate was issued.
    pub not_before: Option<UnixTime>,
    /// When its certificate expires.
    pub not_after: Option<UnixTime>,
}

/// Verifies what was shown of the peer. A source that is malformed or does not verify is a rejection even where another
/// source would do: what contradicts itself is not believed in parts (P69).
pub fn verify(
    evidence: &PeerEvidence,
    trust: &TrustStore,
    memory: &dyn CertificateMemory,
    now: UnixTime,
) -> Credential<PeerIdentity> {
    verify_traced(evidence, trust, memory, now, &mut |_| {})
}

/// As [`verify`], and tells `trace` of every step.
pub fn verify_traced(
    evidence: &PeerEvidence,
    trust: &TrustStore,
    memory: &dyn CertificateMemory,
    now: UnixTime,
    trace: &mut impl FnMut(Hop<'_>),
) -> Credential<PeerIdentity> {
    verify_unless_revoked(evidence, trust, trust.revocations(), memory, now, trace)
}

/// The same where more is revoked than the documents of `trust` say.
pub(super) fn verify_unless_revoked(
    evidence: &PeerEvidence,
    trust: &TrustStore,
    revocations: &Revocations,
    memory: &dyn CertificateMemory,
    now: UnixTime,
    trace: &mut impl FnMut(Hop<'_>),
) -> Credential<PeerIdentity> {
    let verifier = certificate::Verifier { trust, revocations, memory, now };
    match walk::caller(evidence, &verifier, trace) {
        Ok(None) => Credential::Absent,
        Ok(Some(peer)) => Credential::Verified(peer),
        Err(rejection) => Credential::Rejected(rejection),
    }
}

// === impl PeerFacts ===

impl PeerFacts {
    /// Facts of a peer of the trust domain document called `trust_domain`, with nothing else known.
    #[must_use]
    pub fn of(trust_domain: &str) -> Self {
        Self {
            trust_domain: trust_domain.to_owned(),
            other_trust_domains: Vec::new(),
            unsure_trust_domains: Vec::new(),
            spiffe: None,
            dns: Vec::new(),
            uris: Vec::new(),
            emails: Vec::new(),
            ips: Vec::new(),
            subject: None,
            certificate: None,
            spki: None,
            serial: None,
            issuer: None,
            not_before: None,
            not_after: None,
        }
    }
}

// === impl PeerIdentity ===

impl PeerIdentity {
    /// A peer that somebody vouches for instead of evidence: for policy tests and `explain` only.
    /// `tests/in_process/tidy.rs` keeps it out of the serving path.
    #[must_use]
    pub fn assertion(facts: PeerFacts, level: EvidenceLevel) -> Self {
        Self { facts: Arc::new(facts), level, source: PeerSource::Xfcc, forwarders: Vec::new() }
    }

    /// The name of the `TrustDomain` document that vouches for it; of several, the first.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.facts.trust_domain
    }

    /// The names of all that vouch for it.
    pub fn trust_domains(&self) -> impl Iterator<Item = &str> {
        let others = self.facts.other_trust_domains.iter().map(String::as_str);
        [self.trust_domain()].into_iter().chain(others)
    }

    /// The same, where it is certain that it is of no other.
    #[must_use]
    pub fn only_trust_domain(&self) -> Option<&str> {
        let PeerFacts { other_trust_domains, unsure_trust_domains, .. } = &*self.facts;
        let only = other_trust_domains.is_empty() && unsure_trust_domains.is_empty();
        only.then(|| self.trust_domain())
    }

    /// Whether the document called `name` vouches for it; nothing where it does not, and its authorities issued the
    /// certificate all the same.
    #[must_use]
    pub fn is_vouched_for_by(&self, name: &str) -> Option<bool> {
        if self.trust_domains().any(|own| own == name) {
            return Some(true);
        }
        let unsure = self.facts.unsure_trust_domains.iter().any(|unsure| unsure == name);
        (!unsure).then_some(false)
    }

    /// How much of the certificate was shown.
    #[must_use]
    pub const fn level(&self) -> EvidenceLevel {
        self.level
    }

    /// Which source was believed.
    #[must_use]
    pub const fn source(&self) -> PeerSource {
        self.source
    }

    /// The trusted forwarders between the peer and the proxy that asks, nearest first.
    #[must_use]
    pub fn forwarders(&self) -> &[SpiffeId] {
        &self.forwarders
    }

    /// Its SPIFFE ID, where it has one.
    #[must_use]
    pub fn spiffe(&self) -> Option<&SpiffeId> {
        self.facts.spiffe.as_ref()
    }

    /// The DNS names of its certificate, in lower case.
    #[must_use]
    pub fn dns(&self) -> &[String] {
        &self.facts.dns
    }

    /// The URIs of its certificate, the SPIFFE ID included.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.facts.uris
    }

    /// The e-mail addresses of its certificate.
    #[must_use]
    pub fn emails(&self) -> &[String] {
        &self.facts.emails
    }

    /// The IP addresses of its certificate as text: known from level `leaf` up.
    #[must_use]
    pub fn ips(&self) -> &[String] {
        &self.facts.ips
    }

    /// The subject of its certificate as RFC 4514 text: known from level `leaf` up.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.facts.subject.as_deref()
    }

    /// SHA-256 of its certificate's DER: known from level `hash` up.
    #[must_use]
    pub fn certificate(&self) -> Option<&Fingerprint> {
        self.facts.certificate.as_ref()
    }

    /// SHA-256 of its public key's SubjectPublicKeyInfo: known from level `leaf` up.
    #[must_use]
    pub fn spki(&self) -> Option<&Fingerprint> {
        self.facts.spki.as_ref()
    }

    /// The serial number of its certificate in lower-case hexadecimal: known from level `leaf` up.
    #[must_use]
    pub fn serial(&self) -> Option<&str> {
        self.facts.serial.as_deref()
    }

    /// The issuer of its certificate as RFC 4514 text: known from level `leaf` up.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.facts.issuer.as_deref()
    }

    /// When its certificate expires: known from level `leaf` up.
    #[must_use]
    pub fn not_after(&self) -> Option<UnixTime> {
        self.facts.not_after
    }
}

#[cfg(test)]
mod tests;
