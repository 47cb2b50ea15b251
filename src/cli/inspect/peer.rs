//! The verified peer and the steps that lead to it, as values that `inspect` and `explain` share.

use schemars::JsonSchema;
use serde::Serialize;

use crate::authn::{Credential, Hop, HopFinding, HopPlace, PeerFacts, PeerIdentity};
use crate::evidence_level::EvidenceLevel;
use crate::reason::{Reason, Rejection};
use crate::spiffe::SpiffeId;

/// The caller, or why it is not verified.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(in crate::cli) struct PeerReport {
    pub(in crate::cli) verdict: Verdict,
    #[serde(flatten)]
    pub(in crate::cli) rejection: Option<RejectionReport>,
    pub(in crate::cli) spiffe: Option<String>,
    pub(in crate::cli) subject: Option<String>,
    pub(in crate::cli) trust_domain: Option<String>,
    pub(in crate::cli) evidence: Option<EvidenceLevel>,
    pub(in crate::cli) source: Option<&'static str>,
    pub(in crate::cli) forwarders: Vec<String>,
}

/// Why evidence or a token is refused.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct RejectionReport {
    pub(in crate::cli) reason: Reason,
    pub(in crate::cli) detail: String,
}

/// The result for a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Verdict {
    /// The decision did not get that far.
    #[default]
    #[serde(rename = "")]
    NotReached,
    Absent,
    Rejected,
    Verified,
}

/// The place of a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum PeerPlace {
    SourceCertificate,
    Xfcc,
    ClientCert,
    Principal,
}

/// The result of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum HopResult {
    Caller,
    Forwarder,
    Repeated,
    Refused,
    NotReached,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct HopReport {
    pub(in crate::cli) place: PeerPlace,
    /// The number of the XFCC element, counted from the left and from 1.
    pub(in crate::cli) element: Option<usize>,
    pub(in crate::cli) finding: HopResult,
    #[serde(flatten)]
    pub(in crate::cli) rejection: Option<RejectionReport>,
    pub(in crate::cli) identity: Option<String>,
    pub(in crate::cli) trust_domain: Option<String>,
    pub(in crate::cli) evidence: Option<EvidenceLevel>,
}

impl Verdict {
    pub(in crate::cli) const fn as_str(self) -> &'static str {
        match self {
            Self::NotReached => "",
            Self::Absent => "absent",
            Self::Rejected => "rejected",
            Self::Verified => "verified",
        }
    }
}

impl HopResult {
    pub(in crate::cli) const fn text(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Forwarder => "forwarder",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
            Self::NotReached => "not reached",
        }
    }
}

impl PeerReport {
    pub(in crate::cli) fn new(peer: &Credential<PeerIdentity>) -> Self {
        match peer {
            Credential::Absent => Self { verdict: Verdict::Absent, ..Self::default() },
            Credential::Rejected(rejection) => Self {
                verdict: Verdict::Rejected,
                rejection: Some(rejection.into()),
                ..Self::default()
            },
            Credential::Verified(peer) => Self {
                verdict: Verdict::Verified,
                rejection: None,
                spiffe: peer.spiffe.as_ref().map(SpiffeId::to_string),
                subject: peer.subject.as_deref().map(str::to_owned),
                trust_domain: Some(peer.trust_domain.to_owned()),
                evidence: Some(peer.level()),
                source: Some(peer.source().as_str()),
                forwarders: peer.forwarders().iter().map(SpiffeId::to_string).collect(),
            },
        }
    }
}

impl From<&Rejection> for RejectionReport {
    fn from(rejection: &Rejection) -> Self {
        Self { reason: rejection.reason(), detail: rejection.detail().to_owned() }
    }
}

impl HopReport {
    pub(in crate::cli) fn new(hop: &Hop<'_>) -> Self {
        let (place, element) = match hop.place {
            HopPlace::SourceCertificate => (PeerPlace::SourceCertificate, None),
            HopPlace::Element(index) => (PeerPlace::Xfcc, Some(index.saturating_add(1))),
            HopPlace::ClientCert => (PeerPlace::ClientCert, None),
            HopPlace::Principal => (PeerPlace::Principal, None),
        };
        let empty = Self { place, finding: HopResult::Repeated, ..Self::not_reached(element) };
        match hop.finding {
            HopFinding::Repeated => empty,
            HopFinding::Refused(why) => {
                Self { finding: HopResult::Refused, rejection: Some(why.into()), ..empty }
            }
            HopFinding::Caller(facts, level) => empty.verified(HopResult::Caller, facts, level),
            HopFinding::Forwarder(facts, level) => {
                empty.verified(HopResult::Forwarder, facts, level)
            }
        }
    }

    fn verified(self, finding: HopResult, facts: &PeerFacts, level: EvidenceLevel) -> Self {
        Self {
            finding,
            identity: Some(identity(facts)),
            trust_domain: Some(facts.trust_domain.clone()),
            evidence: Some(level),
            ..self
        }
    }

    pub(super) const fn not_reached(element: Option<usize>) -> Self {
        Self {
            place: PeerPlace::Xfcc,
            element,
            finding: HopResult::NotReached,
            rejection: None,
            identity: None,
            trust_domain: None,
            evidence: None,
        }
    }
}

/// The first of the SPIFFE ID, a DNS name and the subject.
fn identity(facts: &PeerFacts) -> String {
    let name = facts.spiffe.as_ref().map(SpiffeId::to_string);
    name.or_else(|| facts.dns.first().cloned())
        .or_else(|| facts.subject.clone())
        .unwrap_or_default()
}
