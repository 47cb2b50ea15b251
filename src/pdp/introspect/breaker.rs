//! The circuit breaker of an endpoint, as a state machine over time.

use crate::clock::UnixTime;
use crate::limits::{INTROSPECTION_COOLDOWN, INTROSPECTION_FAILURES, MAX_INTROSPECTION_TIMEOUT};

/// Closed until several questions in a row were not answered; then open, but for one probe per cool-down.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    open: Option<Open>,
    /// While it is found out whether the endpoint or a token is the cause.
    doubted: Option<Open>,
}

/// The consequence of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    /// It is settled.
    Settled,
    /// A question of our own has to find out whether the endpoint answers any.
    Doubt,
}

#[derive(Debug)]
struct Open {
    since: UnixTime,
    until: UnixTime,
}

/// Permission to ask one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// One of many.
    Ordinary,
    /// The one that finds out whether the endpoint is back.
    Probe,
}

impl Breaker {
    /// Permission to ask, or `None` while the endpoint is left alone. A probe that is never heard of again is followed by
    /// another one a cool-down later.
    pub(super) fn admit(&mut self, now: UnixTime) -> Option<Admission> {
        let Some(open) = &mut self.open else { return Some(Admission::Ordinary) };
        // A clock that went back would keep it open for as long as it went back (P82).
        if (open.since..open.until).contains(&now) {
            return None;
        }
        *open = Open { since: now, until: now.plus(INTROSPECTION_COOLDOWN) };
        Some(Admission::Probe)
    }

    /// The endpoint answered, whatever it said.
    pub(super) fn succeed(&mut self) {
        *self = Self::default();
    }

    /// The endpoint did not answer, or, where `token_may_be` the cause, not this question. `jitter` is between 0 and 1. Questions from
    /// before it opened change nothing any more.
    pub(super) fn fail(
        &mut self,
        admission: Admission,
        now: UnixTime,
        jitter: f64,
        token_may_be: bool,
    ) -> Consequence {
        self.failures = self.failures.saturating_add(1);
        let opens = self.open.is_none() && self.failures >= INTROSPECTION_FAILURES;
        if !opens && admission == Admission::Ordinary {
            return Consequence::Settled;
        }
        if !token_may_be {
            self.open_at(now, jitter);
            return Consequence::Settled;
        }
        // One question at a time; one that is lost is followed by another.
        if self.doubted.as_ref().is_some_and(|doubt| (doubt.since..doubt.until).contains(&now)) {
            return Consequence::Settled;
        }
        self.doubted = Some(Open { since: now, until: now.plus(2 * MAX_INTROSPECTION_TIMEOUT) });
        Consequence::Doubt
    }

    /// The question of our own was not answered either.
    pub(super) fn open_at(&mut self, now: UnixTime, jitter: f64) {
        let spread = INTROSPECTION_COOLDOWN.mul_f64(0.25 * jitter.clamp(0.0, 1.0));
        let until = now.plus(INTROSPECTION_COOLDOWN).plus(spread);
        self.open = Some(Open { since: now, until });
        self.doubted = None;
    }

    /// True if the endpoint is being left alone.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: i64) -> UnixTime {
        UnixTime::from_millis(1_000_000_000 + millis)
    }

    fn cooldown() -> i64 {
        i64::try_from(INTROSPECTION_COOLDOWN.as_millis()).unwrap()
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for n in 0..INTROSPECTION_FAILURES {
            assert_eq!(breaker.admit(at(0)), Some(Admission::Ordinary), "{n}");
            let _ = breaker.fail(Admission::Ordinary, at(0), 0.0, false);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_before() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            for _ in 1..INTROSPECTION_FAILURES {
                let _ = breaker.fail(Admission::Ordinary, at(0), 0.0, false);
            }
            assert_eq!(breaker.admit(at(0)), Some(Admission::Ordinary));
            breaker.succeed();
        }
        let mut breaker = opened();
        assert!(breaker.is_open());
        assert_eq!(breaker.admit(at(0)), None);
        assert_eq!(breaker.admit(at(cooldown() - 1)), None);
    }

    #[test]
    fn one_probe_per_cool_down_finds_out_whether_the_endpoint_is_back() {
        let mut breaker = opened();
        let mut now = cooldown();
        for _ in 0..3 {
            assert_eq!(breaker.admit(at(now)), Some(Admission::Probe));
            assert_eq!(breaker.admit(at(now)), None, "one probe at a time");
            let _ = breaker.fail(Admission::Probe, at(now + 10), 1.0, false);
            now += 10 + cooldown();
            assert_eq!(breaker.admit(at(now)), None, "jitter adds up to a quarter");
            now += cooldown() / 4;
        }
        assert_eq!(breaker.admit(at(now)), Some(Admission::Probe));
        breaker.succeed();
        assert_eq!(breaker.admit(at(now)), Some(Admission::Ordinary));
    }

    #[test]
    fn a_lost_probe_does_not_keep_it_open_forever() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(at(cooldown())), Some(Admission::Probe));
        assert_eq!(breaker.admit(at(2 * cooldown() - 1)), None);
        assert_eq!(breaker.admit(at(2 * cooldown())), Some(Admission::Probe));
    }

    #[test]
    fn late_failures_of_earlier_questions_do_not_prolong_it() {
        let mut breaker = opened();
        let _ = breaker.fail(Admission::Ordinary, at(cooldown() - 1), 1.0, false);
        assert_eq!(breaker.admit(at(cooldown())), Some(Admission::Probe));
    }

    /// P82: a clock that goes back by an hour does not keep the endpoint closed for an hour.
    #[test]
    fn a_clock_that_goes_back_lets_a_probe_through() {
        let mut breaker = opened();
        let back = at(0).minus(Duration::from_secs(3600));
        assert_eq!(breaker.admit(back), Some(Admission::Probe));
        assert_eq!(breaker.admit(back), None);
    }

    /// P311: where a token may be the cause, one question of our own decides.
    #[test]
    fn a_failure_that_a_token_may_cause_is_doubted_first() {
        let mut breaker = Breaker::default();
        let fail = |breaker: &mut Breaker, admission| breaker.fail(admission, at(0), 0.0, true);
        for _ in 1..INTROSPECTION_FAILURES {
            assert_eq!(fail(&mut breaker, Admission::Ordinary), Consequence::Settled);
        }
        assert_eq!(fail(&mut breaker, Admission::Ordinary), Consequence::Doubt);
        assert_eq!(fail(&mut breaker, Admission::Ordinary), Consequence::Settled, "once");
        assert!(!breaker.is_open());
        breaker.open_at(at(0), 0.0);
        assert_eq!(breaker.admit(at(cooldown())), Some(Admission::Probe));
        assert_eq!(fail(&mut breaker, Admission::Probe), Consequence::Doubt);
        breaker.succeed();
        assert_eq!(breaker.admit(at(0)), Some(Admission::Ordinary));
    }
}
