//! The sinks of the audit log.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::admin::status::{SinkStatus, StatusPage};
use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::{Component, count};
use crate::audit::AuditCounts;
use crate::clock::UnixTime;
use crate::telemetry::{Measurement, instruments};

/// Each sink with its name.
pub(in crate::app) struct Audit(pub(in crate::app) Vec<(&'static str, Arc<AuditCounts>)>);

impl Component for Audit {
    fn health(&self, _now: UnixTime) -> Vec<ComponentHealth> {
        self.0.iter().map(|(sink, counts)| health(sink, counts)).collect()
    }

    fn show(&self, _now: UnixTime, page: &mut StatusPage) {
        let sinks = self.0.iter().map(|(sink, counts)| {
            let status = SinkStatus {
                waiting: count(&counts.waiting),
                waiting_bytes: count(&counts.waiting_bytes),
                written: count(&counts.written),
                unsampled: count(&counts.unsampled),
                dropped: count(&counts.dropped),
                failed_writes: count(&counts.failed),
            };
            ((*sink).to_owned(), status)
        });
        page.audit = sinks.collect();
    }

    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let of = |read: fn(&AuditCounts) -> &AtomicU64| {
            self.0.iter().map(move |(sink, counts)| ((*sink).to_owned(), count(read(counts))))
        };
        vec![
            instruments::AUDIT_WRITTEN.shows_each(of(|counts| &counts.written)),
            instruments::AUDIT_DROPPED.shows_each(of(|counts| &counts.dropped)),
            instruments::AUDIT_UNSAMPLED.shows_each(of(|counts| &counts.unsampled)),
            instruments::AUDIT_WAITING.shows_each(of(|counts| &counts.waiting)),
            instruments::AUDIT_WAITING_BYTES.shows_each(of(|counts| &counts.waiting_bytes)),
            instruments::AUDIT_WRITES_FAILED.shows_each(of(|counts| &counts.failed)),
        ]
    }
}

fn health(sink: &str, counts: &AuditCounts) -> ComponentHealth {
    let AuditCounts { waiting, dropped, failed, .. } = counts;
    let (waiting, dropped, failed) = (count(waiting), count(dropped), count(failed));
    let condition =
        if dropped == 0 && failed == 0 { HealthState::Good } else { HealthState::Degraded };
    let detail = format!("{waiting} records waiting, {dropped} dropped, {failed} writes failed");
    ComponentHealth::new(format!("audit log to {sink}"), condition, detail)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn a_sink_that_loses_records_is_degraded_and_not_unready() {
        let counts = AuditCounts::default();
        assert_eq!(health("file", &counts).condition, HealthState::Good);
        counts.dropped.store(1, Ordering::Relaxed);
        assert_eq!(health("file", &counts).condition, HealthState::Degraded);
    }
}
