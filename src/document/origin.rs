//! The place of a document in its file, and spans that count from there.

use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::Location;

use super::{SourceFile, Span, Spanned};

/// The start of a document in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub(super) file: Arc<SourceFile>,
    pub(super) base: usize,
}

/// A range of bytes that counts from the start of a document: it holds wherever the same text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelativeSpan {
    // Half the size of a range of `usize`: there is one for each rule, and files are smaller than that.
    start: u32,
    end: u32,
}

impl Origin {
    /// The start of `file`, which is not a list of documents.
    pub fn of(file: &Arc<SourceFile>) -> Self {
        Self { file: Arc::clone(file), base: 0 }
    }

    /// The span of a value that was read from this document.
    pub fn span<T>(&self, value: &Spanned<T>) -> Span {
        self.locate(value.place)
    }

    /// The start of the document.
    pub fn start(&self) -> Span {
        Span::new(&self.file, self.base..self.base)
    }

    /// The file that the document is in: relative paths inside the document are relative to its folder.
    pub fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }

    /// The span in the file for these bytes of this document.
    pub(super) fn part(&self, bytes: Range<usize>) -> Span {
        let outside = |at: usize| self.base.saturating_add(at);
        Span::new(&self.file, outside(bytes.start)..outside(bytes.end))
    }

    /// `span`, which is in this document, from the document's start.
    pub fn place(&self, span: &Span) -> RelativeSpan {
        let Range { start, end } = span.bytes();
        let inside = |at: usize| u32::try_from(at.saturating_sub(self.base)).unwrap_or(u32::MAX);
        RelativeSpan { start: inside(start), end: inside(end) }
    }

    /// The span in the file for `place` of this document.
    pub fn at(&self, place: RelativeSpan) -> Span {
        let outside = |at: u32| self.base.saturating_add(usize::try_from(at).unwrap_or(usize::MAX));
        Span::new(&self.file, outside(place.start)..outside(place.end))
    }

    /// The span in the file of a location that the YAML library gives, which counts from the document's start.
    pub(super) fn locate(&self, location: Location) -> Span {
        let span = location.span();
        let number = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok());
        let (offset, len) = match number(span.byte_offset()) {
            Some(offset) => (offset, number(span.byte_len()).unwrap_or(0)),
            // The library's scanner counts characters only.
            None => (self.byte_offset(location), 1),
        };
        let start = self.base.saturating_add(offset);
        Span::new(&self.file, start..start.saturating_add(len))
    }

    /// The byte in the document of a line and a column, which count from 1.
    fn byte_offset(&self, location: Location) -> usize {
        let before = |n: u64| usize::try_from(n.saturating_sub(1)).unwrap_or(0);
        let text = self.file.text().get(self.base..).unwrap_or_default();
        let mut lines = text.split_inclusive('\n');
        let above: usize = lines.by_ref().take(before(location.line())).map(str::len).sum();
        let line = lines.next().unwrap_or_default();
        let beside: usize = line.chars().take(before(location.column())).map(char::len_utf8).sum();
        above.saturating_add(beside)
    }
}
