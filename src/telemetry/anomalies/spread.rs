//! Tokens that are used by more than one, or from many places.

use std::net::IpAddr;

use quick_cache::sync::Cache;

use super::seen::ProvenDecision;
use super::signal::Signal;
use crate::limits::{MAX_ANOMALY_NAMES, MAX_TOKEN_NETWORKS};
use crate::secret::Fingerprint;

/// Who used which token.
pub(super) struct Spread {
    /// The first peer of a token under a policy, and whether another one was reported.
    peers: Cache<(Fingerprint, Fingerprint), (Fingerprint, bool)>,
    networks: Cache<Fingerprint, Vec<IpAddr>>,
}

impl Default for Spread {
    fn default() -> Self {
        Self { peers: Cache::new(MAX_ANOMALY_NAMES), networks: Cache::new(MAX_ANOMALY_NAMES) }
    }
}

impl Spread {
    pub(super) fn look(&self, seen: &ProvenDecision, found: &mut impl FnMut(Signal, &str, String)) {
        for token in &seen.tokens {
            let mark = token.mark();
            let about = format!("token {} of {}", mark.to_hex(), token.issuer_name());
            if let (Some(name), Some(policy)) = (seen.peer_name(), seen.policy.as_deref()) {
                let key = (mark, Fingerprint::of(policy.as_bytes()));
                let own = Fingerprint::of(name.as_bytes());
                match self.peers.get(&key) {
                    None => self.peers.insert(key, (own, false)),
                    Some((first, false)) if first != own => {
                        let detail =
                            format!("`{name}` is its second peer under the policy `{policy}`");
                        found(Signal::TokenPeers, &about, detail);
                        self.peers.insert(key, (first, true));
                    }
                    Some(_) => {}
                }
            }
            if let Some(network) = seen.network {
                self.at(mark, network, || about.clone(), found);
            }
        }
    }

    fn at(
        &self,
        mark: Fingerprint,
        network: IpAddr,
        about: impl FnOnce() -> String,
        found: &mut impl FnMut(Signal, &str, String),
    ) {
        let mut known = self.networks.get(&mark).unwrap_or_default();
        if known.contains(&network) || known.len() > MAX_TOKEN_NETWORKS {
            return;
        }
        known.push(network);
        if known.len() > MAX_TOKEN_NETWORKS {
            let detail = format!("{network} is the {}th network", known.len());
            found(Signal::TokenAddresses, &about(), detail);
        }
        self.networks.insert(mark, known);
    }
}
