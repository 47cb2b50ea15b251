//! Problems whose spans count from the start of their document: they hold wherever the same text stands.

use super::{Code, Diagnostic, Origin, RelativeSpan, Severity};

/// A problem of a document, independent of the file and the offset that the document is at.
#[derive(Clone, Debug)]
pub struct RelativeDiagnostic {
    severity: Severity,
    code: Code,
    message: Box<str>,
    help: Option<Box<str>>,
    place: RelativeSpan,
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
