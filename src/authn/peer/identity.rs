//! A verified peer.

use std::sync::Arc;

use crate::authn::facts::PeerFacts;
use crate::clock::UnixTime;
use crate::evidence::PeerSource;
use crate::evidence_level::EvidenceLevel;
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;

/// A verified peer.
#[derive(Clone, Debug)]
pub struct PeerIdentity {
    pub(super) facts: Arc<PeerFacts>,
    pub(super) level: EvidenceLevel,
    pub(super) source: PeerSource,
    pub(super) forwarders: Vec<SpiffeId>,
}

impl PeerIdentity {
    /// A peer that is asserted without evidence: for policy tests and `explain` only. `tests/in_process/tidy.rs` keeps it
    /// out of the serving path.
    pub fn assertion(facts: PeerFacts, level: EvidenceLevel) -> Self {
        Self { facts: Arc::new(facts), level, source: PeerSource::Xfcc, forwarders: Vec::new() }
    }

    /// The name of the `TrustDomain` document that vouches for it; of several, the first.
    pub fn trust_domain(&self) -> &str {
        &self.facts.trust_domain
    }

    /// The names of all that vouch for it.
    pub fn trust_domains(&self) -> impl Iterator<Item = &str> {
        let others = self.facts.other_trust_domains.iter().map(String::as_str);
        [self.trust_domain()].into_iter().chain(others)
    }

    /// The same, where it is certain that it is of no other.
    pub fn only_trust_domain(&self) -> Option<&str> {
        let PeerFacts { other_trust_domains, unsure_trust_domains, .. } = &*self.facts;
        let only = other_trust_domains.is_empty() && unsure_trust_domains.is_empty();
        only.then(|| self.trust_domain())
    }

    /// Whether the document called `name` vouches for it; nothing where it does not, and its authorities issued the
    /// certificate all the same.
    pub fn is_vouched_for_by(&self, name: &str) -> Option<bool> {
        if self.trust_domains().any(|own| own == name) {
            return Some(true);
        }
        let unsure = self.facts.unsure_trust_domains.iter().any(|unsure| unsure == name);
        (!unsure).then_some(false)
    }

    /// How much of the certificate was shown.
    pub const fn level(&self) -> EvidenceLevel {
        self.level
    }

    /// The source of the identity.
    pub const fn source(&self) -> PeerSource {
        self.source
    }

    /// The trusted forwarders between the peer and the proxy that asks, nearest first.
    pub fn forwarders(&self) -> &[SpiffeId] {
        &self.forwarders
    }

    /// Its SPIFFE ID, where it has one.
    pub fn spiffe(&self) -> Option<&SpiffeId> {
        self.facts.spiffe.as_ref()
    }

    /// The DNS names of its certificate, in lower case.
    pub fn dns(&self) -> &[String] {
        &self.facts.dns
    }

    /// The URIs of its certificate, the SPIFFE ID included.
    pub fn uris(&self) -> &[String] {
        &self.facts.uris
    }

    /// The e-mail addresses of its certificate.
    pub fn emails(&self) -> &[String] {
        &self.facts.emails
    }

    /// The IP addresses of its certificate as text: known from level `leaf` up.
    pub fn ips(&self) -> &[String] {
        &self.facts.ips
    }

    /// The subject of its certificate as RFC 4514 text: known from level `leaf` up.
    pub fn subject(&self) -> Option<&str> {
        self.facts.subject.as_deref()
    }

    /// SHA-256 of its certificate's DER: known from level `hash` up.
    pub fn certificate(&self) -> Option<&Fingerprint> {
        self.facts.certificate.as_ref()
    }

    /// SHA-256 of its public key's SubjectPublicKeyInfo: known from level `leaf` up.
    pub fn spki(&self) -> Option<&Fingerprint> {
        self.facts.spki.as_ref()
    }

    /// The serial number of its certificate in lower-case hexadecimal: known from level `leaf` up.
    pub fn serial(&self) -> Option<&str> {
        self.facts.serial.as_deref()
    }

    /// The issuer of its certificate as RFC 4514 text: known from level `leaf` up.
    pub fn issuer(&self) -> Option<&str> {
        self.facts.issuer.as_deref()
    }

    /// When its certificate expires: known from level `leaf` up.
    pub fn not_after(&self) -> Option<UnixTime> {
        self.facts.not_after
    }
}
