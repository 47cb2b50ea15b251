//! A denial of a source that has too many failed attempts.

use std::time::Duration;

use crate::reason::Reason;

/// A denial of a source that has too many failed attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttling {
    /// Who that is: a verified peer, a network, or both (`spiffe://.. at 203.0.113.7/32`).
    pub source: String,
    /// Why this attempt failed; none where nothing was verified.
    pub failed: Option<Reason>,
    /// When the next attempt will be answered as ever.
    pub retry_after: Duration,
    /// True if the caller gets 429; else it is shown to operators only.
    pub enforced: bool,
}

impl Throttling {
    /// For `retry-after` (RFC 9110 section 10.2.3): whole seconds, not before the time and at least one.
    pub fn seconds(&self) -> u64 {
        let nanos = self.retry_after.subsec_nanos();
        self.retry_after.as_secs().saturating_add(u64::from(nanos > 0)).max(1)
    }
}
