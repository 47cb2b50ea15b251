//! A part of a running server, which reports itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::ComponentHealth;
use crate::clock::UnixTime;
use crate::document::HumanDuration;
use crate::telemetry::Measurement;

/// A part of a running server. All that operators see of it, it says itself.
pub(super) trait Component: Send + Sync {
    /// Its lines of `/readyz?verbose`.
    fn health(&self, _now: UnixTime) -> Vec<ComponentHealth> {
        Vec::new()
    }

    /// Its members of `/status`: names and ages, no key, no secret and no address beyond its origin.
    fn status(&self, _now: UnixTime) -> Value {
        json!({})
    }

    /// Its metrics: always of the same instruments.
    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        Vec::new()
    }
}

/// `3m ago`, to the second.
pub(super) fn ago(moment: UnixTime, now: UnixTime) -> String {
    format!("{} ago", whole_seconds(now.since(moment)))
}

/// `3m`, to the second.
pub(super) fn until(moment: UnixTime, now: UnixTime) -> String {
    whole_seconds(moment.since(now)).to_string()
}

fn whole_seconds(duration: Duration) -> HumanDuration {
    HumanDuration::new(Duration::from_secs(duration.as_secs()))
}

pub(super) fn count(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

pub(super) fn seconds(moment: Option<UnixTime>) -> Option<i64> {
    moment.map(UnixTime::as_secs)
}
