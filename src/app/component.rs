//! A part of a running server, which reports itself.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::admin::ComponentHealth;
use crate::admin::status::StatusPage;
use crate::clock::UnixTime;
use crate::document::HumanDuration;
use crate::telemetry::Measurement;

/// A part of a running server. All that operators see of it, it says itself.
pub(super) trait Component: Send + Sync {
    /// Its lines of `/readyz?verbose`.
    fn health(&self, _now: UnixTime) -> Vec<ComponentHealth> {
        Vec::new()
    }

    /// Fills its members of `/status`.
    fn show(&self, _now: UnixTime, _page: &mut StatusPage) {}

    /// Its metrics: always of the same instruments.
    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        Vec::new()
    }
}

/// `3m ago`.
pub(super) fn ago(moment: UnixTime, now: UnixTime) -> String {
    format!("{} ago", HumanDuration::new(now.since(moment)).rounded())
}

/// `3m`.
pub(super) fn until(moment: UnixTime, now: UnixTime) -> String {
    HumanDuration::new(moment.since(now)).rounded().to_string()
}

pub(super) fn count(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// A moment as `/status` shows it: RFC 3339.
pub(super) fn shown_at(moment: Option<UnixTime>) -> Option<String> {
    moment.map(UnixTime::to_rfc3339)
}
