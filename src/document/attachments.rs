//! The files that documents point to, read beforehand so that compiling needs no I/O.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_saphyr::Spanned;

use super::{Diagnostic, Document, Origin, Source};

/// The contents of the files that a set of documents points to, or why each could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments(BTreeMap<PathBuf, Result<Vec<u8>, String>>);

// === impl Attachments ===

impl Attachments {
    /// Every file that `documents` point to, resolved against the folder of the document that names it.
    pub fn paths_in(documents: &[Document]) -> Vec<PathBuf> {
        let mut paths: Vec<_> = documents
            .iter()
            .flat_map(|document| {
                document.spec.sources().into_iter().map(|source| (&document.origin, source))
            })
            .filter_map(|(origin, source)| match source {
                Source::File(file) => Some(resolve(origin, file)),
                Source::Inline(_) => None,
            })
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Keeps what reading `path` gave: the bytes, or a message in lower case that says why not.
    pub fn insert(&mut self, path: PathBuf, contents: Result<Vec<u8>, String>) {
        self.0.insert(path, contents);
    }

    /// The bytes of the file at `path`, where it could be read.
    #[must_use]
    pub fn bytes(&self, path: &Path) -> Option<&[u8]> {
        self.0.get(path)?.as_deref().ok()
    }

    /// The bytes that `source` stands for.
    ///
    /// # Errors
    /// A diagnostic at the place of the file's name where the file could not be read.
    pub fn read<'a>(
        &'a self,
        origin: &Origin,
        source: &'a Source,
    ) -> Result<Cow<'a, [u8]>, Diagnostic> {
        let file = match source {
            Source::Inline(text) => return Ok(Cow::Borrowed(text.value.as_bytes())),
            Source::File(file) => file,
        };
        let path = resolve(origin, file);
        match self.0.get(&path) {
            Some(Ok(bytes)) => Ok(Cow::Borrowed(bytes)),
            Some(Err(why)) => Err(unreadable(origin, file, &path, why)),
            None => Err(unreadable(origin, file, &path, "it was not read")),
        }
    }
}

fn resolve(origin: &Origin, file: &Spanned<String>) -> PathBuf {
    origin.file().path().parent().unwrap_or(Path::new("")).join(&file.value)
}

fn unreadable(origin: &Origin, file: &Spanned<String>, path: &Path, why: &str) -> Diagnostic {
    let message = format!("cannot read `{}`: {why}", path.display());
    Diagnostic::error("unreadable-file", origin.span(file), message)
        .help("a relative path is relative to the folder of the document")
}
