//! Waits for an answer, as protobuf's JSON, Istio and Kubernetes write them.

use super::filler::FILLER;
use crate::document::Node;

/// The programs that read a wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reader {
    /// Envoy: JSON of a protobuf duration, which counts in seconds.
    Envoy,
    /// Istio, and the Gateway API: durations of Go.
    ControlPlane,
}

/// A fault of a wait, in words.
#[derive(Debug)]
pub(super) enum WaitFault {
    /// The wait is long.
    Long(String),
    /// Nothing can read it.
    Unreadable(String),
}

/// Longest wait for an answer that is no fault.
const LONGEST_SECONDS: f64 = 5.0;

/// The fault of the wait at `node`, if it has one.
pub(super) fn fault(node: &Node, reader: Reader) -> Option<WaitFault> {
    let Some(text) = node.text() else {
        let form = "a wait is a text with a unit, as in `0.25s`";
        return Some(WaitFault::Unreadable(String::from(form)));
    };
    if text.contains(FILLER) {
        return None;
    }
    let seconds = match reader {
        Reader::Envoy => text.strip_suffix('s').and_then(|number| number.parse().ok()),
        Reader::ControlPlane => of_go(text),
    };
    match seconds {
        // Zero is no limit.
        Some(0.0) => Some(WaitFault::Long(String::from("without an end"))),
        Some(seconds) if seconds > LONGEST_SECONDS => Some(WaitFault::Long(format!("for {text}"))),
        Some(seconds) if seconds > 0.0 => None,
        Some(_) | None => {
            let message = format!("`{text}` is no wait: write a number with a unit, as in `0.25s`");
            Some(WaitFault::Unreadable(message))
        }
    }
}

/// The seconds of numbers with units, as in `1m30s`.
fn of_go(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, left) = after.split_at_checked(end)?;
        let factor = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = left;
    }
    (!text.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go_are_sums() {
        for (text, seconds) in [
            ("250ms", Some(0.25)),
            ("1m30s", Some(90.0)),
            ("0.25s", Some(0.25)),
            ("1h", Some(3600.0)),
            ("0", Some(0.0)),
            ("5", None),
            ("", None),
            ("s", None),
            ("1.2.3s", None),
            ("-1s", None),
            ("inf", None),
            ("1 s", None),
        ] {
            assert_eq!(of_go(text), seconds, "{text}");
        }
    }
}
