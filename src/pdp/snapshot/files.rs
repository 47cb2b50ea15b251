//! The files that a snapshot is made from, read whole or not at all.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::revision::Revision;
use crate::document::{
    self, Attachments, Code, Diagnostic, Document, Kind, RawDocument, RemoteContents, SourceFile,
    Span,
};
use crate::limits::{MAX_ATTACHED_FILE_BYTES, MAX_DOCUMENT_FILE_BYTES, MAX_DOCUMENT_FILES};
use crate::secret::Fingerprint;

/// The exact bytes of files on this machine.
#[derive(Clone, Debug)]
pub struct FileSet {
    pub(super) name: Revision,
    pub(super) attached: Vec<PathBuf>,
}

/// The documents of a set of files.
#[derive(Debug)]
pub(super) struct DocumentFiles {
    /// The policies, which are by far the most, and are read one at a time as they are compiled.
    pub(super) policies: Vec<RawDocument>,
    /// Everything else.
    pub(super) others: Vec<Document>,
    /// The fingerprint of the `Fragments` documents among those.
    pub(super) fragments: Fingerprint,
    pub(super) unreadable: UnreadableDocuments,
}

/// The documents that could not be read: that others name them is no mistake of those.
#[derive(Debug, Default)]
pub(super) struct UnreadableDocuments {
    /// By kind, and name where that can be read.
    named: Vec<(Kind, Option<String>)>,
    /// True if there are some of unknown kinds.
    others: bool,
}

impl UnreadableDocuments {
    /// True if `problem` is that a document is missing which could not be read.
    pub(super) fn explains(&self, problem: &Diagnostic) -> bool {
        let Some(missing) = &problem.missing else { return false };
        let may_be = |(kind, name): &(Kind, Option<String>)| {
            *kind == missing.kind
                && (name.is_none() || missing.name.is_none() || *name == missing.name)
        };
        self.others || self.named.iter().any(may_be)
    }
}

impl FileSet {
    /// The name of the set.
    pub const fn name(&self) -> &Revision {
        &self.name
    }

    /// The files that documents point to.
    pub(super) fn attached(&self) -> &[PathBuf] {
        &self.attached
    }

    /// True if the files in `paths`, and those that they pointed to, are as they were. Does blocking I/O.
    pub fn is_there(&self, paths: &[PathBuf]) -> bool {
        let mut problems = Vec::new();
        let found = find(paths, &mut problems);
        let sources: Vec<_> =
            found.iter().filter_map(|path| read_document_file(path).ok()).collect();
        let (attachments, attached) = read_attachments(&self.attached, RemoteContents::new());
        files_revision(&sources, &attachments, &attached) == self.name
    }
}

impl DocumentFiles {
    /// Finds the policies in `files`, and reads everything else.
    pub(super) fn find(files: &[Arc<SourceFile>], problems: &mut Vec<Diagnostic>) -> Self {
        let found = files.iter().flat_map(|file| document::find(file, problems));
        let (policies, others): (Vec<_>, Vec<_>) =
            found.partition(|document| document.kind() == Kind::Policy);
        let fragments = others.iter().filter(|document| document.kind() == Kind::Fragments);
        let fragments = fragments.flat_map(|document| *document.fingerprint().as_bytes());
        let fragments = Fingerprint::of(&fragments.collect::<Vec<_>>());
        let mut unreadable =
            UnreadableDocuments { named: Vec::new(), others: document::any_error(problems) };
        let read = others.iter().filter_map(|document| match document.read() {
            Ok(read) => Some(read),
            Err(problem) => {
                problems.push(problem);
                // A fragment has a name of its own.
                let name = document.name().filter(|_| document.kind() != Kind::Fragments);
                unreadable.named.push((document.kind(), name));
                None
            }
        });
        let others = read.collect();
        Self { policies, others, fragments, unreadable }
    }
}

/// The document files in `paths`, sorted, each once. Names that start with a dot are ignored: in a mounted ConfigMap they
/// are the folders behind the visible links.
pub(super) fn find(paths: &[PathBuf], problems: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        if let Err(error) = find_in(path, true, &mut found) {
            problems.push(unreadable(path, &error));
        } else if found.len() == before {
            let message = format!("no `*.yaml` or `*.yml` file in `{}`", path.display());
            problems.push(
                Diagnostic::error(Code::NoDocuments, nowhere(path), message)
                    .help("name a file or folder of documents"),
            );
        }
    }
    found.sort();
    found.dedup();
    found
}

fn find_in(path: &Path, named: bool, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_dir() {
        if named || is_document(path) {
            // Reading a pipe that nothing writes to has no end.
            if !named && !kind.is_file() {
                let why = format!("`{}` is no regular file", path.display());
                return Err(std::io::Error::other(why));
            }
            found.push(path.to_owned());
        }
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if found.len() >= MAX_DOCUMENT_FILES {
            return Err(std::io::Error::other(format!("more than {MAX_DOCUMENT_FILES} files")));
        }
        find_in(&entry.path(), false, found)?;
    }
    Ok(())
}

/// True if a folder of documents is read with the file at `path`, by its name.
pub fn is_document(path: &Path) -> bool {
    let is_yaml = |extension: &OsStr| {
        extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
    };
    path.extension().is_some_and(is_yaml)
}

pub(super) fn read_document_file(path: &Path) -> Result<Arc<SourceFile>, Diagnostic> {
    let bytes =
        read_bounded(path, MAX_DOCUMENT_FILE_BYTES).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| unreadable(path, &std::io::Error::other("it is not UTF-8 text")))?;
    Ok(SourceFile::new(path, text))
}

/// Reads what documents point to. A file that cannot be read is a problem at the place that names it, found when it is used.
pub(super) fn read_attachments(
    paths: &[PathBuf],
    remote: RemoteContents,
) -> (Attachments, Vec<PathBuf>) {
    let attachments = with_credentials(Attachments::with_remote(remote), paths);
    (attachments, paths.to_vec())
}

/// The same with files that are no part of the documents' revision.
pub(super) fn with_credentials(mut attachments: Attachments, paths: &[PathBuf]) -> Attachments {
    for path in paths {
        let contents = read_bounded(path, MAX_ATTACHED_FILE_BYTES).map_err(|error| lower(&error));
        attachments.insert(path.clone(), contents);
    }
    attachments
}

fn read_bounded(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    fs::File::open(path)?.take(one_more).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(std::io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// The fingerprint of every byte that was read, with the names of files from the folder on that they have in common: where that folder
/// is, and how its path is written, is no difference.
pub(super) fn revision(
    sources: &[Arc<SourceFile>],
    attachments: &Attachments,
    attached: &[PathBuf],
) -> Revision {
    let mut all = of_files(sources, attachments, attached);
    for (name, bytes) in attachments.remote() {
        add(Path::new(name), bytes, &mut all);
    }
    Revision::of(&Fingerprint::of(&all))
}

/// The same of what is on this machine.
pub(super) fn files_revision(
    sources: &[Arc<SourceFile>],
    attachments: &Attachments,
    attached: &[PathBuf],
) -> Revision {
    Revision::of(&Fingerprint::of(&of_files(sources, attachments, attached)))
}

/// A form in which no two sets look the same.
fn of_files(
    sources: &[Arc<SourceFile>],
    attachments: &Attachments,
    attached: &[PathBuf],
) -> Vec<u8> {
    let documents = sources.iter().map(|source| (source.path(), source.text().as_bytes()));
    let others =
        attached.iter().map(|path| (path.as_path(), attachments.bytes(path).unwrap_or_default()));
    let files = documents.chain(others).map(|(path, bytes)| (plain(path), bytes));
    let mut files: Vec<_> = files.collect();
    // Other spellings may have had another order.
    files.sort();
    let common = files.iter().map(|(path, _)| path.parent().unwrap_or(path).to_owned());
    let common = common.reduce(|one, other| {
        let shared = one.ancestors().find(|folder| other.starts_with(folder));
        shared.unwrap_or(Path::new("")).to_owned()
    });
    let common = common.unwrap_or_default();
    let mut all = Vec::new();
    for (path, bytes) in &files {
        add(path.strip_prefix(&common).unwrap_or(path), bytes, &mut all);
    }
    all
}

/// `path` from the root on, without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

fn add(path: &Path, bytes: &[u8], all: &mut Vec<u8>) {
    all.extend_from_slice(Fingerprint::of(path.as_os_str().as_encoded_bytes()).as_bytes());
    all.extend_from_slice(Fingerprint::of(bytes).as_bytes());
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    let message = format!("cannot read `{}`: {}", path.display(), lower(error));
    Diagnostic::error(Code::UnreadableFile, nowhere(path), message)
}

/// The operating system's words in our spelling.
fn lower(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// The place of a problem with a file that has no text.
fn nowhere(path: &Path) -> Span {
    Span::start_of(&SourceFile::new(path, ""))
}
