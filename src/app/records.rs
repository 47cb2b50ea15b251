//! Records on their way to the collector.

use std::io;
use std::sync::Arc;

use super::StartError;
use crate::audit::{AuditLog, AuditOptions, DecisionRecord, Sink};
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
    fn take(&mut self, records: &[Arc<DecisionRecord>]) -> io::Result<()> {
        let entries = records.iter().map(|record| entry(record));
        self.0.send(entries).map_err(io::Error::other)
    }
}

fn entry(record: &DecisionRecord) -> LogEntry {
    let own = |text: &String| text.clone();
    LogEntry {
        time: UnixTime::from_rfc3339(&record.time).unwrap_or(UnixTime::from_secs(0)),
        is_denial: record.decision != "allow",
        trace_id: own(&record.trace_id),
        attributes: vec![
            ("countersign.decision_id", own(&record.decision_id)),
            ("countersign.decision", own(&record.decision)),
            ("countersign.reason", own(&record.reason)),
            ("countersign.policy", own(&record.policy)),
            ("countersign.rule", own(&record.rule)),
        ],
        // A record is plain data: it always has a JSON form.
        body: serde_json::to_value(record).unwrap_or_default(),
    }
}
