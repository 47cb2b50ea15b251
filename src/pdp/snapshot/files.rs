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
use crate::words::of_system;

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
        let found: Vec<_> = files.iter().flat_map(|file| document::find(file, problems)).collect();
        // The rest of one that has the keys of two is a document without its `---`.
        let is_torn = found.iter().any(RawDocument::has_two_heads);
        let (policies, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|document| document.kind() == Kind::Policy);
        let fragments = others.iter().filter(|document| document.kind() == Kind::Fragments);
        let fragments = fragments.flat_map(|document| *document.fingerprint().as_bytes());
        let fragments = Fingerprint::of(&fragments.collect::<Vec<_>>());
        let others_are_torn = is_torn || document::any_error(problems);
        let mut unreadable = UnreadableDocuments { named: Vec::new(), others: others_are_torn };
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
        let contents =
            read_bounded(path, MAX_ATTACHED_FILE_BYTES).map_err(|error| of_system(&error));
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

/// The fingerprint of every byte that was read, with the names of files from the folder on that the documents have in common. The name
/// and the place of that folder, and how its path is written, are no difference.
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
    let folders = sources.iter().map(|own| plain(own.path()).parent().map(Path::to_owned));
    let common = folders.flatten().reduce(|one, other| {
        let shared = one.ancestors().find(|folder| other.starts_with(folder));
        shared.unwrap_or(Path::new("")).to_owned()
    });
    let common = common.unwrap_or_default();
    let documents = sources
        .iter()
        .map(|source| (relative_to(&common, &plain(source.path())), source.text().as_bytes()));
    let others = attached.iter().map(|path| {
        let name = match is_beside(path, sources) {
            true => relative_to(&common, &plain(path)),
            false => plain(path),
        };
        (name, attachments.bytes(path).unwrap_or_default())
    });
    let mut files: Vec<_> = documents.chain(others).collect();
    // Other spellings may have had another order.
    files.sort();
    let mut all = Vec::new();
    for (path, bytes) in &files {
        add(path, bytes, &mut all);
    }
    all
}

/// True if a document names the file at `path` from its own folder, and not from the root.
fn is_beside(path: &Path, sources: &[Arc<SourceFile>]) -> bool {
    let mut folders = sources.iter().filter_map(|own| own.path().parent());
    folders.any(|own| path.starts_with(own) && (path.is_relative() || own.is_absolute()))
}

/// The way from `folder` to `path`, with `..` where it leads out.
fn relative_to(folder: &Path, path: &Path) -> PathBuf {
    let shared = folder.ancestors().find(|own| path.starts_with(own)).unwrap_or(Path::new(""));
    let up = folder.components().count().saturating_sub(shared.components().count());
    let up = std::iter::repeat_n(Component::ParentDir, up);
    up.chain(path.strip_prefix(shared).unwrap_or(path).components()).collect()
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
    let message = format!("cannot read `{}`: {}", path.display(), of_system(error));
    Diagnostic::error(Code::UnreadableFile, nowhere(path), message)
}

/// The place of a problem with a file that has no text.
fn nowhere(path: &Path) -> Span {
    Span::start_of(&SourceFile::new(path, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdp::Load;

    const DOCUMENTS: &str = "apiVersion: countersign.dev/v1alpha1
kind: RevocationList
metadata: { name: list }
spec: { from: { file: list.txt }, onStale: deny, signature: { from: { file: sig }, keys: { file: KEYS } } }
";

    /// The name of the files of documents in `folder`, which name their keys `keys`, with their keys at `path`.
    fn name(root: &Path, folder: &str, (keys, path): (&str, &str), contents: &str) -> String {
        let (folder, path) = (root.join(folder), root.join(path));
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(folder.join("all.yaml"), DOCUMENTS.replace("KEYS", keys)).unwrap();
        fs::write(path, contents).unwrap();
        Load::from_paths(&[folder]).set.name().to_string()
    }

    /// P629: the name of a set depends on what is in its files and on how they name each other, and not on where the folder is.
    #[test]
    fn the_name_of_a_set_is_that_of_its_contents() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (one.path(), other.path());
        let outside = ("../keys/a.jwks", "keys/a.jwks");
        let first = name(one, "main", outside, "{}");
        assert_eq!(name(one, "branch", outside, "{}"), first);
        assert_eq!(name(other, "deep/er", (outside.0, "deep/keys/a.jwks"), "{}"), first);
        assert_ne!(name(other, "main", outside, "{ }"), first);
        assert_ne!(name(other, "main", ("../key/a.jwks", "key/a.jwks"), "{}"), first);
        let inside = name(one, "in", ("k/a.jwks", "in/k/a.jwks"), "{}");
        assert_eq!(name(other, "there", ("k/a.jwks", "there/k/a.jwks"), "{}"), inside);
        let absolute = one.join("fixed/a.jwks").display().to_string();
        let fixed = name(one, "abs", (&absolute, "fixed/a.jwks"), "{}");
        let again = name(other, "much/deeper", (&absolute, "unused/a.jwks"), "{}");
        assert_eq!(again, fixed);
    }
}
