//! `source` and `destination`: the networks that a connection comes from and goes to.

use std::net::IpAddr;

use ipnet::IpNet;

use super::context::CheckContext;
use super::missing::{MissingData, RecordField};
use super::observation::ObservedValue;
use super::requirement::{Explanation, Requirement, RequirementFailure, one_of, texts};
use super::rule_key::{FittingRules, RuleKey};
use crate::policy::model::Truth;
use crate::reason::Reason;

/// The client is in one of these networks.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct SourceNetworks(pub(in crate::policy) Box<[IpNet]>);

/// The connection goes to one of these networks.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct DestinationNetworks(pub(in crate::policy) Box<[IpNet]>);

/// Unknown if the address is not known, as over a Unix socket.
fn is_in(networks: &[IpNet], ip: Option<IpAddr>) -> Option<Truth> {
    Some(ip.map_or(Truth::Unknown, |ip| networks.iter().any(|net| net.contains(&ip)).into()))
}

/// True if everything in the networks of `part` is in one of `whole`.
pub(super) fn is_inside(part: &[IpNet], whole: &[IpNet]) -> bool {
    part.iter().all(|own| whole.iter().any(|other| other.contains(own)))
}

fn found(ip: Option<IpAddr>) -> ObservedValue {
    ObservedValue::open(ip.map(|ip| ip.to_string()))
}

impl Requirement for SourceNetworks {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        is_in(&self.0, cx.request.client_ip())
    }

    fn failure(&self) -> RequirementFailure {
        let holds = "the client's address is in one of the rule's networks";
        RequirementFailure::new(Reason::NoRule, holds, "the client's address is in none of the rule's networks")
            .unknown_because(": the client's address is not known (`listener.clientAddress`, or a check without a source)")
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the client must be in {}", one_of(&self.0));
        let found = found(cx.request.client_ip());
        Explanation::new(Self::PATH, texts(&self.0), found, suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::Addresses)
    }
}

impl RuleKey for SourceNetworks {
    const PATH: &'static str = "source";
    const RULES: FittingRules = FittingRules::Any;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(is_inside(&other.0, &self.0))
    }
}

impl Requirement for DestinationNetworks {
    fn holds(&self, cx: &CheckContext<'_>) -> Option<Truth> {
        is_in(&self.0, cx.request.destination.ip())
    }

    fn failure(&self) -> RequirementFailure {
        let holds = "the connection goes to one of the rule's networks";
        RequirementFailure::new(
            Reason::NoRule,
            holds,
            "the connection goes to none of the rule's networks",
        )
    }

    fn explain(&self, cx: &CheckContext<'_>) -> Explanation {
        let suggestion = format!("the connection must go to {}", one_of(&self.0));
        let address = cx.request.destination.ip();
        Explanation::new(Self::PATH, texts(&self.0), found(address), suggestion)
    }

    fn is_recorded(&self, missing: MissingData) -> bool {
        !missing.covers(RecordField::Addresses)
    }
}

impl RuleKey for DestinationNetworks {
    const PATH: &'static str = "destination";
    const RULES: FittingRules = FittingRules::Any;
    const IS_ABOUT_CALLERS: bool = false;

    fn covers(&self, other: &Self) -> Option<bool> {
        Some(is_inside(&other.0, &self.0))
    }
}
