//! Output of the commands: errors in one form everywhere, colour only on a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::document::Diagnostic;
use crate::json::{is_shown, write_escape};

pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const HEADING: Style = Style::new().bold();
pub(super) const QUIET: Style = Style::new().dimmed();

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// Text.
    #[default]
    Human,
    /// JSON, for programs.
    Json,
}

impl Output {
    /// Writes `report` to standard output: as JSON, or by `human`.
    pub(super) fn write<R: Serialize>(
        self,
        report: &R,
        human: impl FnOnce(&R, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Self::Human => human(report, &mut anstream::stdout().lock()),
            Self::Json => json(report, &mut io::stdout().lock()),
        }
    }
}

/// A number and its noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Prints `error: message` on standard error.
pub(super) fn error(message: impl Display) {
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(anstream::stderr(), "{BAD}error{BAD:#}: {message}");
}

/// Prints a hint on standard error.
pub(super) fn hint(message: impl Display) {
    let _ = writeln!(anstream::stderr(), "{QUIET}{message}{QUIET:#}");
}

/// Prints problems as a compiler would on standard error.
pub(super) fn diagnostics(problems: &[Diagnostic]) {
    let colour = io::stderr().is_terminal();
    for problem in problems {
        let _ = writeln!(anstream::stderr(), "{}\n", problem.render(colour));
    }
}

/// Text from outside, for a terminal: characters that could move the cursor, colour, hide or reorder text are shown as
/// `\u{..}`.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            c if is_shown(c) => out.push(c),
            c if c.is_ascii() => out.extend(c.escape_debug()),
            other => out.extend(other.escape_unicode()),
        }
    }
    out
}

/// Writes `value` as JSON. The characters that [`visible`] escapes are escaped as JSON escapes them, so that programs read the
/// same text.
pub(super) fn json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    let mut escaped = Vec::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || is_shown(c) {
            escaped.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            write_escape(c, &mut escaped);
        }
    }
    escaped.push(b'\n');
    out.write_all(&escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_turns_text_round_is_shown_escaped() {
        for (text, shown) in [
            ("spiffe://a/b", "spiffe://a/b"),
            ("CN=\"Zoë\\, Ltd\"", "CN=\"Zoë\\, Ltd\""),
            ("a\u{1b}[2Jb\r\n\0", "a\\u{1b}[2Jb\\r\\n\\0"),
            ("a\u{9b}b\u{7f}", "a\\u{9b}b\\u{7f}"),
            ("\u{202e}gpj.exe\u{200b}", "\\u{202e}gpj.exe\\u{200b}"),
        ] {
            assert_eq!(visible(text), shown);
        }
        let hostile = "\u{1b}\u{9b}\u{202e}\u{e0001}é\n";
        let mut out = Vec::new();
        json(&hostile, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.trim_end().chars().all(|c| c == 'é' || c.is_ascii_graphic()), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), hostile);
    }
}
