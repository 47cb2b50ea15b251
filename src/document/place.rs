//! Places that count from where their document starts: they hold wherever the same text stands.

use std::ops::Range;

use super::{Diagnostic, Origin, Severity, Span};

/// The bytes of a document that something stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    // Half the size of a range of `usize`: there is one for each rule, and files are smaller than that.
    start: u32,
    end: u32,
}

/// A problem of a document wherever that may be.
#[derive(Clone, Debug)]
pub struct Movable {
    severity: Severity,
    code: &'static str,
    message: Box<str>,
    help: Option<Box<str>>,
    place: Place,
}

// === impl Origin ===

impl Origin {
    /// The place of `span`, which is in this document.
    #[must_use]
    pub fn place(&self, span: &Span) -> Place {
        let Range { start, end } = span.bytes();
        let inside = |at: usize| u32::try_from(at.saturating_sub(self.base)).unwrap_or(u32::MAX);
        Place { start: inside(start), end: inside(end) }
    }

    /// Where `place` of this document is in its file.
    #[must_use]
    pub fn at(&self, place: Place) -> Span {
        let outside = |at: u32| self.base.saturating_add(usize::try_from(at).unwrap_or(usize::MAX));
        Span::new(&self.file, outside(place.start)..outside(place.end))
    }
}

// === impl Movable ===

impl Movable {
    /// `problem`, which is one of the document at `origin` and does not speak of other places.
    #[must_use]
    pub fn new(problem: Diagnostic, origin: &Origin) -> Self {
        let Diagnostic { severity, code, message, span, help } = problem;
        let (message, help) = (message.into(), help.map(Into::into));
        Self { severity, code, message, help, place: origin.place(&span) }
    }

    /// A warning.
    #[must_use]
    pub fn warning(code: &'static str, place: Place, message: impl Into<Box<str>>) -> Self {
        Self { severity: Severity::Warning, code, message: message.into(), help: None, place }
    }

    /// This problem with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<Box<str>>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The problem of the document at `origin`.
    #[must_use]
    pub fn at(&self, origin: &Origin) -> Diagnostic {
        let Self { severity, code, message, help, place } = self;
        let help = help.as_deref().map(str::to_owned);
        Diagnostic {
            severity: *severity,
            code,
            message: message.to_string(),
            span: origin.at(*place),
            help,
        }
    }
}
