//! What the commands print: errors one way everywhere, colour only where somebody sees it.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use crate::document::Diagnostic;

/// Prints `error: message` on standard error.
pub(super) fn error(message: impl Display) {
    let red = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Red.into())).bold();
    // Nobody is left to tell where standard error is closed.
    let _ = writeln!(anstream::stderr(), "{red}error{red:#}: {message}");
}

/// Prints problems as a compiler would on standard error.
pub(super) fn diagnostics(problems: &[Diagnostic]) {
    let colour = io::stderr().is_terminal();
    for problem in problems {
        let _ = writeln!(anstream::stderr(), "{}\n", problem.render(colour));
    }
}
