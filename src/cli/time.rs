//! Times and durations, as people read and write them.

use std::time::Duration;

use crate::clock::UnixTime;

/// Reads RFC 3339 or seconds since the epoch.
pub(super) fn parse(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixTime::from_secs(seconds));
    }
    UnixTime::from_rfc3339(text).ok_or_else(|| {
        String::from("expected a time such as `2026-11-22T03:00:00Z`, or seconds since 1970")
    })
}

/// A length of time in its two largest units: `11h 58m`.
pub(super) fn lasting(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut parts = Vec::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        let count = rest.checked_div(seconds).unwrap_or(0);
        rest = rest.checked_rem(seconds).unwrap_or(0);
        if count > 0 || !parts.is_empty() {
            parts.push(format!("{count}{unit}"));
        }
    }
    parts.truncate(2);
    if parts.is_empty() { String::from("0s") } else { parts.join(" ") }
}

/// `in 5m 0s`, `5m 0s ago`, or `now`.
pub(super) fn relative(at: UnixTime, now: UnixTime) -> String {
    if at.as_secs() == now.as_secs() {
        String::from("now")
    } else if at > now {
        format!("in {}", lasting(at.since(now)))
    } else {
        format!("{} ago", lasting(now.since(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rfc_3339_or_seconds() {
        let at = UnixTime::from_secs(1_800_000_000);
        for text in ["1800000000", "2027-01-15T08:00:00Z", "2027-01-15T09:00:00+01:00"] {
            assert_eq!(parse(text), Ok(at), "{text}");
        }
        for text in ["", "yesterday", "2027-01-15", "1.5", "99999999999999999999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_have_two_units() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m 0s"), (43_199, "11h 59m"), (90_061, "1d 1h")]
        {
            assert_eq!(lasting(Duration::from_secs(seconds)), text);
        }
        let now = UnixTime::from_secs(1000);
        assert_eq!(relative(now, now), "now");
        assert_eq!(relative(UnixTime::from_secs(1065), now), "in 1m 5s");
        assert_eq!(relative(UnixTime::from_secs(940), now), "1m 0s ago");
    }
}
