//! The part of a decision that signals look at, shared with it as far as possible.

use std::net::IpAddr;
use std::sync::Arc;

use crate::authn::{PeerIdentity, TokenIdentity};
use crate::clock::UnixTime;
use crate::pdp::Outcome;
use crate::policy::{Decision, DecisionId};
use crate::reason::ClientAnswer;
use crate::request::RequestView;
use crate::slots::network;

/// A decision about a caller who proved something.
pub(super) struct ProvenDecision {
    pub(super) at: UnixTime,
    pub(super) decision: DecisionId,
    pub(super) denied: bool,
    pub(super) policy: Option<Arc<str>>,
    pub(super) peer: Option<PeerIdentity>,
    pub(super) tokens: Vec<TokenIdentity>,
    pub(super) network: Option<IpAddr>,
}

impl ProvenDecision {
    /// Nothing where the decision says nothing: the trouble was ours.
    pub(super) fn of(view: &RequestView, outcome: &Outcome) -> Option<Self> {
        let ours = matches!(&outcome.decision, Decision::Deny(denial)
            if denial.rejection.client_answer() == ClientAnswer::Unavailable);
        let subject = outcome.subject.as_ref().filter(|_| !ours)?;
        let policy = outcome.decision.policy().cloned();
        let is_known = subject.peer().verified().is_some() || subject.tokens().verified().is_some();
        if policy.is_none() && !is_known {
            return None;
        }
        Some(Self {
            at: outcome.at,
            decision: outcome.id,
            denied: !outcome.decision.is_allow(),
            policy,
            peer: subject.peer().verified().cloned(),
            tokens: subject.tokens().verified().cloned().unwrap_or_default(),
            network: view.client_ip().map(network),
        })
    }

    /// The name of the peer, where it has one that its certificates share.
    pub(super) fn peer_name(&self) -> Option<String> {
        let peer = self.peer.as_ref()?;
        let spiffe = peer.spiffe.as_ref().map(ToString::to_string);
        spiffe.or_else(|| peer.subject.clone())
    }
}
