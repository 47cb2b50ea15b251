//! Time as a value: the only file that asks the machine what time it is.
//!
//! The rooms that decide take a [`UnixTime`] as an argument and never a clock, so that a decision can be
//! repeated, explained and tested at any moment of history.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

/// A number between 0 and 1, for tasks that replicas which were started together must not do together.
pub fn jitter() -> f64 {
    let mut byte = [0];
    // Without randomness there is no jitter, and nothing else depends on it.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

/// The source of the present time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment by the wall clock. It may jump in either direction.
    fn now(&self) -> UnixTime;
}

/// The machine's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A clock that stands still until it is moved; for tests, `explain`, `test` and `replay`.
#[derive(Clone, Debug)]
pub struct FixedClock(Arc<AtomicI64>);

/// Measures elapsed time on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

/// Says once a minute what happens often, such as a line in the log that a caller can cause thousands of times a second.
#[derive(Debug)]
pub struct Seldom {
    began: Stopwatch,
    /// When it is due, in milliseconds since it began.
    next: AtomicU64,
    times: AtomicU64,
}

/// A failure that lasts for an hour is sixty lines in the log, and not thousands.
pub const SAY_AGAIN: Duration = Duration::from_mins(1);

/// When something has to be done, counted from when it began.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    began: Stopwatch,
    within: Duration,
}

impl UnixTime {
    /// The moment `secs` seconds after the epoch. Saturates at the ends of the range.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// The moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Whole seconds since the epoch, rounded down (before the epoch too).
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The same for libraries; the epoch for what is before it.
    pub fn to_system_time(self) -> SystemTime {
        let since = Duration::from_millis(u64::try_from(self.0).unwrap_or(0));
        UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
    }

    /// Reads RFC 3339 text such as `2026-11-22T03:00:00Z`, to the millisecond.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self)
    }

    /// Reads a date of HTTP (RFC 9110 section 5.6.7).
    pub fn from_http_date(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc2822).ok().map(|at| Self::from_secs(at.unix_timestamp()))
    }

    /// Its date and its time of day in UTC, to the second; none beyond the years that dates have.
    pub fn in_utc(self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.as_secs()).ok()
    }

    /// As RFC 3339 text in UTC, to the second.
    pub fn to_rfc3339(self) -> String {
        let text = self.in_utc().and_then(|at| at.format(&Rfc3339).ok());
        text.unwrap_or_else(|| format!("{} s since 1970", self.as_secs()))
    }

    /// This moment moved later by `by`; stays at the end of the range rather than wrapping.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// This moment moved earlier by `by`; stays at the start of the range rather than wrapping.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }

    /// How long after `earlier` this moment is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> UnixTime {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => UnixTime(millis(since)),
            Err(before) => UnixTime(millis(before.duration()).saturating_neg()),
        }
    }
}

impl FixedClock {
    /// A clock that shows `now`.
    pub fn at(now: UnixTime) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_millis())))
    }

    /// Moves the clock, and every clone of it, to `now`.
    pub fn set(&self, now: UnixTime) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Moves the clock, and every clone of it, later by `by`.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }
}

impl Stopwatch {
    /// Starts measuring.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the monotonic clock"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Seldom {
    /// Counts one more. Once a minute it is how many there were since it was last said.
    pub fn due(&self) -> Option<u64> {
        self.due_at(self.began.elapsed())
    }

    fn due_at(&self, elapsed: Duration) -> Option<u64> {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.times.fetch_add(1, Ordering::Relaxed);
        let next = self.next.load(Ordering::Relaxed);
        let later = millis.saturating_add(u64::try_from(SAY_AGAIN.as_millis()).unwrap_or(u64::MAX));
        let ours = millis >= next
            && self
                .next
                .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        ours.then(|| self.times.swap(0, Ordering::Relaxed))
    }
}

impl Default for Seldom {
    fn default() -> Self {
        Self { began: Stopwatch::start(), next: AtomicU64::new(0), times: AtomicU64::new(0) }
    }
}

impl Deadline {
    /// `within` so long from now.
    pub fn within(within: Duration) -> Self {
        Self { began: Stopwatch::start(), within }
    }

    /// Time since it began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.left_at(self.elapsed())
    }

    /// The time that is left after `elapsed`.
    pub const fn left_at(&self, elapsed: Duration) -> Duration {
        self.within.saturating_sub(elapsed)
    }

    /// The result of `future`, if it comes in time. Most futures are ready when they are asked, which takes no timer and no
    /// look at the clock.
    pub async fn meet<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        match poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            Poll::Ready(output) => Some(output),
            Poll::Pending => tokio::time::timeout(self.left(), future).await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P304: a line that a caller causes thousands of times a second is one a minute, with how many it stands for.
    #[test]
    fn what_happens_often_is_said_seldom() {
        let seldom = Seldom::default();
        let at = |seconds| seldom.due_at(Duration::from_secs(seconds));
        assert_eq!(at(0), Some(1));
        assert!((0..1000).all(|_| at(59).is_none()));
        assert_eq!((at(60), at(60)), (Some(1001), None));
        assert_eq!(at(1000), Some(2));
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let end = UnixTime::from_millis(i64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        let start = UnixTime::from_millis(i64::MIN);
        assert_eq!(start.minus(Duration::MAX), start);
        assert_eq!(start.since(end), Duration::ZERO);
    }

    #[test]
    fn seconds_round_down_on_both_sides_of_the_epoch() {
        assert_eq!(UnixTime::from_millis(1999).as_secs(), 1);
        assert_eq!(UnixTime::from_millis(-1).as_secs(), -1);
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = FixedClock::at(UnixTime::from_secs(10));
        let same = clock.clone();
        clock.advance(Duration::from_secs(5));
        assert_eq!(same.now(), UnixTime::from_secs(15));
    }
}
