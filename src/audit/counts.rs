//! Counts of records, by sink.

use std::sync::atomic::AtomicU64;

/// How a sink is doing.
#[derive(Debug, Default)]
pub struct AuditCounts {
    /// Records that wait for the writer, those that it is writing included.
    pub waiting: AtomicU64,
    /// Records that the sink has taken.
    pub written: AtomicU64,
    /// Allows that are not recorded because of sampling.
    pub unsampled: AtomicU64,
    /// Records that were lost: too many were waiting, or the sink did not take them.
    pub dropped: AtomicU64,
    /// Writes that failed, each with at least one record.
    pub failed: AtomicU64,
}
