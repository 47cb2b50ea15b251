//! The share of denials of a peer or under a policy, from one span of time to the next.

use std::time::Duration;

use quick_cache::sync::Cache;

use super::seen::ProvenDecision;
use super::signal::Signal;
use crate::clock::UnixTime;
use crate::limits::MAX_ANOMALY_NAMES;
use crate::secret::Fingerprint;

pub(super) struct FamilyShares(Cache<(Signal, Fingerprint), Spans>);

/// The span that is under way, and the share of denials before it.
#[derive(Clone, Copy, Debug)]
struct Spans {
    since: UnixTime,
    all: u32,
    denied: u32,
    /// Nothing where too little was seen before.
    before: Option<f64>,
    reported: bool,
}

const SPAN: Duration = Duration::from_mins(1);

/// With fewer decisions in a span a share says nothing.
const ENOUGH: u32 = 20;

/// A share was low below the first, and is high from the second on.
const LOW: f64 = 0.1;
const HIGH: f64 = 0.5;

impl Default for FamilyShares {
    fn default() -> Self {
        Self(Cache::new(MAX_ANOMALY_NAMES))
    }
}

impl FamilyShares {
    pub(super) fn look(&self, seen: &ProvenDecision, found: &mut impl FnMut(Signal, &str, String)) {
        let policy = seen.policy.as_ref().map(ToString::to_string);
        let named = [(Signal::PeerDenials, seen.peer_name()), (Signal::PolicyDenials, policy)];
        for (signal, name) in named {
            let Some(name) = name else { continue };
            let key = (signal, Fingerprint::of(name.as_bytes()));
            let mut spans = self.0.get(&key).unwrap_or(Spans::since(seen.at));
            if spans.add(seen) {
                let (denied, all) = (spans.denied, spans.all);
                found(signal, &name, format!("{denied} of {all} requests of a minute are denied"));
            }
            self.0.insert(key, spans);
        }
    }
}

impl Spans {
    const fn since(since: UnixTime) -> Self {
        Self { since, all: 0, denied: 0, before: None, reported: false }
    }

    /// Counts a decision. Whether the share has become high with it.
    fn add(&mut self, seen: &ProvenDecision) -> bool {
        if seen.at < self.since || seen.at.since(self.since) >= SPAN {
            let before = if self.all >= ENOUGH { Some(self.share()) } else { self.before };
            *self = Self { before, ..Self::since(seen.at) };
        }
        self.all = self.all.saturating_add(1);
        self.denied = self.denied.saturating_add(u32::from(seen.denied));
        let sudden = self.all >= ENOUGH
            && self.share() >= HIGH
            && self.before.is_some_and(|before| before < LOW);
        let is_new = sudden && !self.reported;
        self.reported |= sudden;
        is_new
    }

    fn share(&self) -> f64 {
        f64::from(self.denied) / f64::from(self.all.max(1))
    }
}
