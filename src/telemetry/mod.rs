//! What the service says about itself.

mod log;
mod metrics;
mod otlp;
mod trace;

pub use log::{LogFormat, LogLevel, LogOptions, init};
pub use metrics::Metrics;
pub use otlp::OtlpOptions;
pub use trace::Traces;
