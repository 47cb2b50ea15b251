//! What is wrong with a document, where, and what to do about it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::masking;

/// One file of documents: its name as the operator wrote it, and its text.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    path: PathBuf,
    text: String,
}

/// A place in a document: the file and the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    file: Arc<SourceFile>,
    bytes: Range<usize>,
}

/// How bad it is: errors keep a document set from being used, warnings do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The set is not used.
    Error,
    /// The set is used; somebody should look.
    Warning,
}

/// One problem. The message says what was found and what was expected; `help` says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code such as `unknown-field`: kebab-case, the same in every output format.
    pub code: &'static str,
    /// What is wrong: lower case, no full stop, no Rust type names, never a secret.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to do about it.
    pub help: Option<String>,
}

/// A [`Diagnostic`] as `check --output json` prints it.
#[derive(Debug, Serialize)]
pub struct JsonDiagnostic<'a> {
    severity: Severity,
    code: &'static str,
    message: &'a str,
    file: String,
    line: usize,
    column: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

// === impl SourceFile ===

impl SourceFile {
    /// A file's name and text.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into() })
    }

    /// Its name as the operator wrote it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

// === impl Span ===

impl Span {
    /// The bytes `bytes` of `file`, cut to what the file has and to character boundaries.
    #[must_use]
    pub fn new(file: &Arc<SourceFile>, bytes: Range<usize>) -> Self {
        let text = file.text();
        let floor = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at = at.saturating_sub(1);
            }
            at
        };
        let start = floor(bytes.start);
        let end = floor(bytes.end).max(start);
        Self { file: Arc::clone(file), bytes: start..end }
    }

    /// The whole of `file`, pointed at by its first byte.
    #[must_use]
    pub fn start_of(file: &Arc<SourceFile>) -> Self {
        Self::new(file, 0..0)
    }

    /// The place of a part of the text that stands here; of all of it where the file spells it in another way, with
    /// escapes or over several lines.
    #[must_use]
    pub fn part(&self, text: &str, part: Range<usize>) -> Self {
        let here = self.file.text.get(self.bytes.clone()).unwrap_or_default();
        match here.find(text) {
            Some(at) => {
                let start = self.bytes.start.saturating_add(at);
                Self::new(
                    &self.file,
                    start.saturating_add(part.start)..start.saturating_add(part.end),
                )
            }
            None => self.clone(),
        }
    }

    /// Whether what stands here may be a secret, which no message repeats.
    pub(super) fn may_be_secret(&self) -> bool {
        masking::may_be_secret(&self.file.text, self.bytes.start)
    }

    pub(super) fn bytes(&self) -> Range<usize> {
        self.bytes.clone()
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }

    /// Line and column, both from 1; the column counts characters.
    #[must_use]
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.file.text.get(..self.bytes.start).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        let column =
            before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
        (line, column)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.file.path.display())
    }
}

// === impl Diagnostic ===

impl Diagnostic {
    /// An error.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), span, help: None }
    }

    /// A warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// This problem with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The problem with the line it is on and a caret, as a compiler would show it. Where a line may hold a secret, that is
    /// hidden.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let path = self.span.file.path.display().to_string();
        let title = level.primary_title(self.message.as_str()).id(self.code);
        let (text, place) = masking::hide(&self.span.file.text, self.span.bytes.clone());
        let snippet = || {
            let place = AnnotationKind::Primary.span(place);
            Snippet::source(&*text).path(path.clone()).annotation(place)
        };
        // A file that cannot be read has no line to show.
        let mut report: Vec<Group<'_>> = vec![match self.span.file.text.is_empty() {
            true => title.element(annotate_snippets::Origin::path(path.clone())),
            false => title.element(snippet()),
        }];
        if let Some(help) = &self.help {
            report.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
        }
        renderer.render(&report)
    }

    /// The problem as data.
    #[must_use]
    pub fn json(&self) -> JsonDiagnostic<'_> {
        let (line, column) = self.span.line_column();
        JsonDiagnostic {
            severity: self.severity,
            code: self.code,
            message: &self.message,
            file: self.span.file.path.display().to_string(),
            line,
            column,
            help: self.help.as_deref(),
        }
    }
}

impl fmt::Display for Diagnostic {
    /// One line for a log: `file:line:column: message; help`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.span, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

/// Puts problems into reading order: by file, then place, then code. Repetitions go.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| {
            (d.span.file.path.clone(), d.span.bytes.start, d.code, d.message.clone())
        };
        key(a).cmp(&key(b))
    });
    diagnostics.dedup();
}

/// Whether any of them keeps the documents from being used.
#[must_use]
pub fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}
