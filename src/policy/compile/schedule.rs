//! When a rule counts: moments and windows from the texts of a document.

use jiff::tz::TimeZone;

use super::compiler::PolicyCompiler;
use crate::clock::UnixTime;
use crate::document::Code;
use crate::document::Spanned;
use crate::document::during::{DaySpec, DuringSpec, WindowSpec};
use crate::policy::model::{
    DAY, Schedule, Window, closest_zone, fixed_zone, offset_like, read_moment, read_zone,
};

impl PolicyCompiler<'_, '_> {
    pub(super) fn schedule(&mut self, spec: &Spanned<DuringSpec>) -> Schedule {
        let DuringSpec { from, until, weekly } = &spec.value;
        if from.is_none() && until.is_none() && weekly.is_none() {
            let help = "say `from`, `until` or `weekly`, or remove `during`";
            self.error_with(Code::EmptyList, spec, "`during` says no time", help);
        }
        let (begin, end) = (self.moment(from.as_ref()), self.moment(until.as_ref()));
        if let (Some(begin), Some(end), Some(until)) = (begin, end, until)
            && end <= begin
        {
            let message = "`until` is not after `from`, so the rule would never count";
            self.error_with(Code::InvalidTime, until, message, "swap the two, or move one of them");
        }
        let windows = weekly.as_ref().map(|windows| {
            self.not_empty(windows, "weekly");
            windows.value.iter().filter_map(|window| self.window(&window.value)).collect()
        });
        Schedule { from: begin, until: end, weekly: windows.unwrap_or_default() }
    }

    fn moment(&mut self, text: Option<&Spanned<String>>) -> Option<UnixTime> {
        let text = text?;
        let moment = read_moment(&text.value);
        if moment.is_none() {
            let help = "write a moment with its offset, as in `2026-01-31T12:00:00Z`";
            let message = format!("`{}` is not a date and time with an offset", text.value);
            self.error_with(Code::InvalidTime, text, message, help);
        }
        moment
    }

    fn window(&mut self, spec: &WindowSpec) -> Option<Window> {
        let WindowSpec { days, from, until, zone } = spec;
        if let Some(days) = days {
            self.not_empty(days, "days");
        }
        let begin = self.read(from, |text| read_time(text).filter(|from| *from < DAY), TIME);
        let end = self.read(until, read_time, TIME);
        let zone = self.zone(zone);
        let (begin, end, zone) = (begin?, end?, zone?);
        let until_midnight = i64::saturating_sub(DAY, begin);
        let minutes = match end > begin {
            true => end.saturating_sub(begin),
            false => until_midnight.saturating_add(end),
        };
        let on = |day| days.as_ref().is_none_or(|days| days.value.contains(&day));
        Some(Window { days: WEEK.map(on), from: begin, minutes, zone })
    }

    fn zone(&mut self, text: &Spanned<String>) -> Option<TimeZone> {
        let fixed = read_offset(&text.value).and_then(fixed_zone);
        let like = offset_like(&text.value);
        let zone = fixed.or_else(|| read_zone(&text.value)).filter(|_| like.is_none());
        if zone.is_none() {
            let message = match text.value.starts_with("Etc/") && like.is_some() {
                true => format!("`{}` has the sign of POSIX, which is the other one", text.value),
                false => format!("`{}` is not a time zone", text.value),
            };
            let help = match like.or_else(|| closest_zone(&text.value)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => String::from(
                    "write a zone such as `Europe/Berlin`, `UTC`, or an offset such as `+01:00`",
                ),
            };
            self.error_with(Code::InvalidTime, text, message, help);
        }
        zone
    }

    fn read(
        &mut self,
        text: &Spanned<String>,
        read: impl Fn(&str) -> Option<i64>,
        (what, help): (&str, &str),
    ) -> Option<i64> {
        let value = read(&text.value);
        if value.is_none() {
            let message = format!("`{}` is not {what}", text.value);
            self.error_with(Code::InvalidTime, text, message, help);
        }
        value
    }
}

const TIME: (&str, &str) =
    ("a time of the day", "write it as in `08:00`, from `00:00` to `24:00`, in quotes");

const WEEK: [DaySpec; 7] = [
    DaySpec::Mon,
    DaySpec::Tue,
    DaySpec::Wed,
    DaySpec::Thu,
    DaySpec::Fri,
    DaySpec::Sat,
    DaySpec::Sun,
];

/// `08:30` in minutes.
fn read_time(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str, most: i64| {
        let plain = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|number: &i64| plain && *number <= most)
    };
    let time = number(hours, 24)?.saturating_mul(60).saturating_add(number(minutes, 59)?);
    Some(time).filter(|time| *time <= DAY)
}

/// `+01:00` in minutes. No zone of the world is more than 14 hours away.
fn read_offset(text: &str) -> Option<i64> {
    if text == "UTC" {
        return Some(0);
    }
    let ahead = text.strip_prefix('+').map(|rest| (1, rest));
    let (sign, rest) = ahead.or_else(|| text.strip_prefix('-').map(|rest| (-1, rest)))?;
    read_time(rest).filter(|offset| *offset <= 14 * 60).map(|offset| offset.saturating_mul(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_offsets_are_read_strictly() {
        for (text, expected) in [
            ("00:00", Some(0)),
            ("08:30", Some(510)),
            ("24:00", Some(1440)),
            ("24:01", None),
            ("8:30", None),
            ("08:60", None),
            ("+8:30", None),
            ("0830", None),
            ("", None),
        ] {
            assert_eq!(read_time(text), expected, "{text}");
        }
        for (text, expected) in [
            ("UTC", Some(0)),
            ("+01:00", Some(60)),
            ("-09:30", Some(-570)),
            ("+14:00", Some(840)),
            ("+14:01", None),
            ("01:00", None),
            ("Europe/Berlin", None),
            ("utc", None),
        ] {
            assert_eq!(read_offset(text), expected, "{text}");
        }
    }
}
