//! The audit record: one line per decision, written off the hot path.

mod record;
mod sink;

pub use record::DecisionRecord;
pub use sink::{AuditCounts, AuditLog, AuditOptions, AuditSettings, AuditTarget, Stdout};

/// Whether a field of a record is left out of its JSON form; named by the generated code.
pub(crate) fn is_empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
