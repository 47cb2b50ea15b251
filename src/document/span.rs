//! Files of documents, and ranges of their text.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::lines::Lines;
use super::masking::{self, Masks};
use crate::secret::without_tokens;

/// One file of documents: its name as the operator wrote it, and its text.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    text: String,
    shown: ShownLines,
    /// The parts of the text that may be secret, found when the first problem is shown.
    masks: OnceLock<Masks>,
    /// Its lines, found when the first place is shown.
    lines: OnceLock<Lines>,
}

/// How much of a file's lines a diagnostic shows.
#[derive(Clone, Copy, Debug)]
enum ShownLines {
    /// All but what may be secret.
    Masked,
    /// All.
    Whole,
    /// None: another program's secrets may be in it, which nothing here knows.
    None,
}

impl PartialEq for SourceFile {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.text) == (&other.path, &other.text)
    }
}

impl Eq for SourceFile {}

/// A place in a document: the file and the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    file: Arc<SourceFile>,
    bytes: Range<usize>,
}

impl SourceFile {
    /// A file's name and text.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Self::with(path.into(), text.into(), ShownLines::Masked)
    }

    /// A file of another program: problems in it are shown by their place alone.
    pub fn foreign(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Self::with(path.into(), text.into(), ShownLines::None)
    }

    /// An argument called `name` of a command, which the user has just written: problems show it whole.
    pub fn argument(name: &str, text: &str) -> Arc<Self> {
        Self::with(name.into(), text.into(), ShownLines::Whole)
    }

    fn with(path: PathBuf, text: String, shown: ShownLines) -> Arc<Self> {
        let (masks, lines) = (OnceLock::new(), OnceLock::new());
        Arc::new(Self { path, text, shown, masks, lines })
    }

    /// Its name as the operator wrote it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name as messages show it.
    pub fn shown_path(&self) -> String {
        without_tokens(&self.path.display().to_string())
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True if no line of it is shown.
    pub(super) const fn is_foreign(&self) -> bool {
        matches!(self.shown, ShownLines::None)
    }

    pub(super) fn masks(&self) -> &Masks {
        self.masks.get_or_init(|| match self.shown {
            ShownLines::Masked => masking::masks(&self.text),
            // Of a foreign file messages name settings, which are no secrets.
            ShownLines::None => Masks::default(),
            ShownLines::Whole => masking::masks_of_argument(&self.text),
        })
    }
}

impl Span {
    /// The bytes `bytes` of `file`, cut to what the file has and to character boundaries.
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
    pub fn start_of(file: &Arc<SourceFile>) -> Self {
        Self::new(file, 0..0)
    }

    /// The place of a part of the text that stands here; of all of it where the file spells it in another way, with
    /// escapes or over several lines.
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

    /// True if the text here may be a secret, which no message repeats.
    pub(super) fn may_be_secret(&self) -> bool {
        masking::may_be_secret(self.file.masks(), self.bytes.start)
    }

    pub(super) fn bytes(&self) -> Range<usize> {
        self.bytes.clone()
    }

    /// The file.
    pub fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }

    /// Line and column, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let text = &self.file.text;
        let lines = self.file.lines.get_or_init(|| Lines::of(text));
        lines.line_column(text, self.bytes.start)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.file.shown_path())
    }
}
