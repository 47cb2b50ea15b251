//! Problems of documents: the message, the place, and the advice.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Code, Kind, Origin, RelativeSpan, Severity, Span, masking};
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

/// A problem of a document, independent of the file and the offset that the document is at: it holds wherever the same text
/// stands.
#[derive(Clone, Debug)]
pub struct RelativeDiagnostic {
    severity: Severity,
    code: Code,
    message: Box<str>,
    help: Option<Box<str>>,
    place: RelativeSpan,
}

/// A [`Diagnostic`] as `check --output json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
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
        let path = visible(&self.span.file().shown_path());
        let title = level.primary_title(visible(&self.quiet(&self.message))).id(self.code.as_str());
        let file = self.span.file();
        // A file that cannot be read has no line to show.
        let (line, column) = self.span.line_column();
        let origin = annotate_snippets::Origin::path(path.clone());
        let mut report: Vec<Group<'_>> = vec![if file.text().is_empty() {
            title.element(origin)
        } else if file.is_foreign() {
            title.element(origin.line(line).char_column(column))
        } else {
            let (text, place) = masking::hide(file.text(), file.masks(), self.span.bytes());
            let place = AnnotationKind::Primary.span(place);
            title.element(Snippet::source(text).path(path.clone()).annotation(place))
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
            file: self.span.file().shown_path(),
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

impl RelativeDiagnostic {
    /// `problem`, which is one of the document at `origin` and does not speak of other places.
    pub fn new(problem: Diagnostic, origin: &Origin) -> Self {
        let Diagnostic { severity, code, message, span, help, missing: _ } = problem;
        let (message, help) = (message.into(), help.map(Into::into));
        Self { severity, code, message, help, place: origin.place(&span) }
    }

    /// A warning.
    pub fn warning(code: Code, place: RelativeSpan, message: impl Into<Box<str>>) -> Self {
        Self { severity: Severity::Warning, code, message: message.into(), help: None, place }
    }

    /// This problem with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<Box<str>>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The problem of the document at `origin`.
    pub fn at(&self, origin: &Origin) -> Diagnostic {
        let Self { severity, code, message, help, place } = self;
        let help = help.as_deref().map(str::to_owned);
        Diagnostic {
            severity: *severity,
            code: *code,
            message: message.to_string(),
            span: origin.at(*place),
            help,
            missing: None,
        }
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
