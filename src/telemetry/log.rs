//! Logs on standard error: format and level.

use std::io::{self, IsTerminal as _};

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// How logs are written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogOptions {
    /// For people or for machines.
    pub format: LogFormat,
    /// The least level that is written: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as
    /// `info,countersign::pdp=debug`.
    pub level: String,
}

/// For whom logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people: one readable line per event, coloured on a terminal.
    #[default]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

// === impl LogOptions ===

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

/// Starts logging for the whole process. Later calls change nothing.
///
/// # Errors
/// A message where the level is not a filter.
pub fn init(options: &LogOptions) -> Result<(), String> {
    let filter = EnvFilter::builder().parse(&options.level).map_err(|_| {
        format!(
            "`{}` is not a log level, expected one of `error`, `warn`, `info`, `debug`, `trace`",
            options.level
        )
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second subscriber in one process (in tests) leaves the first in place.
    let _ = match options.format {
        LogFormat::Text => {
            builder.with_ansi(io::stderr().is_terminal()).with_target(false).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
