//! One XFCC element that position says may be believed: its identity, and whether its parts agree.

use std::sync::Arc;

use super::certificate::{Verifier, unknown_domain};
use super::memory::VerifiedCertificate;
use super::{PeerFacts, PeerIdentity, names};
use crate::evidence::{PeerSource, XfccElement};
use crate::evidence_level::EvidenceLevel;
use crate::reason::{Reason, Rejection};
use crate::secret::Fingerprint;
use crate::trust::Pin;

/// Whom an element speaks of, and how that is known.
pub(super) struct Spoken {
    pub(super) facts: Arc<PeerFacts>,
    pub(super) level: EvidenceLevel,
    /// The subject of the certificate as Envoy would write it; nothing without one, or where that is not certain.
    pub(super) envoy_subject: Option<Arc<str>>,
}

// === impl Verifier ===

impl Verifier<'_> {
    /// Who the element speaks of. The certificate decides wherever there is one (P83).
    ///
    /// # Errors
    /// What is wrong with the certificate, `xfcc_inconsistent` where the parts of the element contradict each other,
    /// `evidence_insufficient` where they name nobody.
    pub(super) fn element(&self, element: &XfccElement) -> Result<Spoken, Rejection> {
        let Some(presented) = element.certificate() else {
            let (facts, level) =
                self.named(element.uris(), element.dns(), element.hash().copied())?;
            return Ok(Spoken { facts: Arc::new(facts), level, envoy_subject: None });
        };
        let verified = self.certificate(presented)?;
        check_consistent(element, &verified)?;
        let full = presented.has_chain();
        let level = if full { EvidenceLevel::Full } else { EvidenceLevel::Leaf };
        let (facts, envoy_subject) = (Arc::clone(&verified.facts), verified.envoy_subject.clone());
        Ok(Spoken { facts, level, envoy_subject })
    }

    /// `source.principal` as an identity: only a SPIFFE ID of a known trust domain, and only as the proxy's word (P46).
    ///
    /// # Errors
    /// `evidence_insufficient` where it is anything else, and whatever is wrong with the ID.
    pub(super) fn principal(&self, name: &str) -> Result<PeerIdentity, Rejection> {
        let (facts, level) = self.named(&[name.to_owned()], &[], None)?;
        let (facts, source) = (Arc::new(facts), PeerSource::Principal);
        Ok(PeerIdentity { facts, level, source, forwarders: Vec::new() })
    }

    /// The proxy's word for a SPIFFE ID. Names of any other kind are not enough: without the certificate nothing says
    /// which authority stands behind them.
    fn named(
        &self,
        uris: &[String],
        dns: &[String],
        hash: Option<Fingerprint>,
    ) -> Result<(PeerFacts, EvidenceLevel), Rejection> {
        let Some(id) = names::spiffe_id(uris)? else {
            return Err(Reason::EvidenceInsufficient
                .because("neither a certificate nor a SPIFFE ID is shown"));
        };
        if !dns.iter().all(|name| names::is_dns_name(name)) {
            return Err(Reason::XfccMalformed.because("`DNS` is not a DNS name"));
        }
        let domain = self.trust.domain_of(&id).ok_or_else(|| unknown_domain(id.trust_domain()))?;
        let pins = &domain.leaf().pins;
        if !pins.is_empty() && !hash.is_some_and(|hash| pins.contains(&Pin::Certificate(hash))) {
            return Err(Reason::EvidenceInsufficient
                .because("the trust domain has pins, which need the certificate"));
        }
        let level = if hash.is_some() { EvidenceLevel::Hash } else { EvidenceLevel::Asserted };
        let facts = PeerFacts {
            spiffe: Some(id),
            dns: dns.iter().map(|name| name.to_ascii_lowercase()).collect(),
            uris: uris.to_vec(),
            certificate: hash,
            ..PeerFacts::of(domain.name())
        };
        Ok((facts, level))
    }
}

/// P34, P83: everything that the element says beside the certificate must be in the certificate. Some proxies write only
/// the first of several names, so that missing ones are no contradiction.
fn check_consistent(
    element: &XfccElement,
    verified: &VerifiedCertificate,
) -> Result<(), Rejection> {
    let facts = &verified.facts;
    let has_dns = |name: &String| facts.dns.iter().any(|own| own.eq_ignore_ascii_case(name));
    let contradiction =
        if element.hash().is_some_and(|hash| Some(hash) != facts.certificate.as_ref()) {
            "Hash"
        } else if !element.uris().iter().all(|uri| facts.uris.contains(uri)) {
            "URI"
        } else if !element.dns().iter().all(has_dns) {
            "DNS"
        } else if element
            .subject()
            .zip(verified.envoy_subject.as_deref())
            .is_some_and(|(said, own)| said != own)
        {
            "Subject"
        } else {
            return Ok(());
        };
    Err(Reason::XfccInconsistent
        .because(format!("`{contradiction}` is not that of the certificate")))
}
