//! Callers whose certificates are about to expire, as far as they were seen: an agent that does not renew any more shows
//! here hours before its workload is refused.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::authn::PeerIdentity;
use crate::clock::UnixTime;
use crate::pdp::{Observer, Outcome};
use crate::request::RequestView;
use crate::secret::Fingerprint;
use crate::sync::lock;

/// The certificates of callers, those that expire soonest: a bounded number, however many callers there are.
#[derive(Debug, Default)]
pub struct Callers(Mutex<BTreeMap<(UnixTime, Fingerprint), CallerCertificate>>);

/// A caller whose certificate expires.
#[derive(Debug)]
pub struct ExpiringCaller {
    /// Its trust domain.
    pub trust_domain: String,
    /// Its best name.
    pub name: String,
    /// That of its certificate.
    pub fingerprint: Fingerprint,
    /// When that expires.
    pub not_after: UnixTime,
}

#[derive(Debug)]
struct CallerCertificate {
    trust_domain: String,
    name: String,
    seen: UnixTime,
}

/// Most certificates that are remembered, a few hundred bytes each.
const MOST: usize = 256;

/// Most that `/status` names.
const NAMED: usize = 10;

/// A certificate that was not shown for so long was renewed, or its workload has gone.
const FORGET: Duration = Duration::from_mins(10);

impl Callers {
    /// When the first certificate of each trust domain expires.
    pub fn soonest(&self, now: UnixTime) -> Vec<(String, i64)> {
        let mut soonest = BTreeMap::<String, i64>::new();
        self.each(now, |(expiry, _), caller| {
            soonest.entry(caller.trust_domain.clone()).or_insert(expiry.as_secs());
        });
        soonest.into_iter().collect()
    }

    /// The first few to expire, by name.
    pub fn named(&self, now: UnixTime) -> Vec<ExpiringCaller> {
        let mut named = Vec::new();
        self.each(now, |(expiry, fingerprint), caller| {
            if named.len() < NAMED {
                named.push(ExpiringCaller {
                    trust_domain: caller.trust_domain.clone(),
                    name: caller.name.clone(),
                    fingerprint: *fingerprint,
                    not_after: *expiry,
                });
            }
        });
        named
    }

    /// Looks at every one, the first to expire first.
    fn each(
        &self,
        now: UnixTime,
        mut look: impl FnMut(&(UnixTime, Fingerprint), &CallerCertificate),
    ) {
        let mut callers = lock(&self.0);
        callers.retain(|(expiry, _), caller| *expiry > now && now.since(caller.seen) < FORGET);
        callers.iter().for_each(|(key, caller)| look(key, caller));
    }

    fn note(&self, peer: &PeerIdentity, now: UnixTime) {
        let (Some(expiry), Some(certificate)) = (peer.not_after, peer.certificate.as_ref()) else {
            return;
        };
        // A caller is seen again soon, so that no check waits for the lock.
        let Ok(mut callers) = self.0.try_lock() else { return };
        let key = (expiry, *certificate);
        if let Some(known) = callers.get_mut(&key) {
            known.seen = now;
            return;
        }
        if callers.len() >= MOST {
            callers.retain(|_, caller| now.since(caller.seen) < FORGET);
        }
        if callers.len() >= MOST {
            if callers.last_key_value().is_some_and(|(last, _)| *last <= key) {
                return;
            }
            callers.pop_last();
        }
        callers.insert(key, CallerCertificate::new(peer, now));
    }
}

impl Observer for Callers {
    fn observe(&self, _view: &RequestView, outcome: &Outcome) {
        if let Some(peer) = outcome.subject.as_ref().and_then(|subject| subject.peer().verified()) {
            self.note(peer, outcome.at);
        }
    }
}

impl CallerCertificate {
    fn new(peer: &PeerIdentity, now: UnixTime) -> Self {
        let spiffe = peer.spiffe.as_ref().map(ToString::to_string);
        let name =
            spiffe.or_else(|| peer.subject.as_deref().map(str::to_owned)).unwrap_or_default();
        Self { trust_domain: peer.trust_domain.to_owned(), name, seen: now }
    }
}

#[cfg(test)]
mod tests;
