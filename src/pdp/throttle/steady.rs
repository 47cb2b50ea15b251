//! Time that passes only: what the limiter counts by, where the wall clock may jump.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use governor::clock;
use governor::nanos::Nanos;

use crate::clock::Clock;

/// The time that has passed by the wall clock, without the jumps back.
#[derive(Clone, Debug)]
pub(super) struct Steady(Arc<Passed>);

#[derive(Debug)]
struct Passed {
    wall: Arc<dyn Clock>,
    seen: AtomicI64,
    millis: AtomicU64,
}

/// By less the clocks of two threads may differ: only further back is a jump.
const JUMP_MILLIS: i64 = 1000;

/// A day: every limit is full again by then, and the counter never ends.
const LONGEST_STEP: u64 = 86_400_000;

impl Steady {
    pub(super) fn new(wall: Arc<dyn Clock>) -> Self {
        let seen = AtomicI64::new(wall.now().as_millis());
        Self(Arc::new(Passed { wall, seen, millis: AtomicU64::new(0) }))
    }

    /// Milliseconds since it was made.
    pub(super) fn millis(&self) -> u64 {
        let Passed { wall, seen, millis } = &*self.0;
        let (now, before) = (wall.now().as_millis(), seen.load(Ordering::Relaxed));
        let passed = now.saturating_sub(before);
        if !(-JUMP_MILLIS..=0).contains(&passed) {
            let relaxed = (Ordering::Relaxed, Ordering::Relaxed);
            let ours = seen.compare_exchange(before, now, relaxed.0, relaxed.1).is_ok();
            if let (true, Ok(passed)) = (ours, u64::try_from(passed)) {
                millis.fetch_add(passed.min(LONGEST_STEP), Ordering::Relaxed);
            }
        }
        millis.load(Ordering::Relaxed)
    }
}

impl clock::Clock for Steady {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Duration::from_millis(self.millis()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FixedClock, UnixTime};

    /// P420: a clock that goes back a day neither fills a limit nor blocks a source for a day.
    #[test]
    fn time_passes_on_although_the_clock_goes_back() {
        let wall = FixedClock::at(UnixTime::from_secs(1_800_000_000));
        let steady = Steady::new(Arc::new(wall.clone()));
        wall.advance(Duration::from_secs(5));
        assert_eq!(steady.millis(), 5000);
        wall.set(UnixTime::from_secs(1_799_913_600));
        assert_eq!(steady.millis(), 5000);
        wall.advance(Duration::from_secs(2));
        assert_eq!(steady.millis(), 7000);
        // Two threads that read the clock one after the other, and come here in the opposite order.
        wall.set(UnixTime::from_millis(1_799_913_601_999));
        assert_eq!(steady.millis(), 7000);
        wall.set(UnixTime::from_millis(1_799_913_602_001));
        assert_eq!(steady.millis(), 7001);
    }
}
