//! A verified peer.

use std::ops::Deref;
use std::sync::Arc;

use crate::authn::facts::PeerFacts;
use crate::evidence::PeerSource;
use crate::evidence_level::EvidenceLevel;
use crate::spiffe::SpiffeId;

/// A verified peer. What is known about it, read only, is that of [`PeerFacts`].
#[derive(Clone, Debug)]
pub struct PeerIdentity {
    pub(super) facts: Arc<PeerFacts>,
    pub(super) level: EvidenceLevel,
    pub(super) source: PeerSource,
    pub(super) forwarders: Vec<SpiffeId>,
}

impl PeerIdentity {
    /// A peer that is asserted without evidence: for policy tests and `explain` only. `tests/in_process/tidy.rs` keeps it
    /// out of the serving path.
    pub fn assertion(facts: PeerFacts, level: EvidenceLevel) -> Self {
        Self { facts: Arc::new(facts), level, source: PeerSource::Xfcc, forwarders: Vec::new() }
    }

    /// The names of all that vouch for it.
    pub fn trust_domains(&self) -> impl Iterator<Item = &str> {
        let others = self.other_trust_domains.iter().map(String::as_str);
        [&*self.trust_domain].into_iter().chain(others)
    }

    /// The same, where it is certain that it is of no other.
    pub fn only_trust_domain(&self) -> Option<&str> {
        let PeerFacts { other_trust_domains, unsure_trust_domains, .. } = &**self;
        let only = other_trust_domains.is_empty() && unsure_trust_domains.is_empty();
        only.then_some(&*self.trust_domain)
    }

    /// True if the document called `name` vouches for it; nothing where it does not, and its authorities issued the
    /// certificate all the same.
    pub fn is_vouched_for_by(&self, name: &str) -> Option<bool> {
        if self.trust_domains().any(|own| own == name) {
            return Some(true);
        }
        let unsure = self.unsure_trust_domains.iter().any(|unsure| unsure == name);
        (!unsure).then_some(false)
    }

    /// How much of the certificate was shown.
    pub const fn level(&self) -> EvidenceLevel {
        self.level
    }

    /// The source of the identity.
    pub const fn source(&self) -> PeerSource {
        self.source
    }

    /// The trusted forwarders between the peer and the proxy that asks, nearest first.
    pub fn forwarders(&self) -> &[SpiffeId] {
        &self.forwarders
    }
}

impl Deref for PeerIdentity {
    type Target = PeerFacts;

    fn deref(&self) -> &PeerFacts {
        &self.facts
    }
}
