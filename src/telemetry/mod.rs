//! What the service says about itself.

mod log;
mod metrics;

pub use log::{LogFormat, LogOptions, init};
pub use metrics::Metrics;
