//! Logs, metrics and traces.

mod anomalies;
mod callers;
mod clock_offset;
mod decisions;
mod exports;
pub mod instruments;
mod log;
mod logs;
mod measurement;
mod metrics;
mod otlp;
pub mod panics;
mod trace;

pub use anomalies::{Anomalies, Anomaly, AnomalyCounts, AnomalyOptions, Signal};
pub use callers::Callers;
pub use clock_offset::ClockOffset;
pub use decisions::DecisionLines;
pub use exports::{Export, Exports};
pub use log::{LogFormat, LogLevel, LogOptions, init};
pub use logs::{LogEntry, LogSender};
pub use measurement::{Measurement, Number, Sample};
pub use metrics::Metrics;
pub use otlp::OtlpOptions;
pub use trace::Traces;
