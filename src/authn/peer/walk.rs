//! The walk to the caller: from the nearest proxy leftwards past trusted forwarders. Position carries the trust, since
//! certificates are no secret and a caller can put any certificate into a header (P30).

use std::sync::Arc;

use super::certificate::CertificateVerifier;
use super::element::{AssertedIdentity, check_consistent, contradicts, is_called};
use super::identity::PeerIdentity;
use super::position::{Beginning, OwnProxy, check_uri_ends, check_uri_is_whole, check_written_by};
use super::trace::{Hop, HopFinding, HopPlace};
use crate::authn::facts::PeerFacts;
use crate::authn::verified::VerifiedCertificate;
use crate::evidence::{
    PeerEvidence, PeerSource, Presented, PresentedCertificate, PrincipalSource, Xfcc, XfccElement,
};
use crate::evidence_level::EvidenceLevel;
use crate::reason::{Reason, Rejection};
use crate::spiffe::SpiffeId;
use crate::trust::TrustStore;

/// The caller: the first workload, counted from the proxy that asks, that is not a trusted forwarder.
///
/// The way goes from the TLS peer through XFCC, nearest element first, to `client-cert`, which the last forwarder on the
/// way may have written.
///
/// # Errors
/// The reason why a step of the walk is refused.
pub(super) fn caller(
    evidence: &PeerEvidence,
    verifier: &CertificateVerifier<'_>,
    trace: &mut impl FnMut(Hop<'_>),
) -> Result<Option<PeerIdentity>, Rejection> {
    Walk { evidence, verifier, trace, forwarders: Vec::new() }.caller()
}

/// One walk.
struct Walk<'a, 'v, F> {
    evidence: &'a PeerEvidence,
    verifier: &'a CertificateVerifier<'v>,
    trace: &'a mut F,
    /// Those that were passed, nearest first.
    forwarders: Vec<SpiffeId>,
}

/// The result of a step of the walk.
enum WalkStep {
    /// The caller, or that there is none.
    Ends(Option<PeerIdentity>),
    /// It was a forwarder; the walk goes on with so many elements of XFCC.
    Goes(usize),
}

impl<F: FnMut(Hop<'_>)> Walk<'_, '_, F> {
    fn caller(mut self) -> Result<Option<PeerIdentity>, Rejection> {
        let evidence = self.evidence;
        let leaf = readable(&evidence.source_certificate)?;
        let (xfcc, client_cert) = (readable(&evidence.xfcc)?, readable(&evidence.client_cert)?);
        let step = match (leaf, xfcc) {
            (Some(leaf), xfcc) => self.proven(leaf, xfcc)?,
            (None, Some(xfcc)) => self.listed(xfcc)?,
            (None, None) if client_cert.is_some() => self.unproven_forwarder()?,
            (None, None) => WalkStep::Ends(self.principal()?),
        };
        let left = match step {
            WalkStep::Ends(peer) => return Ok(peer),
            WalkStep::Goes(left) => left,
        };
        if let Some(xfcc) = xfcc
            && let Some(peer) = self.behind(xfcc, left)?
        {
            self.check_client_cert(client_cert, &peer)?;
            return Ok(Some(peer));
        }
        // Forwarders speak for callers and are none themselves: behind them, a caller without a certificate has no identity
        // yet.
        match client_cert {
            Some(presented) => self.told_by_client_cert(presented),
            None => Ok(None),
        }
    }

    /// The client that the last forwarder on the way names. Another forwarder is not the caller (P170).
    fn told_by_client_cert(
        &mut self,
        presented: &PresentedCertificate,
    ) -> Result<Option<PeerIdentity>, Rejection> {
        let place = HopPlace::ClientCert;
        let verified = self.certificate(presented, place)?;
        let level = level(presented);
        self.enough(level, place)?;
        if is_forwarder(&verified.facts, self.verifier.trust) {
            self.tell(place, HopFinding::Forwarder(&verified.facts, level));
            return Ok(None);
        }
        self.tell(place, HopFinding::Caller(&verified.facts, level));
        Ok(Some(self.identity(verified.facts.clone(), level, presented.source)))
    }

    /// P171: XFCC behind a forwarder names `peer`, and `client-cert` must not name another one. A forwarder that writes the one may
    /// have passed on the other as its client wrote it. It may also speak of a forwarder on the way.
    fn check_client_cert(
        &mut self,
        presented: Option<&PresentedCertificate>,
        peer: &PeerIdentity,
    ) -> Result<(), Rejection> {
        let Some(presented) = presented else { return Ok(()) };
        let facts = &self.certificate(presented, HopPlace::ClientCert)?.facts;
        let on_the_way = |id: &SpiffeId| peer.forwarders().contains(id);
        let is_of_peer = match peer.certificate.as_ref() {
            Some(own) => facts.certificate.as_ref() == Some(own),
            None => facts.spiffe.is_some() && facts.spiffe.as_ref() == peer.spiffe.as_ref(),
        };
        if is_of_peer || facts.spiffe.as_ref().is_some_and(on_the_way) {
            return Ok(());
        }
        let why = Reason::XfccInconsistent
            .because("behind a forwarder, `client-cert` and XFCC name different callers");
        self.tell(HopPlace::ClientCert, HopFinding::Refused(&why));
        Err(why)
    }

    /// The TLS peer by the certificate that Envoy itself saw. The element of our proxy in XFCC must agree (P93).
    fn proven(
        &mut self,
        leaf: &PresentedCertificate,
        xfcc: Option<&Xfcc>,
    ) -> Result<WalkStep, Rejection> {
        let place = HopPlace::SourceCertificate;
        let elements = xfcc.map(|xfcc| xfcc.elements.as_slice()).unwrap_or_default();
        let nearest = elements.split_last();
        let shown = nearest.and_then(|(element, _)| element.certificate.as_ref());
        let is_same = shown.map(|shown| shown.is_of(leaf)).transpose();
        let is_same = is_same.map_err(|why| self.refused_at(elements.len(), why))?;
        let completed = shown.filter(|_| is_same == Some(true));
        let completed = completed.and_then(|shown| leaf.completed_by(shown));
        let presented = completed.as_ref().unwrap_or(leaf);
        let verified = self.certificate(presented, place)?;
        let level = level(presented);
        self.check_principal(&verified)?;
        self.enough(level, place)?;
        let forwarder = is_forwarder(&verified.facts, self.verifier.trust);
        let mut left = elements.len();
        let mut repeated = false;
        if let Some((element, farther)) = nearest {
            let is_of_peer = is_same == Some(true)
                || element
                    .hash
                    .as_ref()
                    .is_some_and(|hash| Some(hash) == verified.facts.certificate.as_ref())
                || verified.facts.spiffe.as_ref().is_some_and(|id| element.uris == [id.as_str()]);
            let own = OwnProxy::of(self.evidence);
            if !forwarder || own.wrote(element, is_of_peer) {
                check_account(own, xfcc, element, farther, is_same, &verified)
                    .map_err(|why| self.refused_at(elements.len(), why))?;
                left = farther.len();
                repeated = true;
            }
        }
        if !forwarder {
            self.tell(place, HopFinding::Caller(&verified.facts, level));
            let peer = self.identity(verified.facts.clone(), level, presented.source);
            return Ok(WalkStep::Ends(Some(peer)));
        }
        self.tell(place, HopFinding::Forwarder(&verified.facts, level));
        self.passed(&verified.facts);
        if repeated {
            self.tell(HopPlace::Element(left), HopFinding::Repeated);
        }
        Ok(WalkStep::Goes(left))
    }

    /// `source.principal` is of the certificate beside it, and always agrees unless the check was tampered with.
    fn check_principal(&mut self, verified: &VerifiedCertificate) -> Result<(), Rejection> {
        let Some(principal) = self.evidence.principal.as_deref() else { return Ok(()) };
        let subject = verified.envoy_subject.as_deref();
        if is_called(principal, &verified.facts, subject) != Some(false) {
            return Ok(());
        }
        let why = Reason::XfccInconsistent
            .because("`source.principal` is not a name of `source.certificate`");
        self.tell(HopPlace::SourceCertificate, HopFinding::Refused(&why));
        Err(why)
    }

    /// The TLS peer by the element that our own proxy wrote, and by what it calls the peer outside of the header.
    fn listed(&mut self, xfcc: &Xfcc) -> Result<WalkStep, Rejection> {
        let Some((element, farther)) = xfcc.elements.split_last() else {
            return Ok(WalkStep::Ends(None));
        };
        let found = self.nearest(xfcc, element, farther);
        let (asserted, beginning) =
            found.map_err(|why| self.refused_at(xfcc.elements.len(), why))?;
        self.stepped(asserted, beginning, farther.len())
    }

    fn nearest(
        &self,
        xfcc: &Xfcc,
        element: &XfccElement,
        farther: &[XfccElement],
    ) -> Result<(AssertedIdentity, Beginning), Rejection> {
        let principal = self.evidence.principal.as_deref();
        if principal.is_none() && !self.evidence.xfcc_without_tls {
            return Err(without_tls_peer());
        }
        let beginning = OwnProxy::of(self.evidence).check_last(xfcc, element, farther)?;
        let asserted = self.verifier.element(element)?;
        match principal {
            Some(principal) if asserted.is_called(principal) => {}
            // P30, P92: a caller behind a proxy that forwards without appending wrote it, or one whose names spell an element.
            // Of a forwarder that passed it on, a principal is no proof: a DNS name can spell the forwarder's ID.
            Some(_) => return Err(Reason::XfccUntrustedHop.because(
                "the nearest XFCC element is not about the TLS peer (`source.principal`); only `source.certificate` proves that a forwarder passed it on",
            )),
            None => check_uri_ends(element)?,
        }
        let forwarder = is_forwarder(&asserted.facts, self.verifier.trust);
        if beginning == Beginning::Open && !(forwarder && principal.is_some()) {
            return Err(Reason::XfccUntrustedHop.because(
                "the proxy writes no `By` (its certificate has no URI name, or its name is not configured), so which of several XFCC elements is its own cannot be determined",
            ));
        }
        Ok((asserted, beginning))
    }

    /// The first element from the right of the first `left` that is no forwarder's; nothing where all of them are.
    fn behind(&mut self, xfcc: &Xfcc, left: usize) -> Result<Option<PeerIdentity>, Rejection> {
        let mut left = left;
        while let Some((element, farther)) =
            xfcc.elements.get(..left).and_then(<[XfccElement]>::split_last)
        {
            let asserted = self.behind_forwarder(xfcc, element, farther);
            let asserted = asserted.map_err(|why| self.refused_at(left, why))?;
            match self.stepped(asserted, Beginning::Certain, farther.len())? {
                WalkStep::Ends(peer) => return Ok(peer),
                WalkStep::Goes(fewer) => left = fewer,
            }
        }
        Ok(None)
    }

    fn behind_forwarder(
        &self,
        xfcc: &Xfcc,
        element: &XfccElement,
        farther: &[XfccElement],
    ) -> Result<AssertedIdentity, Rejection> {
        if let Some(writer) = self.forwarders.last() {
            check_written_by(writer, xfcc, element, farther)?;
        }
        check_uri_is_whole(xfcc, element)?;
        self.verifier.element(element)
    }

    /// The step for an element that counts, with `farther` more elements before it.
    fn stepped(
        &mut self,
        asserted: AssertedIdentity,
        beginning: Beginning,
        farther: usize,
    ) -> Result<WalkStep, Rejection> {
        let place = HopPlace::Element(farther);
        // If another element may be the proxy's own, `Hash` and `Cert` prove nothing. The name is the principal's.
        let level = match beginning {
            Beginning::Certain => asserted.level,
            Beginning::Open => EvidenceLevel::Asserted,
        };
        self.enough(level, place)?;
        if is_forwarder(&asserted.facts, self.verifier.trust) {
            self.tell(place, HopFinding::Forwarder(&asserted.facts, level));
            self.passed(&asserted.facts);
            return Ok(WalkStep::Goes(farther));
        }
        self.tell(place, HopFinding::Caller(&asserted.facts, level));
        Ok(WalkStep::Ends(Some(self.identity(asserted.facts, level, PeerSource::Xfcc))))
    }

    /// The proxy's word alone. A forwarder's is not the caller's.
    fn principal(&mut self) -> Result<Option<PeerIdentity>, Rejection> {
        let Some(principal) = self.evidence.principal.as_deref() else { return Ok(None) };
        if self.evidence.principal_trusted == PrincipalSource::Off {
            return Ok(None);
        }
        let place = HopPlace::Principal;
        let peer = self.verifier.principal(principal);
        let peer = peer.inspect_err(|why| self.tell(place, HopFinding::Refused(why)))?;
        self.enough(peer.level, place)?;
        if is_forwarder(&peer.facts, self.verifier.trust) {
            self.tell(place, HopFinding::Forwarder(&peer.facts, peer.level));
            return Ok(None);
        }
        self.tell(place, HopFinding::Caller(&peer.facts, peer.level));
        Ok(Some(peer))
    }

    /// `client-cert` without proof of its sender.
    fn unproven_forwarder(&mut self) -> Result<WalkStep, Rejection> {
        let why = match self.evidence.principal {
            None if self.evidence.client_cert_without_tls => return Ok(WalkStep::Goes(0)),
            None => without_tls_peer(),
            Some(_) => Reason::XfccUntrustedHop.because(
                "`client-cert` counts where `source.certificate` or XFCC proves that the TLS peer is a forwarder: a principal alone can be a DNS name that spells the forwarder's ID",
            ),
        };
        self.tell(HopPlace::ClientCert, HopFinding::Refused(&why));
        Err(why)
    }

    /// A certificate that is presented as a whole.
    fn certificate(
        &mut self,
        presented: &PresentedCertificate,
        place: HopPlace,
    ) -> Result<Arc<VerifiedCertificate>, Rejection> {
        let verified = self.verifier.certificate(presented);
        verified.inspect_err(|why| self.tell(place, HopFinding::Refused(why)))
    }

    /// P94: what is shown of everyone on the way is at least what the listener asks for.
    fn enough(&mut self, level: EvidenceLevel, place: HopPlace) -> Result<(), Rejection> {
        let least = self.evidence.least;
        if level >= least {
            return Ok(());
        }
        let why = Reason::EvidenceInsufficient.because(format!(
            "the evidence is `{level}`, but `listener.peerSources.leastEvidence` is `{least}`: below `leaf` a peer is only as good as the proxy's verification"
        ));
        self.tell(place, HopFinding::Refused(&why));
        Err(why)
    }

    fn passed(&mut self, facts: &PeerFacts) {
        if self.forwarders.last() != facts.spiffe.as_ref() {
            self.forwarders.extend(facts.spiffe.clone());
        }
    }

    fn identity(
        &mut self,
        facts: Arc<PeerFacts>,
        level: EvidenceLevel,
        source: PeerSource,
    ) -> PeerIdentity {
        let forwarders = std::mem::take(&mut self.forwarders);
        PeerIdentity { facts, level, source, forwarders }
    }

    fn tell(&mut self, place: HopPlace, finding: HopFinding<'_>) {
        (self.trace)(Hop { place, finding });
    }

    /// That the last of `count` elements is refused.
    fn refused_at(&mut self, count: usize, why: Rejection) -> Rejection {
        self.tell(HopPlace::Element(count.saturating_sub(1)), HopFinding::Refused(&why));
        why
    }
}

/// P93: our own proxy's account of the connection, beside the certificate that it saw there.
fn check_account(
    own: OwnProxy<'_>,
    xfcc: Option<&Xfcc>,
    element: &XfccElement,
    farther: &[XfccElement],
    is_same: Option<bool>,
    verified: &VerifiedCertificate,
) -> Result<(), Rejection> {
    if is_same == Some(false) {
        return Err(contradicts("Cert"));
    }
    check_consistent(element, verified)?;
    xfcc.map_or(Ok(()), |xfcc| own.check_last(xfcc, element, farther).map(drop))
}

fn level(presented: &PresentedCertificate) -> EvidenceLevel {
    if presented.has_chain() { EvidenceLevel::Full } else { EvidenceLevel::Leaf }
}

/// Over a connection without a TLS peer the whole header is the caller's own writing (P30, P47).
fn without_tls_peer() -> Rejection {
    Reason::XfccUntrustedHop.because(
        "a certificate header came over a connection without a TLS peer (`source.principal` is empty)",
    )
}

fn is_forwarder(facts: &PeerFacts, trust: &TrustStore) -> bool {
    let Some(id) = &facts.spiffe else { return false };
    trust.domain_of(id).is_some_and(|domain| domain.is_forwarder(id))
}

fn readable<T>(presented: &Presented<T>) -> Result<Option<&T>, Rejection> {
    match presented {
        Presented::Absent => Ok(None),
        Presented::Present(value) => Ok(Some(value)),
        Presented::Malformed(rejection) => Err(rejection.clone()),
    }
}
