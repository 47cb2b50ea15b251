//! How long a check may take: our own limit, or what Envoy gives, whichever ends first.

use std::time::Duration;

use http::HeaderMap;

/// The part of Envoy's patience that is left for the way back, at least: a denial with a reason that arrives after Envoy
/// has given up is no better than none (P15).
const MARGIN: Duration = Duration::from_millis(5);

/// `own`, or less where the caller's `grpc-timeout` asks for it. A header that cannot be read counts as none.
pub(super) fn budget(own: Duration, headers: &HeaderMap) -> Duration {
    let theirs = headers.get("grpc-timeout").and_then(|value| parse(value.to_str().ok()?));
    match theirs {
        // A tenth, as the network is slow where patience is long.
        Some(theirs) => own.min(theirs.saturating_sub(MARGIN.max(theirs.mul_f64(0.1)))),
        None => own,
    }
}

/// `Timeout` of the gRPC protocol over HTTP/2: at most eight digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let digits =
        text.find(|c: char| !c.is_ascii_digit()).filter(|digits| (1..=8).contains(digits))?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_hours(number)),
        "M" => Some(Duration::from_mins(number)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P15: Istio gives ten minutes, Envoy by hand 200 ms, and a busy operator less than we would take.
    #[test]
    fn the_shorter_of_our_patience_and_theirs_counts() {
        const OWN: u64 = 150;
        for (timeout, millis) in [
            (None, OWN),
            (Some("600S"), OWN),
            (Some("10M"), OWN),
            (Some("200m"), OWN),
            (Some("100m"), 90),
            (Some("100000u"), 90),
            (Some("20m"), 15),
            (Some("4m"), 0),
            (Some("0m"), 0),
            (Some("99999999H"), OWN),
            // Not a timeout of the protocol.
            (Some("123456789S"), OWN),
            (Some("m"), OWN),
            (Some("10"), OWN),
            (Some("-1S"), OWN),
            (Some("1 S"), OWN),
            (Some(""), OWN),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(timeout.map(|value| {
                (http::HeaderName::from_static("grpc-timeout"), value.parse().unwrap())
            }));
            let budget = budget(Duration::from_millis(OWN), &headers);
            assert_eq!(budget, Duration::from_millis(millis), "{timeout:?}");
        }
    }
}
