//! When to leave a failing endpoint alone: a state machine over time, without I/O.

use crate::clock::UnixTime;
use crate::limits::{INTROSPECTION_PAUSE, MAX_INTROSPECTION_FAILURES};

/// Opens after a few failures in a row; after a pause one question may try again.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    paused_at: Option<UnixTime>,
}

// === impl Breaker ===

impl Breaker {
    /// Whether a question may be asked. After the pause one may, and the next pause begins with it.
    pub(super) fn admits(&mut self, now: UnixTime) -> bool {
        let Some(paused_at) = self.paused_at else { return true };
        let over = now < paused_at || now.since(paused_at) >= INTROSPECTION_PAUSE;
        if over {
            self.paused_at = Some(now);
        }
        over
    }

    /// The endpoint answered, whatever it said about the token.
    pub(super) const fn succeed(&mut self) {
        self.failures = 0;
        self.paused_at = None;
    }

    /// It did not.
    pub(super) fn fail(&mut self, now: UnixTime) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= MAX_INTROSPECTION_FAILURES {
            self.paused_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_question_try_again() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(breaker.admits(at(0)));
            breaker.fail(at(0));
        }
        breaker.succeed();
        for _ in 0..5 {
            assert!(breaker.admits(at(0)));
            breaker.fail(at(0));
        }
        assert!(!breaker.admits(at(4)));
        assert!(breaker.admits(at(5)));
        assert!(!breaker.admits(at(5)), "one at a time");
        breaker.fail(at(6));
        assert!(!breaker.admits(at(10)));
        assert!(breaker.admits(at(11)));
        breaker.succeed();
        assert!(breaker.admits(at(11)) && breaker.admits(at(11)));
    }

    /// P82: a clock that goes back does not keep it open.
    #[test]
    fn a_clock_that_goes_back_closes_it() {
        let mut breaker = Breaker::default();
        (0..5).for_each(|_| breaker.fail(at(1000)));
        assert!(breaker.admits(at(10)));
    }
}
