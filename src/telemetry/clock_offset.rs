//! How far our clock is from the proxies' (P82): tokens and certificates are judged by ours, and a clock that is wrong
//! refuses good ones or takes expired ones.

use std::sync::Mutex;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::pdp::{Observer, Outcome};
use crate::request::RequestView;
use crate::sync::lock;

/// The least and the most that our clock was ahead of a proxy's within the last minute or two.
#[derive(Debug, Default)]
pub struct ClockOffset(Mutex<Windows>);

#[derive(Debug, Default)]
struct Windows {
    current: Option<OffsetWindow>,
    previous: Option<OffsetWindow>,
}

#[derive(Clone, Copy, Debug)]
struct OffsetWindow {
    since: UnixTime,
    /// Milliseconds.
    least: i64,
    most: i64,
}

const WINDOW: Duration = Duration::from_mins(1);

impl ClockOffset {
    /// Seconds by bound; none where no proxy has sent its time for a while.
    pub fn bounds(&self, now: UnixTime) -> Vec<(String, f64)> {
        let mut windows = lock(&self.0);
        windows.turn(now);
        let Windows { current, previous } = *windows;
        let both = [current, previous];
        let (least, most) = (
            both.iter().flatten().map(|window| window.least).min(),
            both.iter().flatten().map(|window| window.most).max(),
        );
        let shown = [("least", least), ("most", most)].into_iter();
        shown.filter_map(|(bound, millis)| Some((bound.to_owned(), seconds(millis?)))).collect()
    }

    fn note(&self, ours: UnixTime, theirs: UnixTime) {
        // One of many: no check waits for the lock.
        let Ok(mut windows) = self.0.try_lock() else { return };
        windows.turn(ours);
        let offset = ours.as_millis().saturating_sub(theirs.as_millis());
        let OffsetWindow { since, least, most } =
            windows.current.unwrap_or(OffsetWindow { since: ours, least: offset, most: offset });
        windows.current =
            Some(OffsetWindow { since, least: least.min(offset), most: most.max(offset) });
    }
}

impl Observer for ClockOffset {
    fn observe(&self, view: &RequestView, outcome: &Outcome) {
        if let Some(theirs) = view.sent_at {
            self.note(outcome.arrived(), theirs);
        }
    }
}

impl Windows {
    /// Begins a new window where the current one is over, or lies in a future that a clock has gone back from.
    fn turn(&mut self, now: UnixTime) {
        let Some(current) = self.current else { return };
        if now.since(current.since) < WINDOW && now >= current.since {
            return;
        }
        let follows = now.since(current.since) < WINDOW * 2 && now >= current.since;
        *self = Self { previous: follows.then_some(current), current: None };
    }
}

/// Whole milliseconds as seconds; beyond three weeks it does not matter by how much.
fn seconds(millis: i64) -> f64 {
    let bounded = i32::try_from(millis).unwrap_or(if millis < 0 { i32::MIN } else { i32::MAX });
    f64::from(bounded) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn shown(least: f64, most: f64) -> Vec<(String, f64)> {
        vec![("least".to_owned(), least), ("most".to_owned(), most)]
    }

    /// P82: a proxy whose clock is ahead of ours, and one that is behind, are seen; and both are forgotten.
    #[test]
    fn clocks_that_differ_are_shown_until_they_do_not_any_more() {
        let offset = ClockOffset::default();
        assert_eq!(offset.bounds(NOW), []);
        offset.note(NOW, NOW.plus(Duration::from_millis(2500)));
        offset.note(NOW, NOW.minus(Duration::from_secs(40)));
        assert_eq!(offset.bounds(NOW), shown(-2.5, 40.0));
        let later = NOW.plus(Duration::from_secs(70));
        offset.note(later, later.minus(Duration::from_millis(3)));
        assert_eq!(offset.bounds(later), shown(-2.5, 40.0));
        let much_later = NOW.plus(Duration::from_secs(131));
        offset.note(much_later, much_later.minus(Duration::from_millis(4)));
        assert_eq!(offset.bounds(much_later), shown(0.003, 0.004));
        assert_eq!(offset.bounds(much_later.plus(Duration::from_mins(5))), []);
    }

    /// P82: our own clock jumping back neither stops the windows nor overflows.
    #[test]
    fn a_clock_that_goes_back_starts_over() {
        let offset = ClockOffset::default();
        offset.note(NOW, NOW);
        let back = NOW.minus(Duration::from_hours(5));
        offset.note(back, NOW);
        assert_eq!(offset.bounds(back), shown(-18_000.0, -18_000.0));
        offset.note(UnixTime::from_millis(i64::MIN), UnixTime::from_millis(i64::MAX));
        let bounds = offset.bounds(UnixTime::from_millis(i64::MIN));
        assert!(bounds.iter().all(|(_, seconds)| *seconds < -2_000_000.0), "{bounds:?}");
    }
}
