//! Records on their way to the collector.

use std::io;
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::Value;

use super::error::StartError;
use crate::audit::{AuditLog, AuditOptions, DecisionRecord, Record, Sink};
use crate::clock::UnixTime;
use crate::config::Config;
use crate::telemetry::{Exports, LogEntry, LogSender};

/// The collector as a sink of records.
#[derive(Debug)]
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
        let entries = records.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        self.0.send(entries.into_iter()).map_err(io::Error::other)
    }
}

fn entry(record: &Record) -> io::Result<LogEntry> {
    let body: Value = serde_json::from_slice(record.line())?;
    let own = DecisionRecord::deserialize(&body)?;
    Ok(LogEntry {
        time: UnixTime::from_rfc3339(&own.time).unwrap_or(UnixTime::from_secs(0)),
        is_denial: !record.allows(),
        trace_id: own.trace_id,
        attributes: vec![
            ("countersign.decision_id", own.decision_id),
            ("countersign.decision", own.decision),
            ("countersign.reason", own.reason),
            ("countersign.policy", own.policy),
            ("countersign.rule", own.rule),
        ],
        body,
    })
}
