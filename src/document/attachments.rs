//! The files that documents point to, read beforehand so that compiling needs no I/O.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{Code, Diagnostic, Document, Origin, RemoteSource, Source, Spanned};
use crate::secret::Fingerprint;

/// The contents of the files that a set of documents points to, or why each could not be read.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attachments {
    files: BTreeMap<PathBuf, Result<Vec<u8>, String>>,
    remote: RemoteContents,
}

/// Remote files by the address in the document.
pub type RemoteContents = BTreeMap<String, Bytes>;

/// The code of the warning for a remote file that was not fetched yet: not an error, since a fetch may still succeed.
pub const NOT_FETCHED: Code = Code::NotFetched;

impl Attachments {
    /// No files yet, and these remote ones.
    pub const fn with_remote(remote: RemoteContents) -> Self {
        Self { files: BTreeMap::new(), remote }
    }

    /// The remote files.
    pub const fn remote(&self) -> &RemoteContents {
        &self.remote
    }

    /// Every file that `documents` point to, resolved against the folder of the document that names it.
    pub fn paths_in(documents: &[Document]) -> Vec<PathBuf> {
        let sources = documents.iter().flat_map(|document| {
            document
                .spec
                .sources()
                .into_iter()
                .filter_map(|source| path_of(&document.origin, source))
        });
        distinct(sources)
    }

    /// Every file that `document` names, also those of credentials and of lists that are read beside it, by its name there.
    pub fn named_in(document: &Document) -> BTreeMap<String, PathBuf> {
        let clients = document.spec.clients();
        let list = match &document.spec {
            super::Spec::RevocationList(list) => Some(list),
            super::Spec::TrustDomain(_)
            | super::Spec::TokenIssuer(_)
            | super::Spec::Policy(_)
            | super::Spec::Fragments(_)
            | super::Spec::PolicySuite(_) => None,
        };
        let beside = list.iter().flat_map(|own| {
            own.from.iter().chain(own.signature.iter().map(|signature| &signature.from))
        });
        let sources = document.spec.sources().into_iter().chain(beside);
        let sources = sources.chain(clients.iter().flat_map(super::ClientSpec::sources));
        let files = sources.filter_map(|source| match source {
            Source::File(file) => Some(file),
            Source::Remote(remote) => remote.ca.as_ref(),
            Source::Inline(_) => None,
        });
        files.map(|file| (file.value.clone(), resolve(&document.origin, file))).collect()
    }

    /// Every file of credentials that servers are shown ([`Spec::clients`](super::Spec::clients)).
    pub fn credentials_in(documents: &[Document]) -> Vec<PathBuf> {
        let files = documents.iter().flat_map(|document| {
            let clients = document.spec.clients().into_iter();
            clients.flat_map(|client| {
                client
                    .sources()
                    .filter_map(|own| path_of(&document.origin, own))
                    .collect::<Vec<_>>()
            })
        });
        distinct(files)
    }

    /// Keeps the result of reading `path`: the bytes, or the reason why not, in lower case.
    pub fn insert(&mut self, path: PathBuf, contents: Result<Vec<u8>, String>) {
        self.files.insert(path, contents);
    }

    /// The bytes of the file at `path`, where it could be read.
    pub fn bytes(&self, path: &Path) -> Option<&[u8]> {
        self.files.get(path)?.as_deref().ok()
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
            Source::Remote(remote) => return Err(not_here(origin, remote)),
            Source::File(file) => file,
        };
        self.file(origin, file).map(Cow::Borrowed)
    }

    /// The bytes that `source` stands for, where it may also be on a server.
    ///
    /// # Errors
    /// As [`Self::read`], and a warning with the code [`NOT_FETCHED`] where it was not fetched yet.
    pub fn read_or_fetched<'a>(
        &'a self,
        origin: &Origin,
        source: &'a Source,
    ) -> Result<Cow<'a, [u8]>, Diagnostic> {
        let Source::Remote(remote) = source else { return self.read(origin, source) };
        let authorities = remote.ca.as_ref().map(|ca| self.file(origin, ca)).transpose()?;
        let bytes = self.remote.get(&remote_name(remote, authorities));
        bytes.map(|bytes| Cow::Borrowed(bytes.as_ref())).ok_or_else(|| {
            let place = origin.span(&remote.url);
            Diagnostic::warning(NOT_FETCHED, place, "the remote file was not fetched yet")
                .help("what depends on it is denied until it is; a running server fetches it")
        })
    }

    /// The bytes of the file that a document calls `file`.
    ///
    /// # Errors
    /// A diagnostic at the place of its name where it could not be read.
    pub fn file(&self, origin: &Origin, file: &Spanned<String>) -> Result<&[u8], Diagnostic> {
        let path = resolve(origin, file);
        match self.files.get(&path) {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(why)) => Err(unreadable(origin, file, &path, why)),
            None => Err(unreadable(origin, file, &path, "it was not read")),
        }
    }
}

/// The name of a remote file among [`RemoteContents`]: its address, the authorities that its server is known by, and the credentials
/// that it was shown. A file that came under others is another one, in another document or before a change.
pub fn remote_name(remote: &RemoteSource, authorities: Option<&[u8]>) -> String {
    let url = &remote.url.value;
    let mut name = match authorities {
        None => url.clone(),
        Some(ca) => format!("{url} {}", Fingerprint::of(ca).to_hex()),
    };
    if let Some(id) = &remote.spiffe_id {
        name.push_str(&format!(" {}", id.value));
    }
    if let Some(client) = &remote.client {
        name.push_str(&format!(" {}", Fingerprint::of(client.text().as_bytes()).to_hex()));
    }
    name
}

impl fmt::Debug for Attachments {
    /// Names only: some of the files are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files.keys()).entries(self.remote.keys()).finish()
    }
}

/// The path of the file that a document calls `file`: relative to the folder of the document.
pub fn resolve(origin: &Origin, file: &Spanned<String>) -> PathBuf {
    origin.file().path().parent().unwrap_or(Path::new("")).join(&file.value)
}

fn path_of(origin: &Origin, source: &Source) -> Option<PathBuf> {
    match source {
        Source::File(file) => Some(resolve(origin, file)),
        Source::Remote(remote) => remote.ca.as_ref().map(|ca| resolve(origin, ca)),
        Source::Inline(_) => None,
    }
}

fn distinct(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    paths.collect::<BTreeSet<_>>().into_iter().collect()
}

fn not_here(origin: &Origin, remote: &RemoteSource) -> Diagnostic {
    let place = origin.span(&remote.url);
    Diagnostic::error(Code::RemoteNotHere, place, "a remote file cannot be used here")
        .help("use `file` or `inline`; remote files are for trust domains")
}

fn unreadable(origin: &Origin, file: &Spanned<String>, path: &Path, why: &str) -> Diagnostic {
    let message = format!("cannot read `{}`: {why}", path.display());
    Diagnostic::error(Code::UnreadableFile, origin.span(file), message)
        .help("a relative path is relative to the folder of the document")
}
