//! What the service says about itself.

mod log;
mod metrics;

pub use log::{LogFormat, LogLevel, LogOptions, init};
pub use metrics::Metrics;
