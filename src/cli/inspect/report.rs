//! Everything that is found out about the evidence, as values: what is written for people and for programs.

use serde::Serialize;

use super::certificate::CertificateReport;
use super::input::Input;
use crate::authn::{self, Credential, Hop, HopFinding, HopPlace, NoCache, PeerFacts, PeerIdentity};
use crate::cli::moment;
use crate::clock::UnixTime;
use crate::evidence::{PeerEvidence, PeerSources, Presented, PresentedCertificate, XfccElement};
use crate::evidence_level::EvidenceLevel;
use crate::reason::Rejection;
use crate::spiffe::SpiffeId;
use crate::trust::TrustStore;

/// What was found out.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) input: &'static str,
    /// Whether it is a certificate alone, without a request.
    #[serde(skip)]
    pub(super) is_certificate: bool,
    /// The moment at which everything was judged.
    pub(super) at: String,
    /// The documents it was judged by.
    pub(super) revision: Option<String>,
    pub(super) notes: Vec<&'static str>,
    /// Who the caller is; nothing without documents.
    pub(super) peer: Option<PeerReport>,
    /// The steps that were taken, nearest proxy first.
    pub(super) walk: Vec<HopReport>,
    pub(super) principal: Option<String>,
    pub(super) destination: Option<String>,
    pub(super) source_certificate: Option<CertificateReport>,
    pub(super) xfcc: Option<XfccReport>,
    pub(super) client_cert: Option<CertificateReport>,
}

/// Who the caller is, or why nobody is believed to be.
#[derive(Debug, Default, Serialize)]
pub(in crate::cli) struct PeerReport {
    /// `verified`, `rejected` or `absent`.
    pub(in crate::cli) verdict: &'static str,
    #[serde(flatten)]
    pub(in crate::cli) rejection: Option<RejectionReport>,
    pub(in crate::cli) spiffe: Option<String>,
    pub(in crate::cli) subject: Option<String>,
    pub(in crate::cli) trust_domain: Option<String>,
    /// The level of evidence.
    pub(in crate::cli) evidence: Option<&'static str>,
    pub(in crate::cli) source: Option<&'static str>,
    pub(in crate::cli) forwarders: Vec<String>,
}

/// Why something is refused.
#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct RejectionReport {
    pub(in crate::cli) reason: &'static str,
    pub(in crate::cli) detail: String,
}

/// One step of the walk.
#[derive(Clone, Debug, Serialize)]
pub(in crate::cli) struct HopReport {
    /// `source_certificate`, `xfcc`, `client_cert` or `principal`.
    pub(in crate::cli) place: &'static str,
    /// The number of the XFCC element, counted from the left and from 1.
    pub(in crate::cli) element: Option<usize>,
    /// `caller`, `forwarder`, `repeated`, `refused` or `not_reached`.
    pub(in crate::cli) finding: &'static str,
    #[serde(flatten)]
    pub(in crate::cli) rejection: Option<RejectionReport>,
    pub(in crate::cli) identity: Option<String>,
    pub(in crate::cli) trust_domain: Option<String>,
    pub(in crate::cli) evidence: Option<&'static str>,
}

/// The XFCC header.
#[derive(Debug, Default, Serialize)]
pub(super) struct XfccReport {
    #[serde(flatten)]
    pub(super) rejection: Option<RejectionReport>,
    pub(super) unknown_keys: usize,
    /// From left to right, which is from the farthest proxy to the nearest.
    pub(super) elements: Vec<ElementReport>,
}

/// One XFCC element as it is written.
#[derive(Debug, Serialize)]
pub(super) struct ElementReport {
    pub(super) by: Vec<String>,
    pub(super) hash: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) uri: Vec<String>,
    pub(super) dns: Vec<String>,
    pub(super) certificate: Option<CertificateReport>,
}

/// What evidence is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judges<'a> {
    pub(super) trust: &'a TrustStore,
    /// Whether there are documents; without them everything would be refused, which tells nobody anything.
    pub(super) revision: Option<&'a str>,
    pub(super) now: UnixTime,
}

const WITHOUT_TLS_PEER: &str = "the TLS peer is not known (give `--principal`), so the header is taken at its word, as a server does only with `xfccWithoutTls`";
const ALONE: &str =
    "it is a trusted forwarder: on the wire it is passed over, and speaks for the one before it";
const WITHOUT_DOCUMENTS: &str =
    "nothing is verified and nobody is believed: give `--documents` for the walk and the verdicts";

// === impl Report ===

impl Report {
    pub(super) fn new(input: &Input, sources: &PeerSources, judges: Judges<'_>) -> Self {
        let destination = input.destination.as_ref();
        let evidence = PeerEvidence::collect(&input.credentials, destination, sources);
        let mut report = Self {
            input: input.kind.as_str(),
            is_certificate: input.kind.is_certificate(),
            at: moment::rfc3339(judges.now),
            revision: judges.revision.map(str::to_owned),
            notes: Vec::new(),
            peer: None,
            walk: Vec::new(),
            principal: evidence.principal.as_deref().map(str::to_owned),
            destination: evidence.destination.as_ref().map(ToString::to_string),
            source_certificate: certificate(&evidence.source_certificate, judges),
            xfcc: xfcc(&evidence, judges),
            client_cert: certificate(&evidence.client_cert, judges),
        };
        if judges.revision.is_none() {
            report.notes.push(WITHOUT_DOCUMENTS);
        } else {
            report.judge(&evidence, judges);
        }
        if input.kind.is_certificate() {
            report.judge_alone();
        } else if input.is_header_without_peer() && !report.walk.is_empty() {
            report.notes.push(WITHOUT_TLS_PEER);
        }
        report
    }

    /// A certificate that came alone was on no wire, so that a forwarder's speaks for nobody else.
    fn judge_alone(&mut self) {
        let walk = std::mem::take(&mut self.walk);
        let Some(hop) = walk.into_iter().find(|hop| hop.finding == "forwarder") else { return };
        self.notes.push(ALONE);
        self.peer = Some(PeerReport {
            verdict: "verified",
            spiffe: hop.identity,
            trust_domain: hop.trust_domain,
            evidence: hop.evidence,
            ..PeerReport::default()
        });
    }

    /// Walks as a server does.
    fn judge(&mut self, evidence: &PeerEvidence, judges: Judges<'_>) {
        let walk = &mut self.walk;
        let mut step = |hop: Hop<'_>| walk.push(HopReport::new(&hop));
        let Judges { trust, now, .. } = judges;
        let peer = authn::verify_peer_traced(evidence, trust, &NoCache, now, &mut step);
        let last = self.walk.iter().filter_map(|hop| hop.element).min();
        let count = self.xfcc.as_ref().map_or(0, |xfcc| xfcc.elements.len());
        let not_reached = (1..last.unwrap_or(count.saturating_add(1))).rev();
        self.walk.extend(not_reached.map(|at| HopReport::not_reached(Some(at))));
        self.peer = Some(PeerReport::new(&peer));
    }

    /// Whether the peer is believed; without documents, whether everything that was shown can be read.
    pub(super) fn is_good(&self) -> bool {
        self.peer.as_ref().map_or_else(|| self.is_readable(), |peer| peer.verdict == "verified")
    }

    fn is_readable(&self) -> bool {
        let xfcc = self.xfcc.as_ref();
        let elements = xfcc.into_iter().flat_map(|xfcc| &xfcc.elements);
        let of_elements = elements.filter_map(|element| element.certificate.as_ref());
        let mut shown = of_elements.chain(&self.source_certificate).chain(&self.client_cert);
        xfcc.is_none_or(|xfcc| xfcc.rejection.is_none())
            && shown.all(|certificate| certificate.rejection.is_none())
    }
}

fn certificate(
    presented: &Presented<PresentedCertificate>,
    judges: Judges<'_>,
) -> Option<CertificateReport> {
    match presented {
        Presented::Absent => None,
        Presented::Malformed(rejection) => Some(CertificateReport::refused(rejection)),
        Presented::Present(presented) => Some(CertificateReport::new(presented, judges)),
    }
}

fn xfcc(evidence: &PeerEvidence, judges: Judges<'_>) -> Option<XfccReport> {
    match &evidence.xfcc {
        Presented::Absent => None,
        Presented::Malformed(rejection) => {
            Some(XfccReport { rejection: Some(rejection.into()), ..XfccReport::default() })
        }
        Presented::Present(xfcc) => Some(XfccReport {
            rejection: None,
            unknown_keys: xfcc.unknown_keys(),
            elements: xfcc.elements().iter().map(|e| ElementReport::new(e, judges)).collect(),
        }),
    }
}

// === impl PeerReport ===

impl PeerReport {
    pub(in crate::cli) fn new(peer: &Credential<PeerIdentity>) -> Self {
        match peer {
            Credential::Absent => Self { verdict: "absent", ..Self::default() },
            Credential::Rejected(rejection) => {
                Self { verdict: "rejected", rejection: Some(rejection.into()), ..Self::default() }
            }
            Credential::Verified(peer) => Self {
                verdict: "verified",
                rejection: None,
                spiffe: peer.spiffe().map(SpiffeId::to_string),
                subject: peer.subject().map(str::to_owned),
                trust_domain: Some(peer.trust_domain().to_owned()),
                evidence: Some(peer.level().as_str()),
                source: Some(peer.source().as_str()),
                forwarders: peer.forwarders().iter().map(SpiffeId::to_string).collect(),
            },
        }
    }
}

// === impl RejectionReport ===

impl From<&Rejection> for RejectionReport {
    fn from(rejection: &Rejection) -> Self {
        Self { reason: rejection.reason().as_str(), detail: rejection.detail().to_owned() }
    }
}

// === impl HopReport ===

impl HopReport {
    pub(in crate::cli) fn new(hop: &Hop<'_>) -> Self {
        let (place, element) = match hop.place {
            HopPlace::SourceCertificate => ("source_certificate", None),
            HopPlace::Element(index) => ("xfcc", Some(index.saturating_add(1))),
            HopPlace::ClientCert => ("client_cert", None),
            HopPlace::Principal => ("principal", None),
        };
        let empty = Self { place, finding: "repeated", ..Self::not_reached(element) };
        match hop.finding {
            HopFinding::Repeated => empty,
            HopFinding::Refused(why) => {
                Self { finding: "refused", rejection: Some(why.into()), ..empty }
            }
            HopFinding::Caller(facts, level) => empty.believed("caller", facts, level),
            HopFinding::Forwarder(facts, level) => empty.believed("forwarder", facts, level),
        }
    }

    fn believed(self, finding: &'static str, facts: &PeerFacts, level: EvidenceLevel) -> Self {
        Self {
            finding,
            identity: Some(identity(facts)),
            trust_domain: Some(facts.trust_domain.clone()),
            evidence: Some(level.as_str()),
            ..self
        }
    }

    const fn not_reached(element: Option<usize>) -> Self {
        Self {
            place: "xfcc",
            element,
            finding: "not_reached",
            rejection: None,
            identity: None,
            trust_domain: None,
            evidence: None,
        }
    }
}

/// The name that somebody is best known by.
fn identity(facts: &PeerFacts) -> String {
    let name = facts.spiffe.as_ref().map(SpiffeId::to_string);
    name.or_else(|| facts.dns.first().cloned())
        .or_else(|| facts.subject.clone())
        .unwrap_or_default()
}

// === impl ElementReport ===

impl ElementReport {
    fn new(element: &XfccElement, judges: Judges<'_>) -> Self {
        Self {
            by: element.by().to_vec(),
            hash: element.hash().map(crate::secret::Fingerprint::to_hex),
            subject: element.subject().map(str::to_owned),
            uri: element.uris().to_vec(),
            dns: element.dns().to_vec(),
            certificate: element.certificate().map(|shown| CertificateReport::new(shown, judges)),
        }
    }
}
