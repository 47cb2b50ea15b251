//! Last good key sets in a folder, so that a restart while an issuer is down serves at once.
//!
//! A process that can write to the folder can make tokens, as with the policies: it belongs to countersign alone.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::limits::MAX_KEY_SET_BYTES;
use crate::pdp::kept_files::{KeptFiles, bounded};
use crate::secret::Fingerprint;
use crate::trust::{KeySet, RemoteKeys};

/// When each key of a set was fetched for the first time since it was absent, by its thumbprint.
pub type FirstSeen = BTreeMap<String, UnixTime>;

/// Escaping at most doubles a text, and the rest is small.
const MAX_FILE_BYTES: usize = MAX_KEY_SET_BYTES.saturating_mul(3);

/// One file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// Where the keys are from, so that a file that was copied to another name is not taken for another's.
    address: String,
    /// Milliseconds since the epoch.
    fetched_at: i64,
    /// When the server meant to fetch them again, in milliseconds since the epoch.
    #[serde(default)]
    next_fetch: Option<i64>,
    /// When each key was first fetched, by its thumbprint, in milliseconds since the epoch.
    #[serde(default)]
    first_seen: BTreeMap<String, i64>,
    /// The key set as it was fetched: it is read as strictly as when it came.
    key_set: String,
}

/// The last good keys of one address.
#[derive(Clone, Debug)]
pub struct LastGood {
    /// The keys.
    pub keys: Arc<KeySet>,
    /// When they were fetched.
    pub fetched_at: UnixTime,
    /// When the server that fetched them meant to fetch them again.
    pub next_fetch: Option<UnixTime>,
    /// When each of them was first fetched.
    pub first_seen: FirstSeen,
}

/// Keeps `last`, the keys of `source`, with the text that they came as; a reader sees the old file or the new one, never a
/// part.
pub(super) fn write(
    files: &KeptFiles,
    source: &RemoteKeys,
    text: &[u8],
    last: &LastGood,
) -> io::Result<()> {
    let key_set = String::from_utf8(text.to_vec()).map_err(io::Error::other)?;
    let first_seen = last.first_seen.iter();
    let stored = Stored {
        address: address(source),
        fetched_at: last.fetched_at.as_millis(),
        next_fetch: last.next_fetch.map(UnixTime::as_millis),
        first_seen: first_seen.map(|(key, at)| (key.clone(), at.as_millis())).collect(),
        key_set,
    };
    files.write(&name(source), &serde_json::to_vec(&stored)?)
}

/// The keys of `source` that were kept before the start.
pub(super) fn restore(files: &KeptFiles, source: &RemoteKeys) -> Option<LastGood> {
    files.read(&name(source), MAX_FILE_BYTES, |bytes| parse(bytes, source))
}

/// The keys of `source` in the folder of a server: none where there is no file, or one that is not ours.
pub fn read(folder: &Path, source: &RemoteKeys) -> Option<LastGood> {
    parse(&bounded(&folder.join(name(source)), MAX_FILE_BYTES).ok()?, source)
}

fn parse(bytes: &[u8], source: &RemoteKeys) -> Option<LastGood> {
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    if stored.address != address(source) {
        return None;
    }
    let first_seen = stored.first_seen.into_iter();
    Some(LastGood {
        keys: Arc::new(KeySet::parse(stored.key_set.as_bytes(), source.purpose).ok()?),
        fetched_at: UnixTime::from_millis(stored.fetched_at),
        next_fetch: stored.next_fetch.map(UnixTime::from_millis),
        first_seen: first_seen.map(|(key, at)| (key, UnixTime::from_millis(at))).collect(),
    })
}

fn address(source: &RemoteKeys) -> String {
    source.url.uri().to_string()
}

fn name(source: &RemoteKeys) -> String {
    format!("{}.json", Fingerprint::of(address(source).as_bytes()).to_hex())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::trust::{KeyPurpose, KeyUrl};

    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn source(url: &str) -> RemoteKeys {
        RemoteKeys {
            url: KeyUrl::parse(url, false).unwrap(),
            discovery: None,
            purpose: KeyPurpose::Jwt,
            authorities: None,
            refresh: Duration::from_secs(300),
            max_stale: Duration::from_secs(3600),
        }
    }

    #[test]
    fn what_is_kept_is_found_again_for_the_same_address_only() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (source("https://a.example/jwks"), source("https://b.example/jwks"));
        assert!(read(folder.path(), &a).is_none());
        let keys = Arc::new(KeySet::parse(KEYS.as_bytes(), KeyPurpose::Jwt).unwrap());
        let first_seen = FirstSeen::from([(String::from("t"), UnixTime::from_secs(5))]);
        let (fetched_at, next_fetch) = (UnixTime::from_secs(7), Some(UnixTime::from_secs(9)));
        let last = LastGood { keys, fetched_at, next_fetch, first_seen };
        let files = KeptFiles::new(folder.path().to_owned());
        write(&files, &a, KEYS.as_bytes(), &last).unwrap();
        let found = read(folder.path(), &a).unwrap();
        assert!(found.keys.has("k"));
        assert_eq!((found.fetched_at, found.next_fetch), (last.fetched_at, last.next_fetch));
        assert_eq!(found.first_seen, last.first_seen);
        fs::copy(files.path(&name(&a)), files.path(&name(&b))).unwrap();
        assert!(read(folder.path(), &b).is_none());
    }

    /// P252: a server that starts sets it aside; a command that looks leaves it where it is.
    #[test]
    fn a_damaged_file_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let files = KeptFiles::new(folder.path().to_owned());
        let source = source("https://a.example/jwks");
        for text in
            ["", "{}", "[", r#"{"address":"https://a.example/jwks","fetched_at":1,"key_set":"<"}"#]
        {
            let path = files.path(&name(&source));
            fs::write(&path, text).unwrap();
            assert!(read(folder.path(), &source).is_none() && path.exists(), "{text}");
            assert!(restore(&files, &source).is_none() && !path.exists(), "{text}");
            assert!(files.problem().is_some_and(|problem| problem.contains("damaged")));
        }
    }
}
