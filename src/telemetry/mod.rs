//! What the service says about itself.

mod log;

pub use log::{LogFormat, LogOptions, init};
