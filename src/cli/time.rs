//! Times and durations, as people read and write them.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::document::HumanDuration;

/// Reads RFC 3339 or seconds since the epoch.
pub(super) fn parse(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixTime::from_secs(seconds));
    }
    UnixTime::from_rfc3339(text).ok_or_else(|| {
        String::from("expected a time such as `2026-11-22T03:00:00Z`, or seconds since 1970")
    })
}

/// A length of time in its two largest units: `11h58m`.
pub(super) fn lasting(duration: Duration) -> HumanDuration {
    HumanDuration::new(duration).rounded()
}

/// `in 5m`, `5m ago`, or `now`.
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
    fn moments_are_told_from_now() {
        let now = UnixTime::from_secs(1000);
        assert_eq!(relative(now, now), "now");
        assert_eq!(relative(UnixTime::from_secs(1065), now), "in 1m5s");
        assert_eq!(relative(UnixTime::from_secs(940), now), "1m ago");
    }
}
