//! A budget: a few at once, then one by one.

use std::time::Duration;

use crate::clock::UnixTime;

/// A token bucket on the wall clock.
#[derive(Debug)]
pub(in crate::pdp) struct TokenBucket {
    most: u32,
    refill: Duration,
    gap: Duration,
    left: u32,
    filled: Option<UnixTime>,
    taken: Option<UnixTime>,
}

impl TokenBucket {
    /// A full bucket of `most` tokens. One comes back every `refill`, and two are never taken within `gap`.
    pub(in crate::pdp) const fn full(most: u32, refill: Duration, gap: Duration) -> Self {
        Self { most, refill, gap, left: most, filled: None, taken: None }
    }

    /// Takes a token, if there is one. A clock that goes back neither fills nor blocks it.
    pub(in crate::pdp) fn take(&mut self, now: UnixTime) -> bool {
        self.fill(now);
        let recent = self.taken.is_some_and(|taken| taken <= now && now.since(taken) < self.gap);
        if recent || self.left == 0 {
            return false;
        }
        self.left = self.left.saturating_sub(1);
        self.taken = Some(now);
        true
    }

    fn fill(&mut self, now: UnixTime) {
        let filled = self.filled.filter(|filled| *filled <= now).unwrap_or(now);
        let new = now.since(filled).as_millis().checked_div(self.refill.as_millis()).unwrap_or(0);
        let new = u32::try_from(new).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(new).min(self.most);
        let full = self.left == self.most;
        self.filled = Some(if full { now } else { filled.plus(self.refill.saturating_mul(new)) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_taken_at_once_and_then_one_by_one() {
        let (refill, gap) = (Duration::from_secs(5), Duration::from_secs(1));
        let mut bucket = TokenBucket::full(3, refill, gap);
        let at = |millis: i64| UnixTime::from_millis(1_000_000 + millis);
        let mut taken = Vec::new();
        for millis in (0..60_000).step_by(100) {
            if bucket.take(at(millis)) {
                taken.push(millis);
            }
        }
        assert_eq!(taken[..5], [0, 1000, 2000, 5000, 10_000]);
        assert_eq!(taken.len(), 14, "3 at once and one every 5 s: {taken:?}");
        // P82: the clock goes back a day.
        assert!(!bucket.take(at(-86_400_000)), "nothing is won by it");
        assert!(bucket.take(at(-86_395_000)), "nor lost for long");
    }
}
