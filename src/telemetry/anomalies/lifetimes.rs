//! Certificates that were issued for oddly long or short.

use std::collections::BTreeMap;

use super::seen::ProvenDecision;
use super::signal::Signal;
use crate::document::HumanDuration;
use crate::secret::Fingerprint;

/// The lifetimes in seconds of the last certificates of each trust domain, of which there are as many as documents.
#[derive(Default)]
pub(super) struct Lifetimes(BTreeMap<String, Vec<(Fingerprint, u64)>>);

/// So many certificates of a trust domain are compared with.
const KEPT: usize = 64;

/// With fewer there is no usual lifetime.
const ENOUGH: usize = 8;

impl Lifetimes {
    pub(super) fn look(
        &mut self,
        seen: &ProvenDecision,
        found: &mut impl FnMut(Signal, &str, String),
    ) {
        let Some(peer) = &seen.peer else { return };
        let (Some(certificate), Some(from), Some(until)) =
            (peer.certificate, peer.not_before, peer.not_after)
        else {
            return;
        };
        let own = self.0.entry(peer.trust_domain.clone()).or_default();
        if own.iter().any(|(known, _)| *known == certificate) {
            return;
        }
        let lifetime = until.since(from);
        let mut usual: Vec<_> = own.iter().map(|(_, seconds)| *seconds).collect();
        usual.sort_unstable();
        if let Some(usual) = usual.get(usual.len() / 2).filter(|_| own.len() >= ENOUGH) {
            let seconds = lifetime.as_secs();
            if seconds > usual.saturating_mul(4) || seconds < usual / 4 {
                let [lifetime, usual] = [lifetime, std::time::Duration::from_secs(*usual)];
                let [lifetime, usual] = [lifetime, usual].map(HumanDuration::new);
                let name = seen.peer_name().unwrap_or_default();
                found(Signal::CertificateLifetime, &name, format!("{lifetime}, usual is {usual}"));
            }
        }
        if own.len() >= KEPT {
            own.remove(0);
        }
        own.push((certificate, lifetime.as_secs()));
    }
}
