//! Limits by source, in bounded memory: the sources that come again stay, however many others come once.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use quick_cache::sync::Cache;

use super::options::ThrottleOptions;
use super::steady::Steady;
use crate::limits::{MAX_THROTTLED_SOURCES, THROTTLED_VERIFICATIONS};
use crate::store::StoreKey;

/// The limits of all sources.
pub(super) struct Limiter {
    clock: Steady,
    sources: Arc<SourceStates>,
    attempts: Limit<Attempts>,
    /// Failed attempts over the first limit that are verified all the same.
    verifications: Limit<Verifications>,
    /// Until when some source is out of verifications; 0 for none.
    some_spent_until: AtomicU64,
}

type Limit<S> = RateLimiter<StoreKey, S, Steady, NoOpMiddleware<Nanos>>;
type SourceStates = Cache<StoreKey, Arc<SourceState>>;

/// One source. Moments are in milliseconds of the limiter's clock.
#[derive(Debug, Default)]
struct SourceState {
    attempts: InMemoryState,
    verifications: InMemoryState,
    /// Until when it is over the limit of all replicas together.
    held_until: AtomicU64,
    spent_until: AtomicU64,
}

struct Attempts(Arc<SourceStates>);
struct Verifications(Arc<SourceStates>);

/// The result of counting one failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptResult {
    Within,
    /// For so long the source is over its limit.
    Over(Duration),
}

impl Limiter {
    pub(super) fn new(options: &ThrottleOptions, clock: Steady) -> Self {
        let sources = Arc::new(Cache::new(MAX_THROTTLED_SOURCES));
        let (burst, every, _) = THROTTLED_VERIFICATIONS;
        let own = quota(options.interval(), options.failures.get());
        let attempts = RateLimiter::new(own, Attempts(Arc::clone(&sources)), clock.clone());
        let work = Verifications(Arc::clone(&sources));
        let verifications = RateLimiter::new(quota(every, burst), work, clock.clone());
        let some_spent_until = AtomicU64::new(0);
        Self { clock, sources, attempts, verifications, some_spent_until }
    }

    /// Counts one failed attempt of `key`.
    pub(super) fn count(&self, key: &StoreKey) -> AttemptResult {
        let (source, now) = (of(&self.sources, key), self.clock.millis());
        let held = source.held_until.load(Ordering::Relaxed).saturating_sub(now);
        let over = match self.attempts.check_key(key) {
            Ok(()) if held == 0 => return AttemptResult::Within,
            Ok(()) => Duration::from_millis(held),
            Err(until) => until.wait_time_from(at(now)).max(Duration::from_millis(held)),
        };
        if let Err(until) = self.verifications.check_key(key) {
            // To the next millisecond: before it there is none.
            let wait = until.wait_time_from(at(now)).saturating_add(Duration::from_micros(999));
            let end = now.saturating_add(millis(wait));
            source.spent_until.store(end, Ordering::Relaxed);
            self.some_spent_until.fetch_max(end, Ordering::Relaxed);
        }
        AttemptResult::Over(over)
    }

    /// Has `key` be over its limit for so long.
    pub(super) fn hold(&self, key: &StoreKey, wait: Duration) {
        let until = self.clock.millis().saturating_add(millis(wait));
        of(&self.sources, key).held_until.store(until, Ordering::Relaxed);
    }

    /// True if some source is out of verifications. Without an attack it costs a look at one number.
    pub(super) fn is_any_spent(&self) -> bool {
        let until = self.some_spent_until.load(Ordering::Relaxed);
        if until == 0 {
            return false;
        }
        let is_over = self.clock.millis() >= until;
        if is_over {
            let relaxed = Ordering::Relaxed;
            let _ = self.some_spent_until.compare_exchange(until, 0, relaxed, relaxed);
        }
        !is_over
    }

    /// True if `key` is out of verifications.
    pub(super) fn is_spent(&self, key: &StoreKey) -> bool {
        let source = self.sources.get(key);
        let until = source.map_or(0, |source| source.spent_until.load(Ordering::Relaxed));
        until > self.clock.millis()
    }

    /// Sources that are remembered.
    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }
}

fn of(sources: &SourceStates, key: &StoreKey) -> Arc<SourceState> {
    let Ok(source) = sources.get_or_insert_with(key, || Ok::<_, Infallible>(Arc::default()));
    source
}

fn quota(interval: Duration, burst: u32) -> Quota {
    let burst = burst.try_into().unwrap_or(std::num::NonZeroU32::MIN);
    let quota = Quota::with_period(interval.max(Duration::from_nanos(1)));
    quota.unwrap_or(Quota::per_second(burst)).allow_burst(burst)
}

fn at(millis: u64) -> Nanos {
    Duration::from_millis(millis).into()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

macro_rules! store {
    ($name:ident, $part:ident) => {
        impl StateStore for $name {
            type Key = StoreKey;

            fn measure_and_replace<T, F, E>(&self, key: &StoreKey, decide: F) -> Result<T, E>
            where
                F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
            {
                of(&self.0, key).$part.measure_and_replace(&NotKeyed::NonKey, decide)
            }
        }
    };
}

store!(Attempts, attempts);
store!(Verifications, verifications);

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("sources", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FixedClock, UnixTime};
    use crate::secret::Fingerprint;

    fn limiter() -> (Limiter, FixedClock) {
        let clock = FixedClock::at(UnixTime::from_secs(1_800_000_000));
        let steady = Steady::new(Arc::new(clock.clone()));
        (Limiter::new(&ThrottleOptions::default(), steady), clock)
    }

    fn key(number: u32) -> StoreKey {
        *Fingerprint::of(&number.to_be_bytes()).as_bytes()
    }

    #[test]
    fn a_source_has_its_failures_at_once_and_then_one_by_one() {
        let (limiter, clock) = limiter();
        let (own, other) = (key(1), key(2));
        assert!((0..20).all(|_| limiter.count(&own) == AttemptResult::Within));
        assert_eq!(limiter.count(&own), AttemptResult::Over(Duration::from_secs(3)));
        assert_eq!(limiter.count(&other), AttemptResult::Within);
        clock.advance(Duration::from_millis(2999));
        assert_eq!(limiter.count(&own), AttemptResult::Over(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(limiter.count(&own), AttemptResult::Within, "refused ones do not count");
        assert_eq!(limiter.count(&own), AttemptResult::Over(Duration::from_secs(3)));
        clock.advance(Duration::from_mins(1));
        assert!((0..20).all(|_| limiter.count(&own) == AttemptResult::Within));
    }

    #[test]
    fn a_source_that_is_over_has_a_budget_of_verifications() {
        let (limiter, clock) = limiter();
        let own = key(1);
        assert!(
            (0..220)
                .all(|_| !limiter.is_any_spent() && limiter.count(&own) != AttemptResult::Within
                    || !limiter.is_spent(&own))
        );
        assert!(!limiter.is_any_spent());
        limiter.count(&own);
        assert!(limiter.is_any_spent() && limiter.is_spent(&own) && !limiter.is_spent(&key(2)));
        clock.advance(Duration::from_millis(5));
        assert!(!limiter.is_any_spent() && !limiter.is_spent(&own), "one every 5 ms");
    }

    #[test]
    fn what_all_replicas_counted_holds_for_its_time() {
        let (limiter, clock) = limiter();
        limiter.hold(&key(1), Duration::from_secs(2));
        assert_eq!(limiter.count(&key(1)), AttemptResult::Over(Duration::from_secs(2)));
        clock.advance(Duration::from_secs(2));
        assert_eq!(limiter.count(&key(1)), AttemptResult::Within);
    }

    /// P421: a flood of addresses takes no more memory than is stated, and does not free those that go on.
    #[test]
    fn a_flood_of_sources_is_bounded_and_frees_none_that_goes_on() {
        let (limiter, _clock) = limiter();
        let own = key(u32::MAX);
        assert!((0..20).all(|_| limiter.count(&own) == AttemptResult::Within));
        let most = u32::try_from(MAX_THROTTLED_SOURCES).unwrap();
        for number in 0..3 * most {
            limiter.count(&key(number));
            if number % 1000 == 0 {
                assert_ne!(limiter.count(&own), AttemptResult::Within, "after {number} others");
            }
        }
        assert!(limiter.len() <= MAX_THROTTLED_SOURCES, "{} are kept", limiter.len());
        assert!(limiter.len() > MAX_THROTTLED_SOURCES / 2);
    }
}
