//! Output of the commands: errors in one form everywhere, colour only on a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::document::Diagnostic;
pub(super) use crate::json::visible;
use crate::json::write_visible;
use crate::secret::{HIDDEN, may_be_credential, without_tokens};

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
            Self::Human => human(report, &mut out()),
            Self::Json => json(report, &mut io::stdout().lock()),
        }
    }
}

/// Prints `error: message` on standard error.
pub(super) fn error(message: impl Display) {
    let text = message.to_string();
    let shown = without_tokens(&text);
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(err(), "{BAD}error{BAD:#}: {shown}");
    if shown != text {
        hint("a token is named by its file, or given on standard input with `-`");
    }
}

/// Prints `warning: message` on standard error.
pub(super) fn warning(message: impl Display) {
    let text = message.to_string();
    let _ = writeln!(err(), "{BAD}warning{BAD:#}: {}", without_tokens(&text));
}

/// Prints a message that is styled already on standard error, without those of the `values` in it that may be credentials.
pub(super) fn message(message: &clap::builder::StyledStr, values: &[&str]) {
    let text = message.ansi().to_string();
    let secret = values.iter().filter(|value| may_be_credential(value));
    let text = secret.fold(text, |text, value| text.replace(value, HIDDEN));
    let _ = write!(err(), "{}", without_tokens(&text));
}

/// Prints a hint on standard error.
pub(super) fn hint(message: impl Display) {
    let _ = writeln!(err(), "{QUIET}{message}{QUIET:#}");
}

/// Prints problems as a compiler would on standard error.
pub(super) fn diagnostics(problems: &[Diagnostic]) {
    let colour = io::stderr().is_terminal();
    for problem in problems {
        let _ = writeln!(err(), "{}\n", problem.render(colour));
    }
}

/// Standard output. What cannot be seen is written as `\u{..}`, whichever text it is in (P283).
pub(super) fn out() -> impl Write {
    Visible(anstream::stdout())
}

/// Standard error, as [`out`].
pub(super) fn err() -> impl Write {
    Visible(anstream::stderr())
}

/// Writes text in which everything can be seen. The sequences that colour it are left.
struct Visible<W>(W);

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let kept = |rest: &str| match rest.starts_with(['\n', '\t']) {
            true => 1,
            false => colour(rest),
        };
        let escape = |c: char, out: &mut Vec<u8>| {
            out.extend_from_slice(visible(c.encode_utf8(&mut [0; 4])).as_bytes());
        };
        let text = without_tokens(&String::from_utf8_lossy(bytes));
        write_visible(&text, &mut self.0, kept, escape)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The length of the sequence that colours what follows, if `text` begins with one.
fn colour(text: &str) -> usize {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return 0 };
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    if digits.starts_with('m') {
        text.len().saturating_sub(digits.len()).saturating_add(1)
    } else {
        0
    }
}

/// Writes `value` as JSON. The characters that [`visible`] escapes are escaped as JSON escapes them, so that programs read the
/// same text; tokens are hidden, as everywhere.
pub(super) fn json(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = without_tokens(&crate::json::pretty(value)?);
    out.write_all(format!("{text}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P283: in text and in JSON.
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
        let mut plain = Vec::new();
        let text = "\u{1b}[1;31ma\u{1b}[0m\u{1b}[2Jb\u{85}\u{2028}\u{2069}é\n";
        Visible(&mut plain).write_all(text.as_bytes()).unwrap();
        let plain = String::from_utf8(plain).unwrap();
        assert_eq!(plain, "\u{1b}[1;31ma\u{1b}[0m\\u{1b}[2Jb\\u{85}\\u{2028}\\u{2069}é\n");
        let hostile = "\u{1b}\u{9b}\u{202e}\u{e0001}é\n";
        let mut out = Vec::new();
        json(&hostile, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.trim_end().chars().all(|c| c == 'é' || c.is_ascii_graphic()), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), hostile);
    }
}
