//! Values that were never seen for a name: issuers of certificates and of tokens, audiences, keys.

use quick_cache::sync::Cache;

use super::seen::ProvenDecision;
use super::signal::Signal;
use crate::clock::UnixTime;
use crate::limits::{MAX_ANOMALY_NAMES, MAX_ANOMALY_VALUES};
use crate::secret::Fingerprint;

/// The values of each name, the newest last.
pub(super) struct Firsts {
    values: Cache<(Signal, Fingerprint), Vec<Fingerprint>>,
    /// The key of each identity's newest certificate, and the middle of its life.
    keys: Cache<Fingerprint, (Fingerprint, UnixTime)>,
}

impl Default for Firsts {
    fn default() -> Self {
        Self { values: Cache::new(MAX_ANOMALY_NAMES), keys: Cache::new(MAX_ANOMALY_NAMES) }
    }
}

impl Firsts {
    pub(super) fn look(&self, seen: &ProvenDecision, found: &mut impl FnMut(Signal, &str, String)) {
        let (Some(name), Some(peer)) = (seen.peer_name(), seen.peer.as_ref()) else { return };
        let own = Fingerprint::of(name.as_bytes());
        let mut value = |signal, value: &str| {
            if self.is_new((signal, own), value) {
                found(signal, &name, format!("`{value}` is new"));
            }
        };
        if let Some(issuer) = &peer.issuer {
            value(Signal::CertificateIssuer, issuer);
        }
        for token in seen.tokens.iter().filter(|_| !seen.denied) {
            value(Signal::TokenIssuer, token.issuer_name());
            token.audiences().iter().for_each(|audience| value(Signal::TokenAudience, audience));
        }
        if let (Some(key), Some(from), Some(until)) = (peer.spki, peer.not_before, peer.not_after) {
            let middle = from.plus(until.since(from) / 2);
            let is_new = self.is_new((Signal::CertificateKey, own), &key.to_hex());
            if is_new && self.keys.get(&own).is_some_and(|(_, early)| seen.at < early) {
                found(Signal::CertificateKey, &name, format!("the key {} is new", key.to_hex()));
            }
            self.keys.insert(own, (key, middle));
        }
    }

    /// True if `key` had other values until now, and not this one.
    fn is_new(&self, key: (Signal, Fingerprint), value: &str) -> bool {
        let value = Fingerprint::of(value.as_bytes());
        let mut known = self.values.get(&key).unwrap_or_default();
        if known.contains(&value) {
            return false;
        }
        let is_first = known.is_empty();
        if known.len() >= MAX_ANOMALY_VALUES {
            known.remove(0);
        }
        known.push(value);
        self.values.insert(key, known);
        !is_first
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.values.len(), self.keys.len())
    }
}
