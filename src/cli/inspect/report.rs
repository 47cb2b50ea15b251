//! The findings about the evidence as values; `render` writes them as text.

use schemars::JsonSchema;
use serde::Serialize;

use super::certificate::{CertificateReport, VerificationContext};
use super::input::InspectInput;
use super::peer::{HopReport, HopResult, PeerReport, RejectionReport, Verdict};
use crate::authn::{self, Hop, NoCache};
use crate::evidence::{PeerEvidence, PeerSources, Presented, PresentedCertificate, XfccElement};

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct InspectReport {
    pub(super) input: &'static str,
    /// True if it is a certificate alone, without a request.
    #[serde(skip)]
    pub(super) is_certificate: bool,
    /// The time of the verification.
    pub(super) at: String,
    /// The revision of the documents.
    pub(super) revision: Option<String>,
    pub(super) notes: Vec<&'static str>,
    /// The caller; `None` without documents.
    pub(super) peer: Option<PeerReport>,
    /// The steps that were taken, nearest proxy first.
    pub(super) walk: Vec<HopReport>,
    pub(super) principal: Option<String>,
    pub(super) destination: Option<String>,
    pub(super) source_certificate: Option<CertificateReport>,
    pub(super) xfcc: Option<XfccReport>,
    pub(super) client_cert: Option<CertificateReport>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct XfccReport {
    #[serde(flatten)]
    pub(super) rejection: Option<RejectionReport>,
    pub(super) unknown_keys: usize,
    /// From left to right, which is from the farthest proxy to the nearest.
    pub(super) elements: Vec<ElementReport>,
}

/// One XFCC element as it is written.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ElementReport {
    pub(super) by: Vec<String>,
    pub(super) hash: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) uri: Vec<String>,
    pub(super) dns: Vec<String>,
    pub(super) certificate: Option<CertificateReport>,
}

const WITHOUT_TLS_PEER: &str = "the TLS peer is not known (give `--principal`), so the header is used without it, as a server does only with `xfccWithoutTls`";
const ALONE: &str = "it is a trusted forwarder: in a request, the caller is the one before it";
const WITHOUT_DOCUMENTS: &str =
    "nothing is verified: give `--documents` for the walk and the verdicts";

impl InspectReport {
    pub(super) fn new(
        input: &InspectInput,
        sources: &PeerSources,
        context: VerificationContext<'_>,
    ) -> Self {
        let destination = input.destination.as_ref();
        let evidence = PeerEvidence::collect(&input.credentials, destination, sources);
        let mut report = Self {
            input: input.kind.as_str(),
            is_certificate: input.kind.is_certificate(),
            at: context.now.to_rfc3339(),
            revision: context.revision.map(str::to_owned),
            notes: Vec::new(),
            peer: None,
            walk: Vec::new(),
            principal: evidence.principal.as_deref().map(str::to_owned),
            destination: evidence.destination.as_ref().map(ToString::to_string),
            source_certificate: certificate(&evidence.source_certificate, context),
            xfcc: xfcc(&evidence, context),
            client_cert: certificate(&evidence.client_cert, context),
        };
        if context.revision.is_none() {
            report.notes.push(WITHOUT_DOCUMENTS);
        } else {
            report.judge(&evidence, context);
        }
        if input.kind.is_certificate() {
            report.judge_alone();
            // It is in no request.
            report.peer.iter_mut().for_each(|peer| peer.source = None);
        } else if input.is_header_without_peer() && !report.walk.is_empty() {
            report.notes.push(WITHOUT_TLS_PEER);
        }
        report
    }

    /// A certificate alone came with no request, so a forwarder's certificate is judged as its own.
    fn judge_alone(&mut self) {
        let walk = std::mem::take(&mut self.walk);
        let Some(hop) = walk.into_iter().find(|hop| hop.finding == HopResult::Forwarder) else {
            return;
        };
        self.notes.push(ALONE);
        self.peer = Some(PeerReport {
            verdict: Verdict::Verified,
            spiffe: hop.identity,
            trust_domain: hop.trust_domain,
            evidence: hop.evidence,
            ..PeerReport::default()
        });
    }

    /// Verifies the peer as a server does.
    fn judge(&mut self, evidence: &PeerEvidence, context: VerificationContext<'_>) {
        let walk = &mut self.walk;
        let mut step = |hop: Hop<'_>| walk.push(HopReport::new(&hop));
        let VerificationContext { trust, now, .. } = context;
        let peer = authn::verify_peer_traced(evidence, trust, &NoCache, now, &mut step);
        let last = self.walk.iter().filter_map(|hop| hop.element).min();
        let count = self.xfcc.as_ref().map_or(0, |xfcc| xfcc.elements.len());
        let not_reached = (1..last.unwrap_or(count.saturating_add(1))).rev();
        self.walk.extend(not_reached.map(|at| HopReport::not_reached(Some(at))));
        self.peer = Some(PeerReport::new(&peer));
    }

    /// True if the peer is verified; without documents, whether everything that was shown can be read.
    pub(super) fn is_good(&self) -> bool {
        self.peer
            .as_ref()
            .map_or_else(|| self.is_readable(), |peer| peer.verdict == Verdict::Verified)
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
    context: VerificationContext<'_>,
) -> Option<CertificateReport> {
    match presented {
        Presented::Absent => None,
        Presented::Malformed(rejection) => Some(CertificateReport::refused(rejection)),
        Presented::Present(presented) => Some(CertificateReport::new(presented, context)),
    }
}

fn xfcc(evidence: &PeerEvidence, context: VerificationContext<'_>) -> Option<XfccReport> {
    match &evidence.xfcc {
        Presented::Absent => None,
        Presented::Malformed(rejection) => {
            Some(XfccReport { rejection: Some(rejection.into()), ..XfccReport::default() })
        }
        Presented::Present(xfcc) => Some(XfccReport {
            rejection: None,
            unknown_keys: xfcc.unknown_keys,
            elements: xfcc.elements.iter().map(|e| ElementReport::new(e, context)).collect(),
        }),
    }
}

impl ElementReport {
    fn new(element: &XfccElement, context: VerificationContext<'_>) -> Self {
        Self {
            by: element.by.to_vec(),
            hash: element.hash.as_ref().map(crate::secret::Fingerprint::to_hex),
            subject: element.subject.as_deref().map(str::to_owned),
            uri: element.uris.to_vec(),
            dns: element.dns.to_vec(),
            certificate: element
                .certificate
                .as_ref()
                .map(|shown| CertificateReport::new(shown, context)),
        }
    }
}
