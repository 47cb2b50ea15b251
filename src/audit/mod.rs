//! The audit record: one per decision, written off the hot path to where operators want it.

mod counts;
#[cfg(test)]
mod example;
mod fields;
mod file;
mod json;
mod log;
mod options;
mod record;
mod sink;
mod writer;

pub use counts::AuditCounts;
pub use file::Rotation;
pub use log::AuditLog;
pub use options::{AuditOptions, AuditSettings, AuditTarget, Nothing, OnFull};
pub use record::{DecisionRecord, Record, RecordOptions, RecordedClaims};
pub use sink::Sink;

/// Whether a field is omitted from the JSON form of a record. The generated code calls this.
pub(crate) fn is_empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
