//! The audit record: one per decision, written off the hot path to where operators want it.

mod event;
mod file;
mod json;
mod log;
mod options;
mod record;
mod room;
mod sink;
#[cfg(test)]
mod tests;
mod writer;

pub use event::Event;
pub use file::{Rotation, put_aside};
pub use log::AuditLog;
pub use options::{AuditOptions, AuditSettings, AuditTarget, Nothing, OnFull};
pub use record::{
    DecisionRecord, Record, RecordedClaims, RecordedEvent, RecordedPeer, RecordedToken,
};
pub use sink::Sink;
pub use writer::AuditCounts;

use serde::de::{Deserialize as _, Deserializer, Error as _};
use serde_json::Value;

/// Reads a number of 64 bits, which protobuf's own JSON form has as a text. The generated code calls this.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| D::Error::custom("expected a whole number"))
}

/// True if a field is omitted from the JSON form of a record. The generated code calls this.
pub(crate) fn is_empty<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
