//! Events beside decisions, in the same stream.

use super::json::Json;
use super::{AuditLog, Record};
use crate::clock::UnixTime;

/// Something odd that decisions show. Its fields are those of `Event` in `proto/countersign/v1/decision.proto`.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// When.
    pub at: UnixTime,
    /// The kind of signal.
    pub signal: &'a str,
    /// The identity, token or policy that it is about.
    pub about: &'a str,
    /// The observation.
    pub detail: &'a str,
    /// The decision that showed it.
    pub of_decision: &'a str,
}

impl AuditLog {
    /// Writes `event` where there is room for it.
    pub fn announce(&self, event: &Event<'_>) {
        let mut line = Json::object_of(256, |json| event.write(json));
        line.push(b'\n');
        self.offer(&Record::of_event(line, event.at));
    }
}

impl Event<'_> {
    pub(super) fn write(&self, json: &mut Json) {
        json.text("event", "anomaly");
        json.text("time", &self.at.to_rfc3339());
        json.text("signal", self.signal);
        json.text("about", self.about);
        json.text("detail", self.detail);
        json.text("of_decision", self.of_decision);
    }
}
