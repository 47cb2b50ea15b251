//! `peer`: the verified peer on the wire.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::context::CheckContext;
use super::missing::{MissingData, RecordField};
use super::observation::ObservedValue;
use super::requirement::{Explanation, Failure, Requirement, one_of, texts};
use crate::authn::PeerIdentity;
use crate::evidence_level::EvidenceLevel;
use crate::policy::model::host::HostPattern;
use crate::policy::model::truth::Truth;
use crate::reason::Reason;
use crate::spiffe::SpiffePattern;

/// There is a verified peer.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PeerPresent;

/// The `TrustDomain` document of this name vouches for the peer.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PeerTrustDomain(pub(in crate::policy) Arc<str>);

/// The peer's SPIFFE ID matches one of these patterns.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PeerSpiffe(pub(in crate::policy) Box<[SpiffePattern]>);

/// One of the peer's DNS names matches one of these patterns.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PeerDns(pub(in crate::policy) Box<[HostPattern]>);

/// One of the peer's URIs is one of these, compared whole.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PeerUris(pub(in crate::policy) Box<[String]>);

/// One of the peer's email addresses is one of these, compared whole.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PeerEmails(pub(in crate::policy) Box<[String]>);

/// One of the peer's IP addresses is in one of these networks.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PeerIps(pub(in crate::policy) Box<[IpNet]>);

/// The peer's subject (RFC 4514) is one of these, compared whole.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PeerSubjects(pub(in crate::policy) Box<[String]>);

/// The proxy passed on at least this much of the peer's certificate.
#[derive(Clone, Debug)]
pub(in crate::policy) struct PeerEvidence(pub(in crate::policy) EvidenceLevel);

/// The name that a peer is best known by.
pub(super) fn best_name(peer: &PeerIdentity) -> String {
    let spiffe = peer.spiffe().map(ToString::to_string);
    let name = spiffe.or_else(|| peer.dns().first().cloned());
    name.or_else(|| peer.subject().map(str::to_owned)).unwrap_or_else(|| String::from("verified"))
}

/// An absent name says nothing where the certificate was not shown: a caller must not get around a deny rule by showing less.
fn known(peer: &PeerIdentity, fits: bool) -> Option<Truth> {
    let shown = peer.level() >= EvidenceLevel::Leaf;
    Some(if shown { fits.into() } else { Truth::Unknown })
}

fn names(peer: Option<&PeerIdentity>, names: fn(&PeerIdentity) -> &[String]) -> ObservedValue {
    ObservedValue::list(peer.map(names).unwrap_or_default())
}

/// Of a requirement that one of the peer's names, each of which is called `what`, matches.
fn no_name_fits(what: &str) -> Failure {
    let (holds, fails) =
        (format!("{what} of the peer matches"), format!("no {what} of the peer matches"));
    Failure::new(Reason::CertSan, holds, fails)
}

impl Requirement for PeerPresent {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(cx.peer.is_some().into())
    }

    fn failure(&self) -> Failure {
        let holds = "there is a verified peer";
        Failure::new(Reason::PeerMissing, holds, "there is no verified peer")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = "the caller must show a certificate, and the proxy must pass it on";
        let found = ObservedValue::open(cx.peer.map(best_name));
        Explanation::new("peer", Vec::new(), found, suggestion.to_owned())
    }
}

impl Requirement for PeerTrustDomain {
    /// Unknown for a peer that is of the domain and breaks its rules.
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(cx.peer?.is_vouched_for_by(&self.0).map_or(Truth::Unknown, Truth::from))
    }

    fn failure(&self) -> Failure {
        let holds = format!("the peer is of trust domain `{}`", self.0);
        let fails = format!("the peer is not of trust domain `{}`", self.0);
        Failure::new(Reason::CertSan, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let names = cx.peer.map(|peer| peer.trust_domains().collect::<Vec<_>>().join(", "));
        let suggestion = format!("the peer must belong to the trust domain `{}`", self.0);
        let found = ObservedValue::open(names);
        Explanation::new("peer.trustDomain", vec![self.0.to_string()], found, suggestion).but_is()
    }
}

impl Requirement for PeerSpiffe {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let id = cx.peer?.spiffe();
        Some(id.is_some_and(|id| self.0.iter().any(|pattern| pattern.matches(id))).into())
    }

    fn failure(&self) -> Failure {
        Failure::to_match(Reason::CertSan, "the peer's SPIFFE ID")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let id = cx.peer.and_then(PeerIdentity::spiffe).map(ToString::to_string);
        let suggestion = format!("the peer's SPIFFE ID must match {}", one_of(&self.0));
        let found = ObservedValue::open(id);
        Explanation::new("peer.spiffe", texts(&self.0), found, suggestion).but_is()
    }
}

impl Requirement for PeerDns {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let peer = cx.peer?;
        let fits = |name: &String| self.0.iter().any(|pattern| pattern.matches(name));
        known(peer, peer.dns().iter().any(fits))
    }

    fn failure(&self) -> Failure {
        no_name_fits("DNS name")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("a DNS name of the peer must match {}", one_of(&self.0));
        let found = names(cx.peer, PeerIdentity::dns);
        Explanation::new("peer.dns", texts(&self.0), found, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::PeerNames)
    }
}

impl Requirement for PeerUris {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let peer = cx.peer?;
        known(peer, peer.uris().iter().any(|name| self.0.contains(name)))
    }

    fn failure(&self) -> Failure {
        no_name_fits("URI")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("a URI of the peer must be {}", one_of(&self.0));
        let found = names(cx.peer, PeerIdentity::uris);
        Explanation::new("peer.uris", self.0.to_vec(), found, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::PeerNames)
    }
}

impl Requirement for PeerEmails {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let peer = cx.peer?;
        known(peer, peer.emails().iter().any(|name| self.0.contains(name)))
    }

    fn failure(&self) -> Failure {
        no_name_fits("email address")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("an email address of the peer must be {}", one_of(&self.0));
        let found = names(cx.peer, PeerIdentity::emails);
        Explanation::new("peer.emails", self.0.to_vec(), found, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::PeerNames)
    }
}

impl Requirement for PeerIps {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let peer = cx.peer?;
        let is_in = |address: IpAddr| self.0.iter().any(|net| net.contains(&address));
        known(peer, peer.ips().iter().any(|text| text.parse().is_ok_and(is_in)))
    }

    fn failure(&self) -> Failure {
        no_name_fits("IP address")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion =
            format!("an IP address of the peer's certificate must be in {}", one_of(&self.0));
        let found = names(cx.peer, PeerIdentity::ips);
        Explanation::new("peer.ips", texts(&self.0), found, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::PeerNames)
    }
}

impl Requirement for PeerSubjects {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let peer = cx.peer?;
        known(peer, peer.subject().is_some_and(|own| self.0.iter().any(|name| name == own)))
    }

    fn failure(&self) -> Failure {
        Failure::to_match(Reason::CertSan, "the peer's subject")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the peer's subject must be {}", one_of(&self.0));
        let found = ObservedValue::open(cx.peer.and_then(PeerIdentity::subject));
        Explanation::new("peer.subject", self.0.to_vec(), found, suggestion)
    }
}

impl Requirement for PeerEvidence {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some((cx.peer?.level() >= self.0).into())
    }

    fn failure(&self) -> Failure {
        let holds = format!("the evidence of the peer is `{}` or more", self.0);
        let fails = format!("the evidence of the peer is less than `{}`", self.0);
        Failure::new(Reason::EvidenceInsufficient, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the proxy must pass on more of the certificate: `{}`", self.0);
        let found = ObservedValue::open(cx.peer.map(|peer| peer.level().as_str()));
        Explanation::new("peer.evidence", vec![self.0.to_string()], found, suggestion).but_is()
    }
}
