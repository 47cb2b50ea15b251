//! One key set and when to ask for it again: a state machine over time, without I/O.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::limits::{ABSENT_KEY_LIFETIME, KEY_FETCH_COOLDOWN, MAX_ABSENT_KEYS};
use crate::pdp::keys::store::{FirstSeen, LastGood};
use crate::secret::Fingerprint;
use crate::trust::{KeySet, VerificationKey};

/// First wait after a failure while there are no keys at all; doubles up to the cooldown.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// One key set over time.
#[derive(Debug)]
pub(super) struct KeyState {
    refresh: Duration,
    max_stale: Duration,
    held: Option<Held>,
    last_attempt: Option<UnixTime>,
    next_attempt: UnixTime,
    in_flight: bool,
    failures: u32,
    /// Key ids that were asked for and are not in the set, with the time until which asking again is pointless.
    absent: BTreeMap<Fingerprint, UnixTime>,
    /// How many times fetching has ended, well or badly: what a waiting request waits to change.
    completed: u64,
}

/// Keys, and when they were fetched.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) keys: Arc<KeySet>,
    pub(super) fetched_at: UnixTime,
    pub(super) first_seen: FirstSeen,
}

impl KeyState {
    /// Nothing is known yet, and fetching is due.
    pub(super) const fn new(refresh: Duration, max_stale: Duration, now: UnixTime) -> Self {
        Self {
            refresh,
            max_stale,
            held: None,
            last_attempt: None,
            next_attempt: now,
            in_flight: false,
            failures: 0,
            absent: BTreeMap::new(),
            completed: 0,
        }
    }

    /// The keys, unless they are older than is allowed.
    pub(super) fn keys(&self, now: UnixTime) -> Option<&Arc<KeySet>> {
        let held = self.held.as_ref()?;
        (now.since(held.fetched_at) <= self.max_stale).then_some(&held.keys)
    }

    /// The last good keys, however old.
    pub(super) const fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// When fetching is due next.
    pub(super) const fn next_attempt(&self) -> UnixTime {
        self.next_attempt
    }

    /// How many attempts have failed since the last good one.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// How many attempts have ended.
    pub(super) const fn completed(&self) -> u64 {
        self.completed
    }

    /// How long until fetching is due. A clock that went back makes it due at once, or it would not be due for as long as
    /// the clock went back.
    pub(super) fn wait(&self, now: UnixTime) -> Duration {
        if self.last_attempt.is_some_and(|last| now < last) {
            return Duration::ZERO;
        }
        self.next_attempt.since(now)
    }

    /// A token names the key `id`, which is not in the set: makes fetching due at once, unless the last attempt was a moment
    /// ago, whatever caused it, or the same id was asked for in vain lately. So a flood of made-up key ids causes no more
    /// than one fetch per cooldown, and one old token fewer still (P61).
    pub(super) fn force(&mut self, id: &str, now: UnixTime) -> bool {
        let recent = self
            .last_attempt
            .is_some_and(|last| now >= last && now.since(last) < KEY_FETCH_COOLDOWN);
        let id = Fingerprint::of(id.as_bytes());
        if recent || self.absent.get(&id).is_some_and(|until| now < *until) {
            return false;
        }
        self.absent.retain(|_, until| now < *until);
        if self.absent.len() < MAX_ABSENT_KEYS {
            // If the fetch brings the key, no request asks for it again.
            self.absent.insert(id, now.plus(ABSENT_KEY_LIFETIME));
        }
        self.next_attempt = now;
        true
    }

    /// An attempt begins.
    pub(super) const fn begin(&mut self, now: UnixTime) {
        self.last_attempt = Some(now);
        self.in_flight = true;
    }

    /// Whether keys may come soon: an attempt is under way or due.
    pub(super) fn is_moving(&self, now: UnixTime) -> bool {
        self.in_flight || self.wait(now).is_zero()
    }

    /// Takes over what was kept from before a restart. It is used while it is not too old, and fetching stays due.
    pub(super) fn restore(&mut self, kept: LastGood, now: UnixTime) {
        let LastGood { keys, fetched_at, first_seen, next_fetch: _ } = kept;
        self.held = Some(Held { keys, fetched_at: fetched_at.min(now), first_seen });
    }

    /// The attempt gave `keys`, which replace all earlier ones: what the issuer withdrew is gone (P62). The next one is due
    /// after the refresh time, or sooner where the server says so, less `jitter`, which is between 0 and 1.
    pub(super) fn succeed(
        &mut self,
        keys: Arc<KeySet>,
        max_age: Option<Duration>,
        now: UnixTime,
        jitter: f64,
    ) {
        // The operator's time is the longest, so that withdrawn keys go; the cooldown is the shortest.
        let asked = max_age.unwrap_or(self.refresh).max(KEY_FETCH_COOLDOWN);
        let refresh = self.refresh.min(asked);
        let seen = |key: &VerificationKey| {
            let before = self.held.as_ref().and_then(|held| held.first_seen.get(key.thumbprint()));
            (key.thumbprint().to_owned(), before.copied().unwrap_or(now))
        };
        let first_seen = keys.keys().iter().map(seen).collect();
        self.held = Some(Held { keys, fetched_at: now, first_seen });
        self.in_flight = false;
        self.failures = 0;
        self.completed = self.completed.wrapping_add(1);
        let spread = refresh.mul_f64(0.1 * jitter.clamp(0.0, 1.0));
        self.next_attempt = now.plus(refresh.saturating_sub(spread));
    }

    /// The attempt failed: the last good keys stay. Without any, the next attempt is due soon; with some, there is time.
    pub(super) fn fail(&mut self, now: UnixTime) {
        let doubled =
            FIRST_RETRY.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        let wait = if self.keys(now).is_some() { KEY_FETCH_COOLDOWN } else { doubled };
        self.in_flight = false;
        self.failures = self.failures.saturating_add(1);
        self.completed = self.completed.wrapping_add(1);
        self.next_attempt = now.plus(wait.min(KEY_FETCH_COOLDOWN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::KeyPurpose;

    const KEY: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(1_000_000 + secs)
    }

    fn keys() -> Arc<KeySet> {
        Arc::new(KeySet::parse(KEY.as_bytes(), KeyPurpose::Jwt).unwrap())
    }

    fn state() -> KeyState {
        KeyState::new(Duration::from_secs(300), Duration::from_secs(3600), at(0))
    }

    fn loaded() -> KeyState {
        let mut state = state();
        state.begin(at(0));
        state.succeed(keys(), None, at(0), 0.0);
        state
    }

    #[test]
    fn keys_are_fetched_at_once_and_then_after_the_refresh_time() {
        assert_eq!(state().wait(at(0)), Duration::ZERO);
        assert!(state().keys(at(0)).is_none());
        let mut state = loaded();
        assert_eq!(state.wait(at(0)), Duration::from_secs(300));
        assert_eq!(state.wait(at(300)), Duration::ZERO);
        state.succeed(keys(), None, at(300), 1.0);
        assert_eq!(state.next_attempt(), at(300 + 270), "jitter spreads the refreshes of replicas");
    }

    /// An issuer that is down for less than `maxStale` is not noticed; after that nothing is believed any more.
    #[test]
    fn last_good_keys_are_used_up_to_max_stale() {
        let mut state = loaded();
        for secs in (300..3600).step_by(30) {
            assert!(state.keys(at(secs)).is_some(), "{secs}");
            state.begin(at(secs));
            state.fail(at(secs));
        }
        assert!(state.keys(at(3600)).is_some());
        assert!(state.keys(at(3601)).is_none());
        state.succeed(keys(), None, at(3700), 0.0);
        assert!(state.keys(at(3700)).is_some());
    }

    /// P61: however many unknown key ids are asked for, there is one fetch per cooldown.
    #[test]
    fn unknown_key_ids_cause_one_fetch_per_cooldown() {
        let mut state = loaded();
        let mut fetches = 0;
        for tenth in 0..6_000 {
            let now = UnixTime::from_millis(at(0).as_millis() + tenth * 10);
            if state.force(&tenth.to_string(), now) && state.wait(now).is_zero() {
                fetches += 1;
                state.begin(now);
                state.succeed(keys(), None, now, 0.0);
            }
        }
        assert_eq!(fetches, 1, "in 60 s, 30 s after the first fetch");
    }

    /// One token with a key id that is long gone does not cause a fetch at every opportunity.
    #[test]
    fn the_same_absent_key_is_not_asked_for_again_at_once() {
        let mut state = loaded();
        let mut asked = Vec::new();
        for secs in 30..200 {
            if state.force("gone", at(secs)) {
                asked.push(secs);
            }
        }
        assert_eq!(asked, [30, 90, 150]);
        assert!(state.force("other", at(200)), "another one is");
        for n in 0..5000 {
            state.force(&n.to_string(), at(200));
        }
        assert!(state.absent.len() <= MAX_ABSENT_KEYS);
    }

    /// `Cache-Control` can make a refresh sooner, within bounds, and never later.
    #[test]
    fn the_server_can_ask_for_an_earlier_refresh() {
        for (max_age, due) in [(0, 30), (10, 30), (120, 120), (300, 300), (86_400, 300)] {
            let mut state = state();
            state.succeed(keys(), Some(Duration::from_secs(max_age)), at(0), 0.0);
            assert_eq!(state.next_attempt(), at(due), "max-age {max_age}");
        }
    }

    #[test]
    fn restored_keys_are_used_while_they_are_not_too_old_and_are_fetched_again_at_once() {
        let mut state = state();
        let kept = |fetched_at| LastGood {
            keys: keys(),
            fetched_at,
            next_fetch: None,
            first_seen: FirstSeen::new(),
        };
        state.restore(kept(at(-3600)), at(0));
        assert!(state.keys(at(0)).is_some() && state.keys(at(1)).is_none());
        assert_eq!(state.wait(at(0)), Duration::ZERO);
        state.restore(kept(at(999)), at(0));
        assert!(state.keys(at(3601)).is_none(), "a time in the future is not believed");
    }

    #[test]
    fn failures_are_retried_soon_without_keys_and_at_leisure_with_them() {
        let mut state = state();
        let mut now = at(0);
        let waits: Vec<_> = (0..8)
            .map(|_| {
                state.begin(now);
                state.fail(now);
                let wait = state.wait(now);
                now = now.plus(wait);
                wait.as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        let mut state = loaded();
        state.begin(at(300));
        state.fail(at(300));
        assert_eq!(state.wait(at(300)), KEY_FETCH_COOLDOWN);
    }

    /// P82: a clock that jumps back neither blocks refreshing nor makes keys last forever.
    #[test]
    fn a_clock_that_goes_back_makes_fetching_due() {
        let state = loaded();
        assert_eq!(state.wait(at(-5000)), Duration::ZERO);
        let mut state = loaded();
        assert!(state.force("x", at(-5000)));
    }

    #[test]
    fn a_key_is_first_seen_when_it_comes_and_not_when_it_stays() {
        let mut state = loaded();
        let seen = |state: &KeyState| {
            state.held().unwrap().first_seen.values().copied().collect::<Vec<_>>()
        };
        state.succeed(keys(), None, at(300), 0.0);
        assert_eq!(seen(&state), [at(0)]);
        let none = KeySet::parse(br#"{"keys":[]}"#, KeyPurpose::Jwt).unwrap();
        state.succeed(Arc::new(none), None, at(600), 0.0);
        assert_eq!(seen(&state), []);
        state.succeed(keys(), None, at(900), 0.0);
        assert_eq!(seen(&state), [at(900)]);
    }

    /// P62: a key that the issuer withdrew is gone after the refresh, whether or not a request asks for it.
    #[test]
    fn withdrawn_keys_are_dropped() {
        let mut state = loaded();
        assert!(state.keys(at(1)).unwrap().has("k"));
        let other = KEY.replace("\"k\"", "\"new\"");
        state.succeed(
            Arc::new(KeySet::parse(other.as_bytes(), KeyPurpose::Jwt).unwrap()),
            None,
            at(300),
            0.0,
        );
        assert!(!state.keys(at(301)).unwrap().has("k"));
    }
}
