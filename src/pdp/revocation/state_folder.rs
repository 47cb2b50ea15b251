//! The last known revocations, in a folder, so that a restart begins with them: the lists that were in force with their
//! numbers, and the revocations that were made while servers run.
//!
//! A process that can write to the folder can withdraw revocations, as with the policies: it has to belong to countersign
//! alone.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::live::RevocationChange;
use super::reader::ListContent;
use crate::clock::UnixTime;
use crate::limits::{MAX_KEPT_FILE_BYTES, MAX_REVOCATION_LIST_BYTES};
use crate::pdp::state_files::StateFiles;
use crate::secret::Fingerprint;
use crate::sync::lock;
use crate::trust::{ListMark, ListPlace, ListSource};

/// A folder of last known revocations.
#[derive(Debug)]
pub(super) struct RevocationFolder {
    files: StateFiles,
    /// Held while a file is made and written, so that the newest is the last.
    writing: Mutex<()>,
}

/// The mark of a list and its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SavedMark {
    pub(super) mark: ListMark,
    pub(super) as_of: UnixTime,
    /// True if a server confirms it, or a file has its own time.
    pub(super) confirmed: bool,
}

/// A list as it was in force last.
#[derive(Debug)]
pub(super) struct SavedList {
    pub(super) known: SavedMark,
    pub(super) signature: Option<Bytes>,
    text: String,
}

/// The revocations that were made while servers run, as last known.
#[derive(Debug)]
pub(super) struct SavedChanges {
    /// When it was read from the store last.
    pub(super) synced_at: Option<UnixTime>,
    pub(super) changes: Vec<RevocationChange>,
    /// True if none of the file's changes is missing.
    pub(super) is_whole: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedRevocationList {
    /// The list, its place and its signer, so that a file that was copied to another name does not count for another list.
    identity: String,
    /// Milliseconds since 1970.
    as_of: i64,
    confirmed: bool,
    sequence: Option<u64>,
    /// The SHA-256 of the text beside it.
    content: String,
    signature: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredChanges<C> {
    /// Milliseconds since 1970.
    synced_at: Option<i64>,
    changes: Vec<C>,
}

const RUNNING_FILE: &str = "running.json";

impl RevocationFolder {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { files: StateFiles::new(folder), writing: Mutex::new(()) }
    }

    /// The files, with their problems.
    pub(super) const fn files(&self) -> &StateFiles {
        &self.files
    }

    /// The saved state of a list, or `None` if there is none or the file is another list's.
    pub(super) fn list(&self, name: &str, source: &ListSource) -> Option<SavedList> {
        let identity = identity(name, source);
        let [file, text] = names(&identity);
        let (stored, content) = self.files.read(&file, MAX_KEPT_FILE_BYTES, |bytes| {
            let stored: SavedRevocationList = serde_json::from_slice(bytes).ok()?;
            let content = Fingerprint::from_hex(&stored.content)?;
            (stored.identity == identity).then_some((stored, content))
        })?;
        let mark = ListMark { sequence: stored.sequence, content };
        let as_of = UnixTime::from_millis(stored.as_of);
        Some(SavedList {
            known: SavedMark { mark, as_of, confirmed: stored.confirmed },
            signature: stored.signature.map(Bytes::from),
            text,
        })
    }

    /// The text of a saved list, where it is the one that was in force.
    pub(super) fn text(&self, list: &SavedList) -> Option<Vec<u8>> {
        let text = self.files.read(&list.text, MAX_REVOCATION_LIST_BYTES, |text| {
            (Fingerprint::of(text) == list.known.mark.content).then(|| text.to_vec())
        });
        if text.is_none() {
            // Its mark is there: until the list is written again, there is less than before the start.
            self.files
                .note(&list.text, &Err(io::Error::new(io::ErrorKind::NotFound, "it is gone")));
        }
        text
    }

    /// Saves a list that was put in force. Its text is written first: a reader of the mark finds the whole text, or detects
    /// another one.
    ///
    /// # Errors
    /// It is not saved. The previous state stays, or none.
    pub(super) fn write_list(
        &self,
        name: &str,
        source: &ListSource,
        text: &ListContent,
        known: &SavedMark,
    ) -> io::Result<()> {
        let identity = identity(name, source);
        let [file, list] = names(&identity);
        let signature = text.signature.as_ref().map(|bytes| String::from_utf8(bytes.to_vec()));
        let stored = SavedRevocationList {
            identity,
            as_of: known.as_of.as_millis(),
            confirmed: known.confirmed,
            sequence: known.mark.sequence,
            content: known.mark.content.to_hex(),
            signature: signature.transpose().map_err(io::Error::other)?,
        };
        self.files.write(&list, &text.list)?;
        self.files.write(&file, &serde_json::to_vec(&stored)?)
    }

    /// Records that the saved list was confirmed at `as_of`.
    ///
    /// # Errors
    /// As [`Self::write_list`].
    pub(super) fn confirm_list(
        &self,
        name: &str,
        source: &ListSource,
        as_of: UnixTime,
    ) -> io::Result<()> {
        let [file, _] = names(&identity(name, source));
        let parse = |bytes: &[u8]| serde_json::from_slice::<SavedRevocationList>(bytes).ok();
        let Some(stored) = self.files.read(&file, MAX_KEPT_FILE_BYTES, parse) else {
            // It was there when the list came into force.
            let lost = Err(io::Error::new(io::ErrorKind::NotFound, "it is gone"));
            self.files.note(&file, &lost);
            return lost;
        };
        let stored = SavedRevocationList { as_of: as_of.as_millis(), ..stored };
        self.files.write(&file, &serde_json::to_vec(&stored)?)
    }

    /// The revocations that were made while servers ran. A file with changes that cannot be read is copied, and the rest
    /// counts, but not as everything that the store had.
    pub(super) fn changes(&self) -> SavedChanges {
        let parse = |bytes: &[u8]| serde_json::from_slice::<StoredChanges<Value>>(bytes).ok();
        let stored = self.files.read(RUNNING_FILE, MAX_KEPT_FILE_BYTES, parse);
        let Some(stored) = stored else {
            return SavedChanges { synced_at: None, changes: Vec::new(), is_whole: true };
        };
        let count = stored.changes.len();
        let changes = stored.changes.into_iter();
        let changes: Vec<RevocationChange> =
            changes.filter_map(|change| serde_json::from_value(change).ok()).collect();
        let is_whole = changes.len() == count;
        if !is_whole {
            let lost = count.saturating_sub(changes.len());
            self.files
                .copy_aside(RUNNING_FILE, &format!("{lost} of its revocations cannot be read"));
        }
        let synced_at = stored.synced_at.filter(|_| is_whole).map(UnixTime::from_millis);
        SavedChanges { synced_at, changes, is_whole }
    }

    /// Saves the result of `look`.
    ///
    /// # Errors
    /// It is not saved. The previous state stays.
    pub(super) fn write_changes(&self, look: impl FnOnce() -> SavedChanges) -> io::Result<()> {
        let _writing = lock(&self.writing);
        let SavedChanges { synced_at, changes, .. } = look();
        let stored = StoredChanges { synced_at: synced_at.map(UnixTime::as_millis), changes };
        self.files.write(RUNNING_FILE, &serde_json::to_vec(&stored)?)
    }
}

/// The names of the file with the mark of a list and of the one with its text.
fn names(identity: &str) -> [String; 2] {
    let stem = Fingerprint::of(identity.as_bytes()).to_hex();
    ["json", "list"].map(|extension| format!("{stem}.{extension}"))
}

/// A number counts for one list from one place by one signer.
fn identity(name: &str, source: &ListSource) -> String {
    let place = |place: &ListPlace| match place {
        ListPlace::File(path) => path.display().to_string(),
        ListPlace::Remote(remote) => remote.url.uri().to_string(),
    };
    let signer = source.signature.as_ref();
    let signer = signer.map(|by| format!("{}\n{}", place(&by.place), by.keys.revision().to_hex()));
    format!("{name}\n{}\n{}", place(&source.place), signer.unwrap_or_default())
}
