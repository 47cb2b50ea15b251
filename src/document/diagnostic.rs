//! Problems of documents: the message, the place, and the advice.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::{Code, Kind, Severity, Span, masking};
use crate::json::visible;

/// One problem. The message says what was found and what was expected; `help` says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of the problem.
    pub code: Code,
    /// The problem: lower case, no full stop, no Rust type names, never a secret.
    pub message: String,
    /// The place.
    pub span: Span,
    /// How to fix it.
    pub help: Option<String>,
    /// The document that is missing, where that is the problem.
    pub missing: Option<Box<MissingDocument>>,
}

/// A document that another one refers to and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingDocument {
    /// Its kind.
    pub kind: Kind,
    /// Its name; none where the other document refers to something in it.
    pub name: Option<String>,
}

/// A [`Diagnostic`] as `check --output json` prints it.
#[derive(Debug, Serialize)]
pub struct JsonDiagnostic {
    severity: Severity,
    code: Code,
    message: String,
    file: String,
    line: usize,
    column: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        let (severity, message) = (Severity::Error, message.into());
        Self { severity, code, message, span, help: None, missing: None }
    }

    /// A warning.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// This problem with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// This problem, which is that a document of a `kind` is missing, with its name where one is referred to.
    #[must_use]
    pub fn missing(mut self, kind: Kind, name: Option<&str>) -> Self {
        self.missing = Some(Box::new(MissingDocument { kind, name: name.map(str::to_owned) }));
        self
    }

    /// The problem with its line and a caret, as a compiler shows it. Secrets in the line are hidden.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let path = visible(&self.span.file().path().display().to_string());
        let title = level.primary_title(visible(&self.quiet(&self.message))).id(self.code.as_str());
        let file = self.span.file();
        let (text, place) = masking::hide(file.text(), file.masks(), self.span.bytes());
        let snippet = || {
            let place = AnnotationKind::Primary.span(place);
            Snippet::source(&*text).path(path.clone()).annotation(place)
        };
        // A file that cannot be read has no line to show.
        let (line, column) = self.span.line_column();
        let origin = annotate_snippets::Origin::path(path.clone());
        let mut report: Vec<Group<'_>> = vec![if file.text().is_empty() {
            title.element(origin)
        } else if file.is_foreign() {
            title.element(origin.line(line).char_column(column))
        } else {
            title.element(snippet())
        }];
        if let Some(help) = &self.help {
            report.push(Group::with_title(Level::HELP.secondary_title(visible(&self.quiet(help)))));
        }
        renderer.render(&report)
    }

    /// `text` without the words that it quotes from a place that may hold a secret.
    pub(crate) fn quiet(&self, text: &str) -> String {
        let file = self.span.file();
        masking::quiet(text, file.text(), file.masks(), self.span.bytes().start)
    }

    /// The problem as data.
    pub fn json(&self) -> JsonDiagnostic {
        let (line, column) = self.span.line_column();
        JsonDiagnostic {
            severity: self.severity,
            code: self.code,
            message: self.quiet(&self.message),
            file: self.span.file().path().display().to_string(),
            line,
            column,
            help: self.help.as_deref().map(|help| self.quiet(help)),
        }
    }
}

impl fmt::Display for Diagnostic {
    /// One line for a log: `file:line:column: message; help`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.span, self.quiet(&self.message))?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {}", self.quiet(help)))
    }
}

/// Sorts problems by file, then place, then code, and removes repetitions.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| {
            (
                d.span.file().path().to_owned(),
                d.span.bytes().start,
                d.code.as_str(),
                d.message.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    diagnostics.dedup();
}

/// True if any of them is an error.
pub fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}
