//! A `RevocationList` document, compiled: its own entries, and where more of them come from.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::document::{
    Attachments, Code, Diagnostic, Document, ListSignatureSpec, OnStaleList, Origin,
    RevocationListSpec, Source, resolve,
};
use crate::secret::Fingerprint;
use crate::trust::{KeyPurpose, KeySet, RemoteFile, RemotePart};

use super::entry::RevocationEntry;
use super::error::EntryError;
use super::line_ends::LineEnds;
use super::lines::{LineError, ListHeader, ListText};
use super::signature::{self, ListSignatureError};
use super::table::RevocationTable;

/// A compiled `RevocationList` document.
#[derive(Debug)]
pub struct RevocationList {
    /// The name of the document.
    pub name: String,
    /// The entries in the document itself.
    pub entries: Vec<RevocationEntry>,
    /// The same for looking up.
    pub table: Arc<RevocationTable>,
    /// The source of the rest.
    pub source: Option<Arc<ListSource>>,
}

/// The source of the rest of a list, and the terms.
#[derive(Debug)]
pub struct ListSource {
    /// The list itself.
    pub place: ListPlace,
    /// Who signs it.
    pub signature: Option<ListSignature>,
    /// How old it may become.
    pub max_age: Option<Duration>,
    /// The treatment of requests then.
    pub on_stale: OnStaleList,
}

/// A file, here or on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListPlace {
    /// A file on this machine.
    File(PathBuf),
    /// A file on a server.
    Remote(Arc<RemoteFile>),
}

/// Who signs a list.
#[derive(Clone, Debug)]
pub struct ListSignature {
    /// The place of the signature.
    pub place: ListPlace,
    /// The keys that may sign.
    pub keys: Arc<KeySet>,
}

/// A list that may be put in force.
#[derive(Clone, Debug)]
pub struct AcceptedList {
    /// The entries.
    pub table: Arc<RevocationTable>,
    /// The mark that the next list is compared with.
    pub mark: ListMark,
    /// Its lines, where nothing else says that it is whole: a number says so, and each signed list has one.
    pub lines: Option<LineEnds>,
    /// When the next one is to be expected.
    pub next_update: Option<UnixTime>,
    /// The token issuers that it names.
    pub issuers: BTreeSet<String>,
    /// The issuers of certificates that it names.
    pub certificate_issuers: BTreeSet<String>,
}

/// Which list it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListMark {
    /// Its number, where it has one.
    pub sequence: Option<u64>,
    /// Its bytes.
    pub content: Fingerprint,
}

/// Why a list is not put in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// No pinned key signed it.
    #[error("the signature {0}")]
    Signature(#[from] ListSignatureError),
    /// It cannot be read.
    #[error("{}", joined(.0))]
    Lines(Vec<LineError>),
    /// It is signed for another list.
    #[error("its `@name` is that of another list")]
    OtherName,
    /// It is signed and has no number, so that it cannot be distinguished from an older one.
    #[error(
        "it is signed and has no `@sequence`, so an older list could be passed off as the newest"
    )]
    NoSequence,
    /// It is older than the one in force.
    #[error(
        "its `@sequence` is {got}, but {in_force} is in force: an older list is not put in force again"
    )]
    Rollback {
        /// Its number.
        got: u64,
        /// The number of the one in force.
        in_force: u64,
    },
    /// It says something else under the same number.
    #[error("it differs from the list in force and has the same `@sequence` {0}")]
    SameSequence(u64),
    /// It has no number any more.
    #[error("it has no `@sequence`, but the list in force has")]
    LostSequence,
    /// Its end is missing.
    #[error(
        "it is the beginning of the list in force, so its end may be missing: if its last entries were removed on purpose, add a comment line at its end, or `@sequence` above its entries"
    )]
    Cut,
}

/// Revocations are to count within seconds.
const DEFAULT_REFRESH: Duration = Duration::from_secs(30);

/// A question that is mostly answered with 304.
const MIN_REFRESH: Duration = Duration::from_secs(1);

/// Compiles one document; `None` where it cannot be used at all.
pub(in crate::trust) fn compile(
    document: &Document,
    spec: &RevocationListSpec,
    files: &Attachments,
    problems: &mut Vec<Diagnostic>,
) -> RevocationList {
    let (name, origin) = (document.metadata.name.value.clone(), &document.origin);
    let mut entries = Vec::with_capacity(spec.entries.len());
    for entry in &spec.entries {
        match RevocationEntry::read(&entry.value.clone().map(|text| text.value)) {
            Ok(read) => entries.push(read),
            Err(error) => {
                let fields = entry.value.fields().into_iter();
                let field = fields
                    .filter(|(name, _)| error.field == Some(*name))
                    .find_map(|(_, text)| text);
                let span = field.map_or_else(|| origin.span(entry), |text| origin.span(text));
                problems.push(entry_problem(&error, span));
            }
        }
    }
    let source = match compile_source(spec, origin, files) {
        Ok(source) => source.map(Arc::new),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    if spec.entries.is_empty() && spec.from.is_none() {
        let message = "the list has neither `entries` nor `from`, so it revokes nothing";
        problems.push(Diagnostic::warning(Code::EmptyRevocationList, origin.start(), message));
    }
    let table = Arc::new(RevocationTable::of(&name, &entries));
    RevocationList { name, entries, table, source }
}

fn entry_problem(error: &EntryError, span: crate::document::Span) -> Diagnostic {
    Diagnostic::error(Code::InvalidRevocation, span, error.message.clone())
}

fn compile_source(
    spec: &RevocationListSpec,
    origin: &Origin,
    files: &Attachments,
) -> Result<Option<ListSource>, Diagnostic> {
    let Some(from) = &spec.from else {
        let stray = [
            ("signature", spec.signature.is_some()),
            ("maxAge", spec.max_age.is_some()),
            ("onStale", spec.on_stale.is_some()),
        ];
        return match stray.into_iter().find(|(_, there)| *there) {
            None => Ok(None),
            Some((name, _)) => {
                let message =
                    format!("`{name}` is about what is at `from`, and there is no `from`");
                Err(Diagnostic::error(Code::MissingFrom, origin.start(), message))
            }
        };
    };
    let on_stale = spec.on_stale.ok_or_else(|| {
        let message = "`from` is without `onStale`";
        Diagnostic::error(Code::MissingOnStale, origin.span(from.place()), message).help(
            "say what happens while the list cannot be loaded: `onStale: deny`, `onStale: { grace: 1h }` or `onStale: allow`",
        )
    })?;
    let signature =
        spec.signature.as_ref().map(|signature| compile_signature(signature, origin, files));
    Ok(Some(ListSource {
        place: place(from, origin, files)?,
        signature: signature.transpose()?,
        max_age: spec.max_age.as_ref().map(|age| age.value.get()),
        on_stale,
    }))
}

fn place(source: &Source, origin: &Origin, files: &Attachments) -> Result<ListPlace, Diagnostic> {
    match source {
        Source::File(file) => Ok(ListPlace::File(resolve(origin, file))),
        Source::Remote(remote) => {
            let times = (DEFAULT_REFRESH, MIN_REFRESH);
            RemoteFile::read_every(times, RemotePart::List, remote, origin, files)
                .map(|file| ListPlace::Remote(Arc::new(file)))
        }
        Source::Inline(text) => {
            let message = "`inline` cannot be used here";
            let problem = Diagnostic::error(Code::InlineNotHere, origin.span(text), message);
            Err(problem
                .help("write what is revoked under `entries`, or name a `file` or a `remote` file"))
        }
    }
}

fn compile_signature(
    spec: &ListSignatureSpec,
    origin: &Origin,
    files: &Attachments,
) -> Result<ListSignature, Diagnostic> {
    let wrong = |message: String| {
        Diagnostic::error(Code::InvalidKeys, origin.span(spec.keys.place()), message)
    };
    let text = files.read(origin, &spec.keys)?;
    let keys = KeySet::parse(&text, KeyPurpose::Jwt)
        .map_err(|error| wrong(format!("{} {error}", spec.keys.name())))?;
    if let Some(skipped) = keys.skipped().first() {
        return Err(wrong(format!(
            "{} has a key that cannot be used: {skipped}",
            spec.keys.name()
        )));
    }
    if keys.keys().is_empty() {
        return Err(wrong(format!("{} has no keys, so nothing could be signed", spec.keys.name())));
    }
    Ok(ListSignature { place: place(&spec.from, origin, files)?, keys: Arc::new(keys) })
}

impl AcceptedList {
    /// True if it is the beginning of the list with these lines, and nothing says that it is whole.
    pub fn is_cut_from(&self, other: &LineEnds) -> bool {
        self.lines.as_ref().is_some_and(|lines| lines.are_cut_from(other))
    }
}

impl ListSource {
    /// Judges `text` for the list called `list` with its `signature`, where `in_force` is the one that counts now.
    ///
    /// # Errors
    /// Why it must not be put in force.
    pub fn accept(
        &self,
        list: &str,
        text: &[u8],
        signature: Option<&[u8]>,
        in_force: Option<&ListMark>,
    ) -> Result<AcceptedList, ListError> {
        if let Some(signer) = &self.signature {
            signature::verify(&signer.keys, signature.unwrap_or_default(), text)?;
        }
        let ListText { table, header } = ListText::parse(list, text).map_err(ListError::Lines)?;
        if header.name.as_deref().is_some_and(|name| name != list) {
            return Err(ListError::OtherName);
        }
        if self.signature.is_some() && header.sequence.is_none() {
            return Err(ListError::NoSequence);
        }
        let mark = ListMark { sequence: header.sequence, content: Fingerprint::of(text) };
        mark.check_follows(in_force)?;
        let ListHeader { next_update, issuers, certificate_issuers, .. } = header;
        let table = Arc::new(table);
        let lines = header.sequence.is_none().then(|| LineEnds::of(text));
        Ok(AcceptedList { table, mark, lines, next_update, issuers, certificate_issuers })
    }

    /// True if entries that were read from `other` may go on counting.
    pub fn is_same_place_as(&self, other: &Self) -> bool {
        let signer = |source: &Self| {
            source.signature.as_ref().map(|by| (by.place.clone(), *by.keys.revision()))
        };
        self.place == other.place && signer(self) == signer(other)
    }
}

impl ListPlace {
    /// How often it is looked at.
    pub fn refresh(&self) -> Duration {
        match self {
            // Looking whether a file was changed costs microseconds.
            Self::File(_) => MIN_REFRESH,
            Self::Remote(remote) => remote.refresh,
        }
    }
}

impl std::fmt::Display for ListPlace {
    /// The path, or the origin of the address.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Remote(remote) => write!(f, "{}", remote.url),
        }
    }
}

impl ListMark {
    fn check_follows(&self, in_force: Option<&Self>) -> Result<(), ListError> {
        let Some(in_force) = in_force else { return Ok(()) };
        match (self.sequence, in_force.sequence) {
            (_, None) => Ok(()),
            (None, Some(_)) => Err(ListError::LostSequence),
            (Some(got), Some(in_force)) if got < in_force => {
                Err(ListError::Rollback { got, in_force })
            }
            (Some(got), Some(same)) if got == same && self.content != in_force.content => {
                Err(ListError::SameSequence(got))
            }
            (Some(_), Some(_)) => Ok(()),
        }
    }
}

fn joined(lines: &[LineError]) -> String {
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
