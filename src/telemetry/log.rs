//! Logs on standard error: format, and a level that can be changed while the process runs.

use std::fmt::{Debug, Formatter};
use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, reload};

/// How logs are written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogOptions {
    /// For people or for machines.
    pub format: LogFormat,
    /// The least level that is written: `error`, `warn`, `info`, `debug`, `trace`, or several for parts of countersign such
    /// as `info,countersign::pdp=debug`.
    pub level: String,
}

/// For whom logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people: one readable line per event, coloured on a terminal.
    #[default]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// The level of a process that logs.
#[derive(Clone)]
pub struct LogLevel {
    text: Arc<Mutex<String>>,
    apply: Arc<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

// === impl LogOptions ===

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

// === impl LogLevel ===

impl LogLevel {
    /// What it is.
    #[must_use]
    pub fn get(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it.
    ///
    /// # Errors
    /// What is wrong with `level`.
    pub fn set(&self, level: &str) -> Result<(), String> {
        let filter = filter(level)?;
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        (self.apply)(filter)?;
        level.clone_into(&mut text);
        Ok(())
    }
}

impl Debug for LogLevel {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogLevel").field(&self.get()).finish()
    }
}

/// Starts logging for the whole process, and gives what its level is changed by. Later calls change nothing.
///
/// # Errors
/// A message where the level is not one.
pub fn init(options: &LogOptions) -> Result<LogLevel, String> {
    let (filter, handle) = reload::Layer::new(filter(&options.level)?);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match options.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // A second subscriber in one process (in tests) leaves the first in place.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    let apply = move |filter| handle.reload(filter).map_err(|error| error.to_string());
    Ok(LogLevel { text: Arc::new(Mutex::new(options.level.clone())), apply: Arc::new(apply) })
}

/// The filter that `text` asks for.
///
/// Only what countersign itself says can be turned up: libraries write what they send and receive at their lower levels,
/// secrets included (P80), and are never asked for more than `info`.
fn filter(text: &str) -> Result<EnvFilter, String> {
    let mut directives = Vec::new();
    for item in text.split(',').map(str::trim) {
        match item.split_once('=') {
            None if LEVELS.contains(&item) => {
                let others = if ["debug", "trace"].contains(&item) { "info" } else { item };
                directives.push(format!("{others},countersign={item}"));
            }
            Some((target, level)) if is_ours(target) && LEVELS.contains(&level) => {
                directives.push(format!("{target}={level}"));
            }
            _ => return Err(refusal(item)),
        }
    }
    EnvFilter::builder().parse(directives.join(",")).map_err(|_| refusal(text))
}

fn is_ours(target: &str) -> bool {
    let mut parts = target.split("::");
    let word =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    parts.next() == Some("countersign") && parts.all(word)
}

fn refusal(item: &str) -> String {
    let shown: String = item.chars().filter(|c| !c.is_control()).take(40).collect();
    let levels = LEVELS.join("`, `");
    format!(
        "`{shown}` is not a log level, expected `{levels}`, or one for a part of countersign such as `countersign::pdp=debug`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_everything_else_is_refused() {
        for text in ["info", "trace", "info,countersign::pdp=debug", "warn, countersign=trace"] {
            assert!(filter(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "loud",
            "INFO ",
            "info,",
            "info;debug",
            "=debug",
            "countersign=",
            "countersign=9",
            "countersign::=debug",
            "[span]=debug",
            "countersign[{field=1}]=debug",
            "countersign",
        ] {
            assert!(filter(text).is_err(), "{text}");
        }
    }

    /// P80: what libraries write at their lower levels holds secrets.
    #[test]
    fn libraries_are_never_turned_up() {
        for text in ["hyper=trace", "h2=debug", "countersigned=trace", "info,rustls=debug"] {
            assert!(filter(text).is_err(), "{text}");
        }
        let filter = filter("trace").unwrap().to_string();
        assert!(filter.contains("countersign=trace") && filter.contains("info"), "{filter}");
        assert!(!filter.replace("countersign=trace", "").contains("trace"), "{filter}");
    }

    #[test]
    fn a_refusal_shows_no_control_characters_and_no_flood() {
        let refusal = refusal(&format!("\u{1b}[31m{}", "x".repeat(1000)));
        assert!(refusal.len() < 300 && !refusal.contains('\u{1b}'), "{refusal}");
    }
}
