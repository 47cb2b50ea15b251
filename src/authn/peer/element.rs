//! One XFCC element whose position makes it credible: its identity, and whether its parts agree.

use std::sync::Arc;

use super::certificate::{CertificateVerifier, unknown_domain};
use super::identity::PeerIdentity;
use super::names;
use crate::authn::facts::PeerFacts;
use crate::authn::revoked;
use crate::authn::verified::VerifiedCertificate;
use crate::evidence::{PeerSource, XfccElement};
use crate::evidence_level::EvidenceLevel;
use crate::reason::{Reason, Rejection};
use crate::secret::Fingerprint;
use crate::trust::LeafPin;

/// The identity that an element asserts, and how it is known.
pub(super) struct AssertedIdentity {
    pub(super) facts: Arc<PeerFacts>,
    pub(super) level: EvidenceLevel,
    /// The subject of the certificate as Envoy would write it; nothing without one, or where that is not certain.
    pub(super) envoy_subject: Option<Arc<str>>,
}

impl AssertedIdentity {
    /// True if Envoy would call the owner of this certificate `principal`: it takes the first URI, else the first DNS name,
    /// else the subject. A subject whose text is not certain never matches.
    pub(super) fn is_called(&self, principal: &str) -> bool {
        is_called(principal, &self.facts, self.envoy_subject.as_deref()) == Some(true)
    }
}

/// True if Envoy would call the owner of these facts `principal`; nothing where that is not certain.
pub(super) fn is_called(
    principal: &str,
    facts: &PeerFacts,
    envoy_subject: Option<&str>,
) -> Option<bool> {
    match (facts.uris.first(), facts.dns.first()) {
        (Some(uri), _) => Some(uri == principal),
        (None, Some(name)) => Some(name.eq_ignore_ascii_case(principal)),
        (None, None) => envoy_subject.map(|subject| subject == principal),
    }
}

impl CertificateVerifier<'_> {
    /// The identity that the element asserts. The certificate decides if there is one (P83).
    ///
    /// # Errors
    /// The reason why the certificate is refused, `xfcc_inconsistent` if the parts of the element contradict each other,
    /// `evidence_insufficient` if they name no peer.
    pub(super) fn element(&self, element: &XfccElement) -> Result<AssertedIdentity, Rejection> {
        let Some(presented) = element.certificate.as_ref() else {
            let (facts, level) = self.named(&element.uris, element.hash.as_ref().copied())?;
            return Ok(AssertedIdentity { facts: Arc::new(facts), level, envoy_subject: None });
        };
        let verified = self.certificate(presented)?;
        check_consistent(element, &verified)?;
        let full = presented.has_chain();
        let level = if full { EvidenceLevel::Full } else { EvidenceLevel::Leaf };
        let (facts, envoy_subject) = (Arc::clone(&verified.facts), verified.envoy_subject.clone());
        Ok(AssertedIdentity { facts, level, envoy_subject })
    }

    /// `source.principal` as an identity: only a SPIFFE ID of a known trust domain, and only as the proxy's word (P46).
    ///
    /// # Errors
    /// `evidence_insufficient` where it is anything else, and whatever is wrong with the ID.
    pub(super) fn principal(&self, name: &str) -> Result<PeerIdentity, Rejection> {
        let (facts, level) = self.named(&[name.to_owned()], None)?;
        let (facts, source) = (Arc::new(facts), PeerSource::Principal);
        Ok(PeerIdentity { facts, level, source, forwarders: Vec::new() })
    }

    /// The proxy's word for a SPIFFE ID. Names of any other kind are not enough: without the certificate nothing says
    /// which authority stands behind them, nor which of the DNS names in the header it has (P91).
    fn named(
        &self,
        uris: &[String],
        hash: Option<Fingerprint>,
    ) -> Result<(PeerFacts, EvidenceLevel), Rejection> {
        let Some(id) = names::spiffe_id(uris)? else {
            return Err(Reason::EvidenceInsufficient
                .because("neither a certificate nor a SPIFFE ID was sent"));
        };
        let domain = self.trust.domain_of(&id).ok_or_else(|| unknown_domain(id.trust_domain()))?;
        let pins = &domain.leaf.pins;
        if !pins.is_empty() && !hash.is_some_and(|hash| pins.contains(&LeafPin::Certificate(hash)))
        {
            return Err(Reason::EvidenceInsufficient
                .because("the trust domain has pins, which need the certificate"));
        }
        let level = if hash.is_some() { EvidenceLevel::Hash } else { EvidenceLevel::Asserted };
        let facts = PeerFacts {
            spiffe: Some(id),
            uris: uris.to_vec(),
            certificate: hash,
            ..PeerFacts::of(&domain.name)
        };
        revoked::check_peer(&facts, self.revocations, self.now)?;
        Ok((facts, level))
    }
}

/// P34, P83, P93: what the element says beside the certificate is what the certificate says. Envoy writes every URI, and
/// early versions the first one; it writes every DNS name or none.
///
/// # Errors
/// `xfcc_inconsistent`, with the key that contradicts.
pub(super) fn check_consistent(
    element: &XfccElement,
    verified: &VerifiedCertificate,
) -> Result<(), Rejection> {
    let facts = &verified.facts;
    let contradiction =
        if element.hash.as_ref().is_some_and(|hash| Some(hash) != facts.certificate.as_ref()) {
            "Hash"
        } else if !has_uris(element, &facts.uris) {
            "URI"
        } else if !has_dns(&element.dns, &facts.dns) {
            "DNS"
        } else if element
            .subject
            .as_deref()
            .zip(verified.envoy_subject.as_deref())
            .is_some_and(|(said, own)| said != own)
        {
            "Subject"
        } else {
            return Ok(());
        };
    Err(contradicts(contradiction))
}

/// The rejection of an element whose `key` is not that of the certificate.
pub(super) fn contradicts(key: &str) -> Rejection {
    Reason::XfccInconsistent.because(format!("`{key}` is not that of the certificate"))
}

fn has_uris(element: &XfccElement, own: &[String]) -> bool {
    match element.uris.as_slice() {
        [] => own.is_empty() || !element.denies_uris,
        [first] => own.first() == Some(first),
        said => said == own,
    }
}

fn has_dns(said: &[String], own: &[String]) -> bool {
    let same = |(said, own): (&String, &String)| said.eq_ignore_ascii_case(own);
    said.is_empty() || (said.len() == own.len() && said.iter().zip(own).all(same))
}
