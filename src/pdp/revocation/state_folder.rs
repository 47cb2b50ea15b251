//! The last known revocations, in a folder, so that a restart begins with them: the lists that were in force with their
//! numbers, and the revocations that were made while servers run.
//!
//! A process that can write to the folder can withdraw revocations, as with the policies: it has to belong to countersign
//! alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::live::Change;
use super::reader::Text;
use crate::clock::UnixTime;
use crate::limits::{MAX_KEPT_FILE_BYTES, MAX_REVOCATION_LIST_BYTES};
use crate::replace_file::replace_file;
use crate::secret::Fingerprint;
use crate::sync::lock;
use crate::trust::{ListMark, ListPlace, ListSource};

/// A folder of last known revocations.
#[derive(Debug)]
pub(super) struct StateFolder {
    folder: PathBuf,
    /// Held while a file is made and written, so that the newest is the last.
    writing: Mutex<()>,
}

/// The mark of a list and its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SavedMark {
    pub(super) mark: ListMark,
    pub(super) as_of: UnixTime,
    /// Whether a server confirms it, or a file has its own time.
    pub(super) confirmed: bool,
}

/// A list as it was in force last.
#[derive(Debug)]
pub(super) struct SavedList {
    pub(super) known: SavedMark,
    pub(super) signature: Option<Bytes>,
    path: PathBuf,
}

/// The revocations that were made while servers run, as last known.
#[derive(Debug, Default)]
pub(super) struct SavedChanges {
    /// When it was read from the store last.
    pub(super) synced_at: Option<UnixTime>,
    pub(super) changes: Vec<Change>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredList {
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

impl StateFolder {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder, writing: Mutex::new(()) }
    }

    /// The saved state of a list, or `None` if there is none or the file is another list's.
    pub(super) fn list(&self, name: &str, source: &ListSource) -> Option<SavedList> {
        let identity = identity(name, source);
        let path = self.path(&identity);
        let stored: StoredList = read(&path.with_extension("json"))?;
        let mark = ListMark {
            sequence: stored.sequence,
            content: Fingerprint::from_hex(&stored.content)?,
        };
        let as_of = UnixTime::from_millis(stored.as_of);
        (stored.identity == identity).then(|| SavedList {
            known: SavedMark { mark, as_of, confirmed: stored.confirmed },
            signature: stored.signature.map(Bytes::from),
            path: path.with_extension("list"),
        })
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
        text: &Text,
        known: &SavedMark,
    ) -> io::Result<()> {
        let identity = identity(name, source);
        let path = self.path(&identity);
        let signature = text.signature.as_ref().map(|bytes| String::from_utf8(bytes.to_vec()));
        let stored = StoredList {
            identity,
            as_of: known.as_of.as_millis(),
            confirmed: known.confirmed,
            sequence: known.mark.sequence,
            content: known.mark.content.to_hex(),
            signature: signature.transpose().map_err(io::Error::other)?,
        };
        replace_file(&path.with_extension("list"), &text.list, None)?;
        replace_file(&path.with_extension("json"), &serde_json::to_vec(&stored)?, None)
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
        let path = self.path(&identity(name, source)).with_extension("json");
        let Some(stored) = read::<StoredList>(&path) else { return Ok(()) };
        let stored = StoredList { as_of: as_of.as_millis(), ..stored };
        replace_file(&path, &serde_json::to_vec(&stored)?, None)
    }

    /// The revocations that were made while servers ran. Changes that cannot be read are skipped; the rest counts, but not
    /// as everything that the store had.
    pub(super) fn changes(&self) -> SavedChanges {
        let stored = read::<StoredChanges<Value>>(&self.folder.join(RUNNING_FILE));
        let Some(stored) = stored else { return SavedChanges::default() };
        let count = stored.changes.len();
        let changes = stored.changes.into_iter();
        let changes: Vec<Change> =
            changes.filter_map(|change| serde_json::from_value(change).ok()).collect();
        let is_whole = changes.len() == count;
        let synced_at = stored.synced_at.filter(|_| is_whole).map(UnixTime::from_millis);
        SavedChanges { synced_at, changes }
    }

    /// Saves the result of `look`.
    ///
    /// # Errors
    /// It is not saved. The previous state stays.
    pub(super) fn write_changes(&self, look: impl FnOnce() -> SavedChanges) -> io::Result<()> {
        let _writing = lock(&self.writing);
        let SavedChanges { synced_at, changes } = look();
        let stored = StoredChanges { synced_at: synced_at.map(UnixTime::as_millis), changes };
        replace_file(&self.folder.join(RUNNING_FILE), &serde_json::to_vec(&stored)?, None)
    }

    fn path(&self, identity: &str) -> PathBuf {
        self.folder.join(Fingerprint::of(identity.as_bytes()).to_hex())
    }
}

impl SavedList {
    /// Its text, where it is the one that was in force.
    pub(super) fn text(&self) -> Option<Vec<u8>> {
        let text = bounded(&self.path, MAX_REVOCATION_LIST_BYTES)?;
        (Fingerprint::of(&text) == self.known.mark.content).then_some(text)
    }
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

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&bounded(path, MAX_KEPT_FILE_BYTES)?).ok()
}

fn bounded(path: &Path, most: usize) -> Option<Vec<u8>> {
    let size = usize::try_from(fs::metadata(path).ok()?.len()).ok()?;
    (size <= most).then(|| fs::read(path).ok())?
}
