//! Logs on standard error: format, and a level that can be changed while the process runs.

use std::fmt::{Debug, Formatter};
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, reload};

use super::panics;
use crate::json::{is_shown, write_escape};
use crate::sync::lock;

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

/// The format of logs.
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

/// Writes lines in which everything can be seen. A line may hold what a caller wrote.
struct Visible<W> {
    out: W,
    format: LogFormat,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

impl LogLevel {
    /// The current level.
    pub fn get(&self) -> String {
        lock(&self.text).clone()
    }

    /// Changes it.
    ///
    /// # Errors
    /// A message that says what is wrong with `level`.
    pub fn set(&self, level: &str) -> Result<(), String> {
        let filter = filter(level)?;
        let mut text = lock(&self.text);
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

impl<W: Write> Visible<W> {
    /// `line` with what cannot be seen as an escape. Colours are left: tracing itself escapes those in what is logged.
    fn shown(&self, line: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(line.len());
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            let ends = c == '\n' && chars.peek().is_none();
            if ends || c == '\u{1b}' || is_shown(c) {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            } else if self.format == LogFormat::Json {
                // JSON has them in texts only, where an escape is as good.
                write_escape(c, &mut out);
            } else {
                out.extend_from_slice(c.escape_default().to_string().as_bytes());
            }
        }
        out
    }
}

impl<W: Write> Write for Visible<W> {
    /// Takes a whole line, as tracing writes each event.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let plain = |byte: &u8| matches!(byte, b' '..=b'~');
        match line.split_last() {
            Some((b'\n', rest)) if rest.iter().all(plain) => self.out.write_all(line)?,
            _ => self.out.write_all(&self.shown(&String::from_utf8_lossy(line)))?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Starts logging for the whole process, and gives what its level is changed by. Later calls change nothing.
///
/// # Errors
/// A message where the level is not one.
pub fn init(options: &LogOptions) -> Result<LogLevel, String> {
    let (filter, handle) = reload::Layer::new(filter(&options.level)?);
    let format = options.format;
    let lines = fmt::layer().with_writer(move || Visible { out: io::stderr(), format });
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // A second subscriber in one process (in tests) leaves the first in place.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
    panics::watch();
    let apply = move |filter| handle.reload(filter).map_err(|error| error.to_string());
    Ok(LogLevel { text: Arc::new(Mutex::new(options.level.clone())), apply: Arc::new(apply) })
}

impl LogOptions {
    /// True if the settings can be used.
    ///
    /// # Errors
    /// The setting that cannot.
    pub fn check(&self) -> Result<(), String> {
        filter(&self.level).map(drop).map_err(|why| format!("`log.level`: {why}"))
    }
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

    /// P168: what a caller wrote breaks no line and turns no text round.
    #[test]
    fn everything_in_a_line_can_be_seen() {
        let written = |format, line: &str| {
            let mut visible = Visible { out: Vec::new(), format };
            visible.write_all(line.as_bytes()).unwrap();
            String::from_utf8(visible.out).unwrap()
        };
        let hostile = "a\u{9b}b\u{202e}c\u{2028}d\u{7f}é\u{e0001}";
        let json = format!("{{\"a\":\"{hostile}\"}}\n");
        let line = written(LogFormat::Json, &json);
        assert!(line.trim_end().chars().all(is_shown), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["a"], hostile);
        assert_eq!(
            written(LogFormat::Text, "\u{1b}[32mINFO\u{1b}[0m a\u{202e}b\nERROR forged\r\n"),
            "\u{1b}[32mINFO\u{1b}[0m a\\u{202e}b\\nERROR forged\\r\n"
        );
        assert_eq!(written(LogFormat::Text, "plain\n"), "plain\n");
    }
}
