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
mod wire_form;
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
