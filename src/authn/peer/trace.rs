//! The steps of the walk as they are taken: for `countersign inspect`. The walk itself is the one that serves.

use crate::authn::facts::PeerFacts;
use crate::evidence_level::EvidenceLevel;
use crate::reason::Rejection;

/// One step of the walk.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The place of the step.
    pub place: HopPlace,
    /// The result of the step.
    pub finding: HopFinding<'a>,
}

/// The place that a step of the walk looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopPlace {
    /// The certificate that the proxy itself verified.
    SourceCertificate,
    /// The XFCC element with this index, counted from the left and from 0.
    Element(usize),
    /// The `client-cert` header.
    ClientCert,
    /// The name that the proxy gives the TLS peer.
    Principal,
}

/// The result of a step of the walk.
#[derive(Clone, Copy, Debug)]
pub enum HopFinding<'a> {
    /// It is the caller: the first that is no trusted forwarder.
    Caller(&'a PeerFacts, EvidenceLevel),
    /// It is a trusted forwarder and speaks for the one before it.
    Forwarder(&'a PeerFacts, EvidenceLevel),
    /// It repeats `source.certificate`.
    Repeated,
    /// It is refused, and the walk ends here.
    Refused(&'a Rejection),
}
