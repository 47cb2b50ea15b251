//! The last fetched files, in a folder, so that a restart while their server is away serves at once.
//!
//! A process that can write to the folder can make tokens and certificates count, as with the policies: it belongs to
//! countersign alone.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::limits::MAX_KEY_SET_BYTES;
use crate::pdp::state_files::{StateFiles, bounded};
use crate::secret::Fingerprint;

/// Escaping at most doubles a text, and the rest is small.
pub(in crate::pdp) const MAX_SAVED_BYTES: usize = MAX_KEY_SET_BYTES.saturating_mul(3);

/// A text as it was fetched last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pdp) struct Saved {
    /// The text. It is read as strictly as when it came.
    pub(in crate::pdp) text: Bytes,
    /// When it was fetched.
    pub(in crate::pdp) fetched_at: UnixTime,
    /// When the server that fetched it meant to fetch it again.
    pub(in crate::pdp) next_fetch: Option<UnixTime>,
    /// When each of its keys was fetched for the first time since it was absent, by its thumbprint.
    pub(in crate::pdp) first_seen: BTreeMap<String, UnixTime>,
}

/// One file. Times are milliseconds since the epoch.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// Its address, so that a file that was copied to another name is not taken for another's.
    address: String,
    fetched_at: i64,
    #[serde(default)]
    next_fetch: Option<i64>,
    #[serde(default)]
    first_seen: BTreeMap<String, i64>,
    key_set: String,
}

impl Saved {
    /// Saves it, from `address`, unless a newer one was saved: `ticket` says which is. A reader sees the old file or the new one,
    /// never a part.
    ///
    /// # Errors
    /// It is not saved. The previous file stays.
    pub(in crate::pdp) fn write(
        &self,
        files: &StateFiles,
        address: &str,
        ticket: u64,
    ) -> io::Result<()> {
        let first_seen = self.first_seen.iter();
        let stored = Stored {
            address: address.to_owned(),
            fetched_at: self.fetched_at.as_millis(),
            next_fetch: self.next_fetch.map(UnixTime::as_millis),
            first_seen: first_seen.map(|(key, at)| (key.clone(), at.as_millis())).collect(),
            key_set: String::from_utf8(self.text.to_vec()).map_err(|_| {
                let error = io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8");
                files.note(&name(address), &Err(error));
                io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8")
            })?,
        };
        files.write_newest(&name(address), &serde_json::to_vec(&stored)?, ticket)
    }

    /// The content that a server saved of `address` and `parse` accepts. A damaged file is set aside.
    pub(in crate::pdp) fn restore<T>(
        files: &StateFiles,
        address: &str,
        most: usize,
        parse: impl Fn(Self) -> Option<T>,
    ) -> Option<T> {
        files.read(&name(address), most, |bytes| parse(Self::parse(bytes, address)?))
    }

    /// The same in the folder of another process, which is left as it is.
    pub(in crate::pdp) fn peek(folder: &Path, address: &str) -> Option<Self> {
        Self::parse(&bounded(&folder.join(name(address)), MAX_SAVED_BYTES).ok()?, address)
    }

    fn parse(bytes: &[u8], address: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(bytes).ok()?;
        let first_seen = stored.first_seen.into_iter();
        (stored.address == address).then(|| Self {
            text: stored.key_set.into(),
            fetched_at: UnixTime::from_millis(stored.fetched_at),
            next_fetch: stored.next_fetch.map(UnixTime::from_millis),
            first_seen: first_seen.map(|(key, at)| (key, UnixTime::from_millis(at))).collect(),
        })
    }
}

fn name(address: &str) -> String {
    format!("{}.json", Fingerprint::of(address.as_bytes()).to_hex())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ADDRESS: &str = "https://a.example/jwks";

    fn saved(text: &'static str) -> Saved {
        let (text, fetched_at) = (Bytes::from_static(text.as_bytes()), UnixTime::from_secs(7));
        let first_seen = BTreeMap::from([(String::from("t"), UnixTime::from_secs(5))]);
        Saved { text, fetched_at, next_fetch: Some(UnixTime::from_secs(9)), first_seen }
    }

    /// P266: whichever thread comes last, the newest text stays.
    #[test]
    fn the_newest_text_of_an_address_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = StateFiles::new(folder.path().to_owned());
        assert_eq!(Saved::peek(folder.path(), ADDRESS), None);
        let (older, newer) = (files.ticket(), files.ticket());
        saved("new").write(&files, ADDRESS, newer).unwrap();
        saved("old").write(&files, ADDRESS, older).unwrap();
        assert_eq!(Saved::peek(folder.path(), ADDRESS), Some(saved("new")));
        let other = "https://b.example/jwks";
        fs::copy(files.path(&name(ADDRESS)), files.path(&name(other))).unwrap();
        assert_eq!(Saved::peek(folder.path(), other), None, "it is another's");
    }

    /// P252: a server that starts sets it aside; a command that looks leaves it where it is.
    #[test]
    fn a_damaged_file_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let files = StateFiles::new(folder.path().to_owned());
        for text in ["", "{}", "[", r#"{"address":"https://a.example/jwks","fetched_at":1}"#] {
            let path = files.path(&name(ADDRESS));
            fs::write(&path, text).unwrap();
            assert!(Saved::peek(folder.path(), ADDRESS).is_none() && path.exists(), "{text}");
            let restored = Saved::restore(&files, ADDRESS, MAX_SAVED_BYTES, Some);
            assert!(restored.is_none() && !path.exists(), "{text}");
            assert!(files.problem().is_some_and(|problem| problem.contains("damaged")));
        }
    }
}
