//! When one remote thing is asked for again: a state machine over time, without I/O.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::limits::{MIN_ASKED_REFRESH, REMOTE_RETRY};
use crate::pdp::fetch::FetchError;

/// When one remote thing is asked for.
#[derive(Debug)]
pub(in crate::pdp) struct FetchSchedule {
    refresh: Duration,
    last: Option<UnixTime>,
    next: UnixTime,
    /// Until when the server asks to be left alone.
    quiet_until: Option<UnixTime>,
    begun: u64,
    ended: u64,
    /// The number of the last look that ended well.
    good: u64,
    failures: u32,
    error: Option<String>,
}

/// Why nothing new was put in force.
#[derive(Debug)]
pub(in crate::pdp) struct FetchFailure {
    /// The reason, in lower case; no part of an address or an answer.
    pub(in crate::pdp) why: String,
    /// For how long the server asks to be left alone.
    pub(in crate::pdp) retry_after: Option<Duration>,
}

/// How many failures in a row a waiting request has repeated at once: then it is an outage.
const QUICK_RETRIES: u32 = 2;

/// The time until the next look, where a document says `refresh` and the server has `said` for how long its answer may be kept: the
/// document's time is the longest, so that what was withdrawn goes.
pub fn refresh_after(refresh: Duration, said: Option<Duration>) -> Duration {
    refresh.min(said.unwrap_or(refresh).max(MIN_ASKED_REFRESH))
}

impl FetchSchedule {
    /// Nothing was asked for yet, and it is due.
    pub(in crate::pdp) const fn new(refresh: Duration, now: UnixTime) -> Self {
        let (last, quiet_until, error) = (None, None, None);
        Self {
            refresh,
            last,
            next: now,
            quiet_until,
            begun: 0,
            ended: 0,
            good: 0,
            failures: 0,
            error,
        }
    }

    /// When it is due next.
    pub(in crate::pdp) const fn next(&self) -> UnixTime {
        self.next
    }

    /// How many looks have failed since the last good one.
    pub(in crate::pdp) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Why the last look failed, if it did.
    pub(in crate::pdp) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// How many looks have begun.
    pub(in crate::pdp) const fn begun(&self) -> u64 {
        self.begun
    }

    /// How many looks have ended.
    pub(in crate::pdp) const fn ended(&self) -> u64 {
        self.ended
    }

    /// The number of the last look that ended well.
    pub(in crate::pdp) const fn good(&self) -> u64 {
        self.good
    }

    /// How long until it is due. A clock that went back makes it due at once, or it would not be due for as long as the clock
    /// went back (P82).
    pub(in crate::pdp) fn wait(&self, now: UnixTime) -> Duration {
        if self.last.is_some_and(|last| now < last) {
            return Duration::ZERO;
        }
        self.next.since(now)
    }

    /// True if an answer may come soon: a look is under way or due.
    pub(in crate::pdp) fn is_moving(&self, now: UnixTime) -> bool {
        self.begun != self.ended || self.wait(now).is_zero()
    }

    /// A look begins.
    pub(in crate::pdp) const fn begin(&mut self, now: UnixTime) {
        self.last = Some(now);
        self.begun = self.begun.wrapping_add(1);
    }

    /// True if the server may be asked: it did not ask to be left alone.
    pub(in crate::pdp) fn permits(&self, now: UnixTime) -> bool {
        self.quiet_until.is_none_or(|until| until <= now)
    }

    /// Makes it due at once.
    pub(in crate::pdp) const fn hurry(&mut self, now: UnixTime) {
        self.next = now;
    }

    /// The look gave a good answer, which the server `said` may be kept for so long. `jitter`, between 0 and 1, spreads
    /// replicas and documents that began together.
    pub(in crate::pdp) fn succeed(&mut self, said: Option<Duration>, now: UnixTime, jitter: f64) {
        let refresh = refresh_after(self.refresh, said);
        self.end(now.plus(refresh.mul_f64(1.0 - 0.1 * jitter.clamp(0.0, 1.0))));
        (self.good, self.failures, self.error, self.quiet_until) = (self.ended, 0, None, None);
    }

    /// The look failed. The next one comes soon, then less and less soon, and spread by `jitter`; where a request is `waiting`,
    /// at once a few times, which is the result.
    pub(in crate::pdp) fn fail(
        &mut self,
        failure: FetchFailure,
        waiting: bool,
        now: UnixTime,
        jitter: f64,
    ) -> bool {
        let (first, longest) = REMOTE_RETRY;
        let longest = longest.min(self.refresh);
        let doubled = first.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        let spread = doubled.min(longest).mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0));
        let asked = failure.retry_after.map(|asked| asked.min(self.refresh.max(longest)));
        let at_once = waiting && asked.is_none() && self.failures < QUICK_RETRIES;
        self.quiet_until = asked.map(|asked| now.plus(asked));
        self.failures = self.failures.saturating_add(1);
        self.error = Some(failure.why);
        let wait =
            if at_once { Duration::ZERO } else { asked.unwrap_or_default().saturating_add(spread) };
        self.end(now.plus(wait));
        at_once
    }

    const fn end(&mut self, next: UnixTime) {
        self.next = next;
        self.ended = self.begun;
    }
}

impl From<String> for FetchFailure {
    fn from(why: String) -> Self {
        Self { why, retry_after: None }
    }
}

impl From<FetchError> for FetchFailure {
    fn from(error: FetchError) -> Self {
        Self { why: error.to_string(), retry_after: error.retry_after() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(1_000_000 + secs)
    }

    fn schedule() -> FetchSchedule {
        FetchSchedule::new(Duration::from_secs(300), at(0))
    }

    fn failure(retry_after: Option<u64>) -> FetchFailure {
        FetchFailure { why: String::from("x"), retry_after: retry_after.map(Duration::from_secs) }
    }

    /// `Cache-Control` can make a refresh sooner, within bounds, and never later; jitter spreads it.
    #[test]
    fn a_good_answer_is_refreshed_within_bounds() {
        assert_eq!(schedule().wait(at(0)), Duration::ZERO);
        for (said, due) in [(0, 30), (10, 30), (120, 120), (300, 300), (86_400, 300)] {
            let mut schedule = schedule();
            schedule.begin(at(0));
            schedule.succeed(Some(Duration::from_secs(said)), at(0), 0.0);
            assert_eq!(schedule.next(), at(due), "{said} s");
        }
        let mut schedule = schedule();
        schedule.succeed(None, at(0), 1.0);
        assert_eq!(schedule.next(), at(270));
    }

    /// P262: soon, then less and less soon, at different times, and not before the server permits it.
    #[test]
    fn failures_are_retried_less_and_less_often() {
        let mut state = schedule();
        let waits: Vec<_> = (0..9)
            .map(|_| {
                state.fail(failure(None), false, at(0), 1.0);
                state.next().since(at(0)).as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        state.fail(failure(None), false, at(0), 0.0);
        assert_eq!(state.next(), at(30));
        state.fail(failure(Some(100)), true, at(0), 0.0);
        assert_eq!(
            (state.next(), state.permits(at(99)), state.permits(at(100))),
            (at(130), false, true)
        );
        state.fail(failure(Some(86_400)), false, at(0), 0.0);
        assert_eq!(state.next(), at(330), "withdrawn keys go in the time of the document");
        state.succeed(None, at(1), 0.0);
        assert_eq!((state.failures(), state.error(), state.permits(at(1))), (0, None, true));
    }

    /// P260: a request that waits has a failed look repeated at once, but an outage is not made worse.
    #[test]
    fn a_waiting_request_has_failures_repeated() {
        let mut state = schedule();
        let at_once = [(); 4].map(|()| state.fail(failure(None), true, at(0), 0.0));
        assert_eq!(at_once, [true, true, false, false]);
        assert!(
            !schedule().fail(failure(Some(1)), true, at(0), 0.0),
            "the server asks for patience"
        );
    }

    /// P82: a clock that jumps back does not block looking.
    #[test]
    fn a_clock_that_goes_back_makes_it_due() {
        let mut state = schedule();
        state.begin(at(0));
        assert!(state.is_moving(at(0)));
        state.succeed(None, at(0), 0.0);
        assert!(!state.is_moving(at(0)) && state.is_moving(at(300)));
        assert_eq!(state.wait(at(-5000)), Duration::ZERO);
    }
}
