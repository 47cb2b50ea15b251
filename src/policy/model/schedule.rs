//! When a rule counts: from a moment, until a moment, in windows of every week by the wall clock of a time zone.
//!
//! The time is an argument of every decision, so that whether a rule counts is always known: it holds or it does not.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::clock::UnixTime;
use crate::document::closest;

/// The minutes of a day.
pub(in crate::policy) const DAY: i64 = 24 * 60;
const WEEK: i64 = 7 * DAY;

/// 1970-01-01 was a Thursday: the third day after a Monday.
const EPOCH_DAY: i64 = 3;

/// When a rule counts. Everything that is there must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::policy) struct Schedule {
    /// The first moment.
    pub(in crate::policy) from: Option<UnixTime>,
    /// The first moment after it.
    pub(in crate::policy) until: Option<UnixTime>,
    /// Windows, one of which must include the moment; empty for every moment.
    pub(in crate::policy) weekly: Box<[Window]>,
}

/// A window of every week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Window {
    /// The days on which it begins, Monday first.
    pub(in crate::policy) days: [bool; 7],
    /// When it begins, in minutes after midnight.
    pub(in crate::policy) from: i64,
    /// How many minutes it lasts; at most a day.
    pub(in crate::policy) minutes: i64,
    /// The time zone of its clock.
    pub(in crate::policy) zone: TimeZone,
}

impl Schedule {
    /// True if `now` is in it.
    pub(in crate::policy) fn includes(&self, now: UnixTime) -> bool {
        self.from.is_none_or(|from| from <= now)
            && self.until.is_none_or(|until| now < until)
            && (self.weekly.is_empty() || self.weekly.iter().any(|window| window.includes(now)))
    }
}

impl Window {
    /// True if `now` is in it by the wall clock of its zone, on whichever day it began. A window in an hour that the clock skips
    /// does not count on that day; in an hour that the clock repeats it counts twice.
    fn includes(&self, now: UnixTime) -> bool {
        let ahead = self.zone.to_offset(timestamp(now)).seconds();
        let minutes = now.as_secs().saturating_add(ahead.into()).div_euclid(60);
        let in_week = minutes.saturating_add(EPOCH_DAY.saturating_mul(DAY)).rem_euclid(WEEK);
        let begins = self.days.iter().zip(0i64..).filter(|(counts, _)| **counts);
        begins
            .map(|(_, day)| day.saturating_mul(DAY).saturating_add(self.from))
            .any(|begin| in_week.saturating_sub(begin).rem_euclid(WEEK) < self.minutes)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.from.map(|from| format!("from {}", from.to_rfc3339())));
        parts.extend(self.until.map(|until| format!("before {}", until.to_rfc3339())));
        let windows: Vec<_> = self.weekly.iter().map(ToString::to_string).collect();
        if !windows.is_empty() {
            parts.push(format!("on {}", windows.join(" or ")));
        }
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let days = names.into_iter().zip(self.days).filter(|(_, counts)| *counts);
        let days: Vec<_> = days.map(|(name, _)| name).collect();
        let until = self.from.saturating_add(self.minutes);
        let (from, until, zone) = (clock(self.from), clock(until), zone_name(&self.zone));
        write!(f, "{} {from}-{until} ({zone})", days.join(" "))
    }
}

/// Minutes after midnight as `08:30`, of the day before where they are more than a day.
fn clock(minutes: i64) -> String {
    let minutes = if minutes > DAY { minutes.saturating_sub(DAY) } else { minutes };
    format!("{:02}:{:02}", minutes.div_euclid(60), minutes.rem_euclid(60))
}

fn timestamp(at: UnixTime) -> Timestamp {
    let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(at.as_secs().clamp(first, last)).unwrap_or_default()
}

/// `Europe/Berlin`, or `+01:00`.
fn zone_name(zone: &TimeZone) -> String {
    if let Some(name) = zone.iana_name() {
        return name.to_owned();
    }
    let ahead = i64::from(zone.to_offset(Timestamp::UNIX_EPOCH).seconds());
    let sign = if ahead < 0 { '-' } else { '+' };
    format!("{sign}{}", clock(ahead.abs().div_euclid(60)))
}

/// The time zone called `name` in the IANA database that is built in, spelled exactly.
pub(in crate::policy) fn read_zone(name: &str) -> Option<TimeZone> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    // `Factory` is what a machine has that was never set.
    (zone.iana_name() == Some(name) && name != "Factory").then_some(zone)
}

/// The offset that `name` looks like, or is by another sign than it looks like: of the zones `Etc/GMT+5` and the like the sign is that
/// of POSIX, 5 hours behind UTC.
pub(in crate::policy) fn offset_like(name: &str) -> Option<String> {
    let turned = name.starts_with("Etc/");
    let bare = name.strip_prefix("Etc/").unwrap_or(name);
    let rest = bare.strip_prefix("GMT").or_else(|| bare.strip_prefix("UTC"))?;
    let (sign, hours) = rest.split_at_checked(1).filter(|(sign, _)| matches!(*sign, "+" | "-"))?;
    let sign = if (sign == "+") == turned { '-' } else { '+' };
    let (hours, minutes) = hours.split_once(':').unwrap_or((hours, "00"));
    let hours: u8 = hours.parse().ok().filter(|hours| *hours > 0)?;
    Some(format!("{sign}{hours:02}:{minutes}"))
}

/// The name of a time zone that looks like `text`.
pub(in crate::policy) fn closest_zone(text: &str) -> Option<String> {
    let names: Vec<_> =
        TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
    // Nothing is close to an abbreviation such as `CEST`.
    let long = |name: &&str| text.len() > 4 && name.len() > 4 && *name != "Factory";
    let names: Vec<&str> = names.iter().map(String::as_str).filter(long).collect();
    closest(text, &names).map(str::to_owned)
}

/// A zone that is always this many minutes ahead of UTC.
pub(in crate::policy) fn fixed_zone(minutes: i64) -> Option<TimeZone> {
    let seconds = i32::try_from(minutes.checked_mul(60)?).ok()?;
    Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?))
}

/// A moment with its offset, as `2026-01-31T12:00:00Z`.
pub(in crate::policy) fn read_moment(text: &str) -> Option<UnixTime> {
    UnixTime::from_rfc3339(text).map(|moment| UnixTime::from_secs(moment.as_secs()))
}

/// A day as `2026-01-31`: its first moment in UTC.
pub(in crate::policy) fn read_day(text: &str) -> Option<UnixTime> {
    let mut parts = text.splitn(3, '-');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let date =
        Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    let midnight = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    Some(UnixTime::from_secs(midnight.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixTime {
        UnixTime::from_rfc3339(text).unwrap()
    }

    fn window(days: [bool; 7], from: i64, minutes: i64, offset: i64) -> Schedule {
        let zone = fixed_zone(offset).unwrap();
        let weekly = [Window { days, from, minutes, zone }].into();
        Schedule { weekly, ..Schedule::default() }
    }

    const WORK: [bool; 7] = [true, true, true, true, true, false, false];

    #[test]
    fn the_first_moment_counts_and_the_last_does_not() {
        let schedule = Schedule {
            from: Some(at("2026-01-01T00:00:00Z")),
            until: Some(at("2026-02-01T00:00:00+01:00")),
            ..Schedule::default()
        };
        for (moment, holds) in [
            ("2025-12-31T23:59:59.999Z", false),
            ("2026-01-01T00:00:00Z", true),
            ("2026-01-31T22:59:59.999Z", true),
            ("2026-01-31T23:00:00Z", false),
        ] {
            assert_eq!(schedule.includes(at(moment)), holds, "{moment}");
        }
        assert!(Schedule::default().includes(at("1969-01-01T00:00:00Z")));
    }

    #[test]
    fn a_window_is_by_its_own_clock() {
        // Monday to Friday from 08:00 to 18:00, an hour ahead of UTC. 2026-01-05 is a Monday.
        let office = window(WORK, 8 * 60, 10 * 60, 60);
        for (moment, holds) in [
            ("2026-01-05T07:59:59.999+01:00", false),
            ("2026-01-05T08:00:00+01:00", true),
            ("2026-01-05T07:00:00Z", true),
            ("2026-01-05T17:59:59.999+01:00", true),
            ("2026-01-05T18:00:00+01:00", false),
            ("2026-01-09T12:00:00+01:00", true),
            ("2026-01-10T12:00:00+01:00", false),
            ("2026-01-11T12:00:00+01:00", false),
            ("1969-12-29T12:00:00+01:00", true),
        ] {
            assert_eq!(office.includes(at(moment)), holds, "{moment}");
        }
    }

    /// Berlin is two hours ahead of UTC from the last Sunday of March, 2026-03-29, to that of October, 2026-10-25.
    #[test]
    fn a_window_follows_daylight_saving() {
        let zone = read_zone("Europe/Berlin").unwrap();
        let window = |from, minutes| {
            let weekly = [Window { days: [true; 7], from, minutes, zone: zone.clone() }].into();
            Schedule { weekly, ..Schedule::default() }
        };
        let (morning, skipped) = (window(8 * 60, 60), window(2 * 60 + 30, 15));
        assert_eq!(
            morning.to_string(),
            "on mon tue wed thu fri sat sun 08:00-09:00 (Europe/Berlin)"
        );
        for (schedule, moment, holds) in [
            (&morning, "2026-03-28T07:00:00Z", true),
            (&morning, "2026-03-29T06:00:00Z", true),
            (&morning, "2026-03-29T07:00:00Z", false),
            (&morning, "2026-10-25T06:30:00Z", false),
            (&morning, "2026-10-25T07:30:00Z", true),
            (&skipped, "2026-03-28T01:30:00Z", true),
            (&skipped, "2026-03-29T00:30:00Z", false),
            (&skipped, "2026-03-29T01:30:00Z", false),
            (&skipped, "2026-10-25T00:30:00Z", true),
            (&skipped, "2026-10-25T01:30:00Z", true),
        ] {
            assert_eq!(schedule.includes(at(moment)), holds, "{moment}");
        }
        assert!(read_zone("europe/berlin").is_none() && read_zone("Europe/Bonn").is_none());
        assert_eq!(closest_zone("Europe/Berlim").as_deref(), Some("Europe/Berlin"));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        // Friday, and Sunday into Monday, from 22:00 to 06:00.
        let night = window([false, false, false, false, true, false, true], 22 * 60, 8 * 60, 0);
        for (moment, holds) in [
            ("2026-01-09T05:00:00Z", false),
            ("2026-01-09T22:00:00Z", true),
            ("2026-01-10T05:59:59Z", true),
            ("2026-01-10T06:00:00Z", false),
            ("2026-01-10T23:00:00Z", false),
            ("2026-01-11T23:00:00Z", true),
            ("2026-01-12T05:00:00Z", true),
            ("2026-01-12T06:00:00Z", false),
        ] {
            assert_eq!(night.includes(at(moment)), holds, "{moment}");
        }
        let whole_days = window(WORK, 0, DAY, 0);
        assert!(whole_days.includes(at("2026-01-09T23:59:59Z")));
        assert!(!whole_days.includes(at("2026-01-10T00:00:00Z")));
    }

    #[test]
    fn days_are_read_strictly() {
        assert_eq!(read_day("1970-01-02"), Some(UnixTime::from_secs(86_400)));
        for text in ["1970-1-2", "1970-02-30", "tomorrow", "1970-01-02T00:00:00Z", "", "-970-01-02"]
        {
            assert_eq!(read_day(text), None, "{text}");
        }
    }
}
