//! Durations as people write them: `30s`, `5m`, `25h`, `90d`, `1h30m`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A length of time written with units: `ms`, `s`, `m`, `h`, `d`, largest first. A bare number is refused: it does not say
/// seconds or minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(Duration);

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl HumanDuration {
    /// Wraps a duration.
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Rounded down to whole seconds and to its two largest units, for people.
    #[must_use]
    pub fn rounded(self) -> Self {
        let seconds = self.0.as_secs();
        let least = match seconds {
            86_400.. => 3_600,
            3_600.. => 60,
            _ => 1,
        };
        Self(Duration::from_secs(seconds.saturating_sub(seconds % least)))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut millis = 0u64;
        let mut smaller_than = u64::MAX;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0)?;
            let (number, tail) = rest.split_at_checked(digits)?;
            let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at_checked(unit_end)?;
            let (_, factor) =
                UNITS.iter().find(|(name, factor)| *name == unit && *factor < smaller_than)?;
            smaller_than = *factor;
            millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(*factor)?)?;
            rest = tail;
        }
        (smaller_than != u64::MAX).then(|| Self(Duration::from_millis(millis)))
    }
}

impl FromStr for HumanDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| String::from("expected a length of time such as `24h`"))
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

/// The text or number that stands where a length of time belongs. A number gets the same message.
struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = HumanDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number with a unit such as `30s`, `5m` or `1h30m`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<HumanDuration, E> {
        HumanDuration::parse(text).ok_or_else(|| no_duration(&text))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<HumanDuration, E> {
        Err(no_duration(&number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<HumanDuration, E> {
        Err(no_duration(&number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<HumanDuration, E> {
        Err(no_duration(&number))
    }

    fn visit_bool<E: Error>(self, word: bool) -> Result<HumanDuration, E> {
        Err(no_duration(&word))
    }
}

fn no_duration<E: Error>(found: &dyn fmt::Display) -> E {
    E::custom(format!(
        "`{found}` is not a duration, expected a number with a unit such as `30s`, `5m` or `1h30m`"
    ))
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Duration")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time with units, largest first: `ms`, `s`, `m`, `h`, `d`.",
            "type": "string",
            "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        })
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in UNITS.iter().rev() {
            let count = millis.checked_div(*factor).unwrap_or(0);
            if count > 0 {
                write!(f, "{count}{unit}")?;
                millis = millis.saturating_sub(count.saturating_mul(*factor));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_what_is_read() {
        for text in ["30s", "5m", "1h30m", "25h", "90d", "1d1h", "250ms", "1s500ms", "0s"] {
            let duration = HumanDuration::parse(text).unwrap();
            assert_eq!(HumanDuration::parse(&duration.to_string()), Some(duration), "{text}");
        }
        assert_eq!(HumanDuration::parse("1h30m").unwrap().get(), Duration::from_secs(5400));
    }

    #[test]
    fn lengths_for_people_have_two_units() {
        for (millis, text) in [
            (999, "0s"),
            (59_999, "59s"),
            (60_000, "1m"),
            (65_000, "1m5s"),
            (43_199_000, "11h59m"),
            (90_061_000, "1d1h"),
        ] {
            let duration = HumanDuration::new(Duration::from_millis(millis));
            assert_eq!(duration.rounded().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in [
            "",
            "30",
            "s",
            "30 s",
            "-1s",
            "1.5h",
            "30m1h",
            "1h1h",
            "1w",
            "99999999999999999999s",
            "300000000000d",
        ] {
            assert_eq!(HumanDuration::parse(text), None, "{text}");
        }
    }
}
