//! `peer`: the verified peer on the wire.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::context::CheckContext;
use super::missing::{MissingData, RecordField};
use super::network::is_inside;
use super::observation::ObservedValue;
use super::requirement::{Explanation, Requirement, RequirementFailure, one_of, texts};
use super::rule_key::{FittingRules, NamedCallers, RuleKey, is_part};
use crate::authn::PeerIdentity;
use crate::evidence_level::EvidenceLevel;
use crate::policy::model::{HostPattern, Truth};
use crate::reason::Reason;
use crate::spiffe::SpiffePattern;

/// There is a verified peer.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct PeerPresent;

/// The `TrustDomain` document of this name vouches for the peer.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct PeerTrustDomain(pub(in crate::policy) Arc<str>);

/// The peer's SPIFFE ID matches one of these patterns.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct PeerSpiffe(pub(in crate::policy) Box<[SpiffePattern]>);

/// The peer's subject (RFC 4514) is one of these, compared whole.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct PeerSubjects(pub(in crate::policy) Box<[String]>);

/// The proxy passed on at least this much of the peer's certificate.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct PeerEvidenceLevel(pub(in crate::policy) EvidenceLevel);

/// The name that a peer is best known by.
pub(super) fn best_name(peer: &PeerIdentity) -> String {
    let spiffe = peer.spiffe.as_ref().map(ToString::to_string);
    let name = spiffe.or_else(|| peer.dns.first().cloned());
    name.or_else(|| peer.subject.as_deref().map(str::to_owned))
        .unwrap_or_else(|| String::from("verified"))
}

/// An absent name says nothing where the certificate was not shown: a caller must not get around a deny rule by showing less.
fn known(peer: &PeerIdentity, fits: bool) -> Option<Truth> {
    let shown = peer.level() >= EvidenceLevel::Leaf;
    Some(if shown { fits.into() } else { Truth::Unknown })
}

/// Requirements that one of the peer's names of one kind fits one of a list.
macro_rules! peer_names {
    ($($(#[$doc:meta])* $Name:ident $wanted:ty, $key:literal $names:ident $noun:literal, $must:literal, $fits:expr,
        of_class $is_of_class:literal, covers $covers:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub(in crate::policy) struct $Name(pub(in crate::policy) Box<[$wanted]>);

        impl Requirement for $Name {
            fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
                let peer = cx.peer?;
                let fits: fn(&$wanted, &str) -> bool = $fits;
                let found = peer.$names.iter().any(|name| self.0.iter().any(|own| fits(own, name)));
                known(peer, found)
            }

            fn failure(&self) -> RequirementFailure {
                let holds = concat!($noun, " of the peer matches");
                let fails = concat!("no ", $noun, " of the peer matches");
                RequirementFailure::new(Reason::CertSan, holds, fails)
            }

            fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
                let suggestion = format!(concat!($must, " {}"), one_of(&self.0));
                let found = cx.peer.map(|peer| peer.$names.as_slice()).unwrap_or_default();
                Explanation::new(Self::PATH, texts(&self.0), ObservedValue::list(found), suggestion)
            }

            fn is_recorded(&self, missing: MissingData) -> bool {
                !missing.covers(RecordField::PeerNames)
            }
        }

        impl RuleKey for $Name {
            const PATH: &'static str = $key;
            const RULES: FittingRules = FittingRules::Any;
            const NAMES: Option<NamedCallers> = Some(NamedCallers::Peers);
            const IS_OF_CLASS: bool = $is_of_class;

            fn covers(&self, other: &Self) -> Option<bool> {
                let covers: fn(&[$wanted], &[$wanted]) -> bool = $covers;
                Some(covers(&self.0, &other.0))
            }
        }
    )*};
}

peer_names! {
    /// One of the peer's DNS names matches one of these patterns.
    PeerDns HostPattern, "peer.dns" dns "DNS name", "a DNS name of the peer must match",
        |pattern, name| pattern.matches(name),
        of_class true, covers |own, others| {
            others.iter().all(|other| own.iter().any(|own| own == other || own.covers(other)))
        };

    /// One of the peer's URIs is one of these, compared whole.
    PeerUris String, "peer.uris" uris "URI", "a URI of the peer must be", |own, name| own == name,
        of_class true, covers |own, others| is_part(others, own);

    /// One of the peer's email addresses is one of these, compared whole.
    PeerEmails String, "peer.emails" emails "email address", "an email address of the peer must be",
        |own, name| own == name,
        of_class true, covers |own, others| is_part(others, own);

    /// One of the peer's IP addresses is in one of these networks.
    PeerIps IpNet, "peer.ips" ips "IP address", "an IP address of the peer's certificate must be in",
        |net, text| text.parse::<IpAddr>().is_ok_and(|address| net.contains(&address)),
        of_class false, covers |own, others| is_inside(others, own);
}

impl Requirement for PeerPresent {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(cx.peer.is_some().into())
    }

    fn failure(&self) -> RequirementFailure {
        let holds = "there is a verified peer";
        RequirementFailure::new(Reason::PeerMissing, holds, "there is no verified peer")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = "the caller must show a certificate, and the proxy must pass it on";
        let found = ObservedValue::open(cx.peer.map(best_name));
        Explanation::new(Self::PATH, Vec::new(), found, suggestion.to_owned())
    }
}

impl RuleKey for PeerPresent {
    const PATH: &'static str = "peer";
    const RULES: FittingRules = FittingRules::Any;
    const IS_OF_CLASS: bool = true;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(self == other)
    }
}

impl Requirement for PeerTrustDomain {
    /// Unknown for a peer that is of the domain and breaks its rules.
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some(cx.peer?.is_vouched_for_by(&self.0).map_or(Truth::Unknown, Truth::from))
    }

    fn failure(&self) -> RequirementFailure {
        let holds = format!("the peer is of trust domain `{}`", self.0);
        let fails = format!("the peer is not of trust domain `{}`", self.0);
        RequirementFailure::new(Reason::CertSan, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let names = cx.peer.map(|peer| peer.trust_domains().collect::<Vec<_>>().join(", "));
        let suggestion = format!("the peer must belong to the trust domain `{}`", self.0);
        let found = ObservedValue::open(names);
        Explanation::new(Self::PATH, vec![self.0.to_string()], found, suggestion).but_is()
    }

    /// Of a peer that another domain vouches for. One that this domain vouches for is of it, whichever others there are.
    fn lacks(&self, missing: MissingData) -> Option<RecordField> {
        let field = RecordField::UnsureTrustDomains;
        missing.covers(field).then_some(field)
    }
}

impl RuleKey for PeerTrustDomain {
    const PATH: &'static str = "peer.trustDomain";
    const RULES: FittingRules = FittingRules::Any;
    const IS_OF_CLASS: bool = true;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(self == other)
    }
}

impl Requirement for PeerSpiffe {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let id = cx.peer?.spiffe.as_ref();
        Some(id.is_some_and(|id| self.0.iter().any(|pattern| pattern.matches(id))).into())
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::to_match(Reason::CertSan, "the peer's SPIFFE ID")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let id = cx.peer.and_then(|peer| peer.spiffe.as_ref()).map(ToString::to_string);
        let suggestion = format!("the peer's SPIFFE ID must match {}", one_of(&self.0));
        let found = ObservedValue::open(id);
        Explanation::new(Self::PATH, texts(&self.0), found, suggestion).but_is()
    }
}

impl RuleKey for PeerSpiffe {
    const PATH: &'static str = "peer.spiffe";
    const RULES: FittingRules = FittingRules::Any;
    const NAMES: Option<NamedCallers> = Some(NamedCallers::Peers);
    const IS_OF_CLASS: bool = true;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(other.0.iter().all(|pattern| pattern.is_within(&self.0)))
    }
}

impl Requirement for PeerSubjects {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        let peer = cx.peer?;
        known(
            peer,
            peer.subject.as_deref().is_some_and(|own| self.0.iter().any(|name| name == own)),
        )
    }

    fn failure(&self) -> RequirementFailure {
        RequirementFailure::to_match(Reason::CertSan, "the peer's subject")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the peer's subject must be {}", one_of(&self.0));
        let found = ObservedValue::open(cx.peer.and_then(|peer| peer.subject.as_deref()));
        Explanation::new(Self::PATH, self.0.to_vec(), found, suggestion)
    }
}

impl RuleKey for PeerSubjects {
    const PATH: &'static str = "peer.subjects";
    const RULES: FittingRules = FittingRules::Any;
    const NAMES: Option<NamedCallers> = Some(NamedCallers::Peers);
    const IS_OF_CLASS: bool = true;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(is_part(&other.0, &self.0))
    }
}

impl Requirement for PeerEvidenceLevel {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        Some((cx.peer?.level() >= self.0).into())
    }

    fn failure(&self) -> RequirementFailure {
        let holds = format!("the evidence of the peer is `{}` or more", self.0);
        let fails = format!("the evidence of the peer is less than `{}`", self.0);
        RequirementFailure::new(Reason::EvidenceInsufficient, holds, fails)
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the proxy must pass on more of the certificate: `{}`", self.0);
        let found = ObservedValue::open(cx.peer.map(|peer| peer.level().as_str()));
        Explanation::new(Self::PATH, vec![self.0.to_string()], found, suggestion).but_is()
    }
}

impl RuleKey for PeerEvidenceLevel {
    const PATH: &'static str = "peer.evidence";
    const RULES: FittingRules = FittingRules::Allow;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(self.0 <= other.0)
    }
}
