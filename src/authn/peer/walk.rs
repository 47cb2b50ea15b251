//! Whom to believe: from the nearest proxy leftwards past trusted forwarders. Position carries the trust, since
//! certificates are no secret and anybody can put somebody else's into a header (P30).

use std::sync::Arc;

use super::certificate::Verifier;
use super::element::Spoken;
use super::memory::VerifiedCertificate;
use super::{Hop, HopFinding, HopPlace, PeerFacts, PeerIdentity};
use crate::evidence::{
    PeerEvidence, PeerSource, Presented, PresentedCertificate, Xfcc, XfccElement,
};
use crate::evidence_level::EvidenceLevel;
use crate::reason::{Reason, Rejection};
use crate::request::Text;
use crate::secret::Fingerprint;
use crate::spiffe::SpiffeId;
use crate::trust::TrustStore;

/// The caller: the first workload, counted from the proxy that asks, that is not a trusted forwarder.
///
/// The way goes from the TLS peer through XFCC, nearest element first, to `client-cert`, which the last forwarder on the
/// way may have written.
///
/// # Errors
/// Whatever keeps a step of the walk from being believed.
pub(super) fn caller(
    evidence: &PeerEvidence,
    verifier: &Verifier<'_>,
    trace: &mut impl FnMut(Hop<'_>),
) -> Result<Option<PeerIdentity>, Rejection> {
    let (xfcc, client_cert) = (readable(&evidence.xfcc)?, readable(&evidence.client_cert)?);
    let headers = xfcc.is_some() || client_cert.is_some();
    let mut direct = None;
    if let Some(leaf) = readable(&evidence.source_certificate)? {
        let chain = xfcc.and_then(|xfcc| xfcc.elements().last()).and_then(XfccElement::certificate);
        let completed = chain.and_then(|chain| leaf.completed_by(chain));
        let presented = completed.as_ref().unwrap_or(leaf);
        let verified = certificate(presented, HopPlace::SourceCertificate, verifier, trace)?;
        let level = level(presented);
        let mut tell = |finding| trace(Hop { place: HopPlace::SourceCertificate, finding });
        if !headers || !is_forwarder(&verified.facts, verifier.trust) {
            tell(HopFinding::Caller(&verified.facts, level));
            return Ok(Some(presented_identity(presented, &verified, Vec::new())));
        }
        tell(HopFinding::Forwarder(&verified.facts, level));
        direct = Some(Arc::clone(&verified.facts));
    }
    if !headers {
        let principal = evidence.principal.as_deref().filter(|_| evidence.principal_believed);
        return principal.map(|name| named(name, verifier, trace)).transpose();
    }
    let direct = direct_peer(evidence, direct, xfcc.is_some())?;
    let mut forwarders: Vec<SpiffeId> = direct.spiffe().into_iter().collect();
    match xfcc {
        Some(xfcc) => {
            let mut at = 0;
            let peer = walk(xfcc, &direct, evidence, verifier, &mut forwarders, &mut at, trace);
            let peer = peer.inspect_err(|why| {
                trace(Hop { place: HopPlace::Element(at), finding: HopFinding::Refused(why) })
            })?;
            if peer.is_some() {
                return Ok(peer);
            }
        }
        None => direct.check_forwarder(verifier.trust)?,
    }
    // Forwarders speak for callers and are none themselves: a caller without a certificate behind them is nobody yet.
    let Some(presented) = client_cert else { return Ok(None) };
    let verified = certificate(presented, HopPlace::ClientCert, verifier, trace)?;
    let finding = HopFinding::Caller(&verified.facts, level(presented));
    trace(Hop { place: HopPlace::ClientCert, finding });
    Ok(Some(presented_identity(presented, &verified, forwarders)))
}

/// A certificate that is presented as a whole.
fn certificate(
    presented: &PresentedCertificate,
    place: HopPlace,
    verifier: &Verifier<'_>,
    trace: &mut impl FnMut(Hop<'_>),
) -> Result<Arc<VerifiedCertificate>, Rejection> {
    verifier
        .certificate(presented)
        .inspect_err(|why| trace(Hop { place, finding: HopFinding::Refused(why) }))
}

/// The proxy's word alone.
fn named(
    principal: &str,
    verifier: &Verifier<'_>,
    trace: &mut impl FnMut(Hop<'_>),
) -> Result<PeerIdentity, Rejection> {
    let mut tell = |finding: HopFinding<'_>| trace(Hop { place: HopPlace::Principal, finding });
    let peer = verifier.principal(principal);
    let peer = peer.inspect_err(|why| tell(HopFinding::Refused(why)))?;
    tell(HopFinding::Caller(&peer.facts, peer.level));
    Ok(peer)
}

fn level(presented: &PresentedCertificate) -> EvidenceLevel {
    if presented.has_chain() { EvidenceLevel::Full } else { EvidenceLevel::Leaf }
}

fn presented_identity(
    presented: &PresentedCertificate,
    verified: &VerifiedCertificate,
    forwarders: Vec<SpiffeId>,
) -> PeerIdentity {
    PeerIdentity {
        facts: Arc::clone(&verified.facts),
        level: level(presented),
        source: presented.source(),
        forwarders,
    }
}

/// The one at the other end of the TLS connection, as far as the proxy tells.
enum DirectPeer<'a> {
    /// `source.certificate`, which turned out to be a forwarder's.
    Forwarder(Arc<PeerFacts>),
    /// `source.principal`: text that can only contradict.
    Named(&'a str),
    /// The proxy does not say, and is configured to be believed all the same.
    Unnamed,
}

fn direct_peer(
    evidence: &PeerEvidence,
    forwarder: Option<Arc<PeerFacts>>,
    xfcc: bool,
) -> Result<DirectPeer<'_>, Rejection> {
    let without_tls =
        if xfcc { evidence.xfcc_without_tls } else { evidence.client_cert_without_tls };
    match (forwarder, evidence.principal.as_deref()) {
        (Some(facts), _) => Ok(DirectPeer::Forwarder(facts)),
        (None, Some(principal)) => Ok(DirectPeer::Named(principal)),
        (None, None) if without_tls => Ok(DirectPeer::Unnamed),
        // Over a connection without a TLS peer the whole header is the caller's own writing (P30, P47).
        (None, None) => Err(Reason::XfccUntrustedHop.because(
            "a certificate header came over a connection without a TLS peer (`source.principal` is empty)",
        )),
    }
}

/// The first element from the right that is no forwarder's; nothing where all of them are. The forwarders on the way are
/// added to `forwarders`; `at` is the element at hand.
fn walk(
    xfcc: &Xfcc,
    direct: &DirectPeer<'_>,
    evidence: &PeerEvidence,
    verifier: &Verifier<'_>,
    forwarders: &mut Vec<SpiffeId>,
    at: &mut usize,
    trace: &mut impl FnMut(Hop<'_>),
) -> Result<Option<PeerIdentity>, Rejection> {
    let mut elements = xfcc.elements();
    // Who wrote the element at hand: our own proxy first, then each forwarder that was walked past.
    let mut writer = evidence.proxy.first().map(ToString::to_string);
    let mut nearest = true;
    while let Some((element, farther)) = elements.split_last() {
        elements = farther;
        *at = farther.len();
        let mut tell = |finding| trace(Hop { place: HopPlace::Element(farther.len()), finding });
        let first = std::mem::replace(&mut nearest, false);
        if first && direct.is_certificate(element.hash()) {
            // The proxy's own account of the connection, which `source.certificate` has told better.
            tell(HopFinding::Repeated);
            writer = direct.name().map(str::to_owned);
            continue;
        }
        let spoken = verifier.element(element)?;
        let mut vouched = false;
        if first {
            let appended = direct.check_nearest(&spoken, verifier.trust)?;
            check_by(element, &evidence.proxy, appended, verifier.trust)?;
            vouched = appended && matches!(direct, DirectPeer::Named(_));
            if !appended {
                writer = direct.name().map(str::to_owned);
            }
        }
        let Spoken { facts, level, .. } = spoken;
        if !is_forwarder(&facts, verifier.trust) {
            check_told_once(element, farther, writer.as_deref(), vouched)?;
            tell(HopFinding::Caller(&facts, level));
            let (source, forwarders) = (PeerSource::Xfcc, std::mem::take(forwarders));
            return Ok(Some(PeerIdentity { facts, level, source, forwarders }));
        }
        tell(HopFinding::Forwarder(&facts, level));
        writer = facts.spiffe.as_ref().map(ToString::to_string);
        if forwarders.last() != facts.spiffe.as_ref() {
            forwarders.extend(facts.spiffe.clone());
        }
    }
    Ok(None)
}

// === impl DirectPeer ===

impl DirectPeer<'_> {
    fn is_certificate(&self, hash: Option<&Fingerprint>) -> bool {
        match self {
            Self::Forwarder(facts) => hash.is_some() && hash == facts.certificate.as_ref(),
            Self::Named(_) | Self::Unnamed => false,
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Forwarder(facts) => facts.spiffe.as_ref().map(SpiffeId::as_str),
            Self::Named(principal) => Some(principal),
            Self::Unnamed => None,
        }
    }

    fn spiffe(&self) -> Option<SpiffeId> {
        match self {
            Self::Forwarder(facts) => facts.spiffe.clone(),
            Self::Named(_) | Self::Unnamed => None,
        }
    }

    /// Without XFCC the TLS peer itself must be a forwarder, or its headers are its own writing.
    fn check_forwarder(&self, trust: &TrustStore) -> Result<(), Rejection> {
        match self {
            Self::Forwarder(_) | Self::Unnamed => Ok(()),
            Self::Named(principal) if names_forwarder(principal, trust) => Ok(()),
            Self::Named(_) => Err(Reason::XfccUntrustedHop
                .because("`client-cert` came from a TLS peer that is not a forwarder")),
        }
    }

    /// The nearest element speaks of the direct peer, or was passed on by a direct peer that is a forwarder. Anything
    /// else was written by somebody whose word does not count: a caller behind a proxy that forwards without appending
    /// (P30), or one whose names spell an element (P83). Says whether the element speaks of the direct peer.
    fn check_nearest(&self, spoken: &Spoken, trust: &TrustStore) -> Result<bool, Rejection> {
        let principal = match self {
            Self::Forwarder(direct) => return Ok(direct.spiffe == spoken.facts.spiffe),
            Self::Unnamed => return Ok(true),
            Self::Named(principal) => *principal,
        };
        if is_principal_of(principal, spoken) {
            return Ok(true);
        }
        let id: Option<SpiffeId> = principal.parse().ok();
        if id.is_some_and(|id| trust.domain_of(&id).is_some_and(|domain| domain.is_forwarder(&id)))
        {
            return Ok(false);
        }
        Err(Reason::XfccUntrustedHop.because(
            "the nearest XFCC element does not speak of the TLS peer, and that is not a forwarder",
        ))
    }
}

/// Whether Envoy would call the owner of this certificate `principal`: it takes the first URI, else the first DNS name,
/// else the subject. A subject whose text is not certain is nobody's: it could be anybody's.
fn is_principal_of(principal: &str, spoken: &Spoken) -> bool {
    match (spoken.facts.uris.first(), spoken.facts.dns.first()) {
        (Some(uri), _) => uri == principal,
        (None, Some(name)) => name.eq_ignore_ascii_case(principal),
        (None, None) => spoken.envoy_subject.as_deref() == Some(principal),
    }
}

/// P35: the nearest element was written for us. `By` has the writer's own names: ours where the proxy appended the
/// element, a forwarder's where that passed it on.
fn check_by(
    element: &XfccElement,
    proxy: &[Text],
    appended: bool,
    trust: &TrustStore,
) -> Result<(), Rejection> {
    if proxy.is_empty() {
        return Ok(());
    }
    let ours = |by: &String| proxy.iter().any(|name| *name == **by);
    let forwarders = |by: &String| names_forwarder(by, trust);
    let by = element.by();
    if by.is_empty() || by.iter().any(ours) || (!appended && by.iter().any(forwarders)) {
        return Ok(());
    }
    Err(Reason::XfccUntrustedHop
        .because("the nearest XFCC element was written for another workload"))
}

/// P83: a name that spells an element leaves two by one writer, its own before the spelled one. A proxy that passes a
/// caller on writes of it once, so that an earlier element by the same writer is a contradiction. Of the TLS peer, whom
/// `source.principal` names, only another hash can be spelled; there an earlier element may as well be the caller's own
/// invention, which changes nothing (P30).
fn check_told_once(
    element: &XfccElement,
    farther: &[XfccElement],
    writer: Option<&str>,
    vouched: bool,
) -> Result<(), Rejection> {
    let Some(writer) = writer else { return Ok(()) };
    let another = |other: &&XfccElement| {
        !vouched
            || (other.uris().first() == element.uris().first() && other.hash() != element.hash())
    };
    let by_writer = |other: &&XfccElement| other.by().iter().any(|by| by == writer);
    if farther.iter().filter(by_writer).any(|other| another(&other)) {
        return Err(Reason::XfccInconsistent.because("one proxy has written two elements of XFCC"));
    }
    Ok(())
}

fn names_forwarder(name: &str, trust: &TrustStore) -> bool {
    let id: Option<SpiffeId> = name.parse().ok();
    id.is_some_and(|id| trust.domain_of(&id).is_some_and(|domain| domain.is_forwarder(&id)))
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
