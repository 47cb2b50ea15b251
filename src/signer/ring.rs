//! The keys in force: which one signs, which ones are published, and when the next one takes over.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::key::SigningKey;
use super::options::{AssertionKeys, GeneratedKeys};
use crate::clock::UnixTime;
use crate::limits::MAX_KEYS;
use crate::secret::{Fingerprint, Secret};

/// Keys, of which the first signs. There is always one.
#[derive(Debug)]
pub(super) struct Ring {
    signing: Arc<SigningKey>,
    others: Vec<Arc<SigningKey>>,
    key_set: String,
    /// The seed that it was made from, or the time.
    made: Made,
}

#[derive(Debug)]
enum Made {
    Read(Fingerprint),
    Generated(UnixTime),
}

/// Largest file of a key: RSA keys, which are not used, have some 3 KiB.
const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

impl Ring {
    pub(super) fn first(keys: &AssertionKeys, now: UnixTime) -> Result<Self, String> {
        match keys {
            AssertionKeys::Generated(_) => {
                // The second one signs next and is published already.
                let (signing, next) = (generate()?, generate()?);
                Ok(Self::new(signing, vec![next], Made::Generated(now)))
            }
            AssertionKeys::Files(files) => Self::read(files),
            AssertionKeys::Folder(folder) => Self::read(&files_in(folder)?),
        }
    }

    /// The ring that takes over from this one; `None` where it stays.
    pub(super) fn next(&self, keys: &AssertionKeys, now: UnixTime) -> Result<Option<Self>, String> {
        match (keys, &self.made) {
            (AssertionKeys::Generated(GeneratedKeys { rotation }), Made::Generated(at)) => {
                if now.since(*at) < rotation.get() {
                    return Ok(None);
                }
                // The previous key is published for one more period, which is longer than any assertion lives.
                let next =
                    self.others.first().map_or_else(generate, |next| Ok(Arc::clone(next)))?;
                let others = vec![generate()?, Arc::clone(&self.signing)];
                Ok(Some(Self::new(next, others, Made::Generated(now))))
            }
            (keys, made) => {
                let ring = Self::first(keys, now)?;
                let same = match (made, &ring.made) {
                    (Made::Read(old), Made::Read(new)) => old == new,
                    (Made::Read(_) | Made::Generated(_), _) => false,
                };
                Ok((!same).then_some(ring))
            }
        }
    }

    fn read(files: &[PathBuf]) -> Result<Self, String> {
        if files.len() > MAX_KEYS {
            return Err(format!("more than {MAX_KEYS} assertion keys"));
        }
        let mut prints = Vec::new();
        let mut keys = Vec::new();
        for path in files {
            let bytes = read_file(path)?;
            prints.extend_from_slice(Fingerprint::of(bytes.expose()).as_bytes());
            let key = SigningKey::parse(bytes.expose())
                .map_err(|why| format!("`{}` cannot sign assertions: {why}", path.display()))?;
            keys.push(Arc::new(key));
        }
        let mut ids: Vec<&str> = keys.iter().map(|key| key.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < keys.len() {
            return Err("two assertion keys are the same, or have the same `kid`".to_owned());
        }
        let mut keys = keys.into_iter();
        let signing = keys.next().ok_or("there is no assertion key: name a private key")?;
        Ok(Self::new(signing, keys.collect(), Made::Read(Fingerprint::of(&prints))))
    }

    fn new(signing: Arc<SigningKey>, others: Vec<Arc<SigningKey>>, made: Made) -> Self {
        let all = std::iter::once(&signing).chain(&others);
        let keys: Vec<_> = all.map(|key| key.public().clone()).collect();
        let key_set = format!("{}\n", json!({ "keys": keys }));
        Self { signing, others, key_set, made }
    }

    pub(super) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    pub(super) fn key_set(&self) -> &str {
        &self.key_set
    }
}

fn generate() -> Result<Arc<SigningKey>, String> {
    let key = SigningKey::generate().ok_or("the system has no randomness for an assertion key")?;
    Ok(Arc::new(key))
}

/// In the order of their names. Those that start with a dot are the folders behind the links of a mounted Secret.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: std::io::Error| format!("cannot read `{}`: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(format!("`{}` has no assertion key", folder.display()));
    }
    Ok(files)
}

fn read_file(path: &Path) -> Result<Secret<Vec<u8>>, String> {
    let unreadable = |error| format!("cannot read `{}`: {error}", path.display());
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_KEY_FILE_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Secret::new(bytes))
}
