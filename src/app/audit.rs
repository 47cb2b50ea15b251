//! Records on their way to the collector.

use std::io;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::StartError;
use crate::audit::{AuditLog, AuditOptions, Record, Sink};
use crate::config::Config;
use crate::telemetry::{Exports, LogEntry, LogSender};

/// The collector as a sink of records.
struct Collector(LogSender);

/// The audit log that the settings ask for, within a tokio runtime.
pub(super) fn start(
    config: &Config,
    exports: &Exports,
) -> Result<Option<Arc<AuditLog>>, StartError> {
    let Some(options) = &config.audit else { return Ok(None) };
    let collector = collector(config, options, exports)?;
    let log = AuditLog::start(options, collector).map_err(StartError::Audit)?;
    Ok(Some(Arc::new(log)))
}

fn collector(
    config: &Config,
    options: &AuditOptions,
    exports: &Exports,
) -> Result<Option<Box<dyn Sink>>, StartError> {
    let Some(otlp) = config.otlp.as_ref().filter(|_| options.to_collector()) else {
        return Ok(None);
    };
    let sender = LogSender::start(otlp, exports).map_err(StartError::Metrics)?;
    Ok(Some(Box::new(Collector(sender))))
}

impl Sink for Collector {
    fn take(&mut self, records: &[Record]) -> io::Result<()> {
        self.0.send(records.iter().filter_map(entry)).map_err(io::Error::other)
    }
}

fn entry(record: &Record) -> Option<LogEntry> {
    let body: Map<String, Value> = serde_json::from_slice(record.line()).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(LogEntry {
        time: record.at(),
        is_denial: !record.allows(),
        trace_id: text("trace_id"),
        attributes: vec![
            ("countersign.decision_id", text("decision_id")),
            ("countersign.decision", text("decision")),
            ("countersign.reason", text("reason")),
            ("countersign.policy", text("policy")),
            ("countersign.rule", text("rule")),
        ],
        body: Value::Object(body),
    })
}
