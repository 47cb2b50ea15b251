//! One key set over time, without I/O.

use std::sync::Arc;
use std::time::Duration;

use super::asks::Asks;
use super::load::LastGood;
use crate::clock::UnixTime;
use crate::trust::{KeySet, VerificationKey};

/// The last good keys, and who may have them fetched.
#[derive(Debug)]
pub(super) struct KeyState {
    max_stale: Duration,
    held: Option<LastGood>,
    pub(super) asks: Asks,
}

impl KeyState {
    /// Begins with keys that are known from before, if any.
    pub(super) fn new(max_stale: Duration, held: Option<LastGood>, now: UnixTime) -> Self {
        // A time in the future is not trusted.
        let held = held.map(|held| LastGood { fetched_at: held.fetched_at.min(now), ..held });
        Self { max_stale, held, asks: Asks::new() }
    }

    /// The keys, unless they are older than is allowed.
    pub(super) fn keys(&self, now: UnixTime) -> Option<&Arc<KeySet>> {
        let held = self.held.as_ref()?;
        (now.since(held.fetched_at) <= self.max_stale).then_some(&held.keys)
    }

    /// The last good keys, however old.
    pub(super) const fn held(&self) -> Option<&LastGood> {
        self.held.as_ref()
    }

    /// True if these are the `newest` keys of several sources, or newer ones; then they count from when the newest were fetched.
    pub(super) fn catches_up(&mut self, newest: &LastGood) -> bool {
        let Some(held) = &mut self.held else { return false };
        let same = held.keys.revision() == newest.keys.revision();
        if same && held.fetch < newest.fetch {
            (held.fetch, held.fetched_at) = (newest.fetch, newest.fetched_at);
        }
        held.fetch >= newest.fetch
    }

    /// A fetch gave `fresh` keys, which replace all earlier ones: what the issuer withdrew is gone (P62). Whether they are others.
    pub(super) fn succeed(&mut self, mut fresh: LastGood) -> bool {
        let before = self.held.as_ref();
        let seen = |key: &VerificationKey| {
            let before = before.and_then(|held| held.first_seen.get(key.thumbprint()));
            (key.thumbprint().to_owned(), before.copied().unwrap_or(fresh.fetched_at))
        };
        fresh.first_seen = fresh.keys.keys().iter().map(seen).collect();
        let same = before.is_some_and(|held| held.keys.revision() == fresh.keys.revision());
        self.asks.end(!same);
        self.held = Some(fresh);
        !same
    }

    /// The server says, to the `fetch`, that the keys are the same.
    pub(super) fn confirm(&mut self, now: UnixTime, next_fetch: UnixTime, fetch: u64) {
        self.asks.end(false);
        if let Some(held) = &mut self.held {
            (held.fetched_at, held.next_fetch, held.fetch) = (now, Some(next_fetch), fetch);
        }
    }
}
