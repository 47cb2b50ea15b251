//! Records in a file that rotates when it is large and is opened again when another program has moved it away.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Record;
use super::sink::{Lines, Sink, lines};
use crate::clock::Stopwatch;

/// When a file is put aside and a new one begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rotation {
    /// Largest file in bytes; only a single larger record makes a larger one.
    pub max_bytes: u64,
    /// How many older files are kept beside it, as `NAME.1` (the youngest), `NAME.2`, ...
    pub keep: u16,
}

/// A file of JSON lines.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    rotation: Option<Rotation>,
    out: Lines<File>,
    /// Which file `out` writes to: device and inode.
    identity: (u64, u64),
    size: u64,
    /// Since it was last looked at whether the file is still at its path.
    looked: Stopwatch,
    /// Set when another program has moved the file away.
    reopen: Arc<AtomicBool>,
}

/// How often it is looked at whether the file was moved away.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Smallest size that can be set: the largest record has most of it.
const MIN_FILE_BYTES: u64 = 64 * 1024;

impl Default for Rotation {
    fn default() -> Self {
        // Some 800,000 records.
        Self { max_bytes: 100 * 1024 * 1024, keep: 8 }
    }
}

impl Rotation {
    /// Checks what the types leave open.
    pub(super) fn check(self) -> Result<(), String> {
        if self.max_bytes < MIN_FILE_BYTES {
            return Err(format!(
                "`audit.rotation.maxBytes` is {}, expected at least {MIN_FILE_BYTES}",
                self.max_bytes
            ));
        }
        if self.keep == 0 {
            return Err("`audit.rotation.keep` is 0, which would delete every full file".into());
        }
        Ok(())
    }
}

impl FileSink {
    /// Opens the file at `path`, which is opened again after `reopen` was set.
    pub(super) fn open(
        path: &Path,
        rotation: Option<Rotation>,
        reopen: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let (out, identity, size) = open(path)?;
        let (path, looked) = (path.to_owned(), Stopwatch::start());
        Ok(Self { path, rotation, out, identity, size, looked, reopen })
    }

    /// Opens a new file where the old one is no longer at its path. If that fails the old one stays in use.
    fn follow(&mut self) -> io::Result<()> {
        let asked = self.reopen.swap(false, Ordering::SeqCst);
        if !asked && self.looked.elapsed() < LOOK_AGAIN {
            return Ok(());
        }
        self.looked = Stopwatch::start();
        let there = fs::metadata(&self.path).map(|found| (found.dev(), found.ino()));
        match there {
            Ok(identity) if identity == self.identity => Ok(()),
            Ok(_) | Err(_) => self.begin(),
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        (self.out, self.identity, self.size) = open(&self.path)?;
        Ok(())
    }

    /// Puts the file aside where `more` bytes would make it too large.
    fn rotate(&mut self, more: u64) -> io::Result<()> {
        let Some(Rotation { max_bytes, keep }) = self.rotation else { return Ok(()) };
        if self.size == 0 || self.size.saturating_add(more) <= max_bytes {
            return Ok(());
        }
        for older in (1..keep).rev() {
            let from = aside(&self.path, older);
            if from.exists() {
                fs::rename(from, aside(&self.path, older.saturating_add(1)))?;
            }
        }
        fs::rename(&self.path, aside(&self.path, 1))?;
        self.begin()
    }

    /// Writes as many of `records` as fit into one file.
    fn write(&mut self, records: &[Record]) -> io::Result<()> {
        let text = lines(records);
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        // A file that cannot be rotated keeps growing: a record is worth more than a tidy folder.
        if let Err(error) = self.rotate(bytes) {
            tracing::warn!(%error, "the audit file cannot be rotated");
        }
        self.size = self.size.saturating_add(bytes);
        self.out.write(&text)
    }
}

impl Sink for FileSink {
    fn take(&mut self, records: &[Record]) -> io::Result<()> {
        if let Err(error) = self.follow() {
            tracing::warn!(%error, "the audit file was moved away and cannot be opened again");
        }
        self.write(records)
    }
}

/// The file at `path` to append to, which it is, and how large.
fn open(path: &Path) -> io::Result<(Lines<File>, (u64, u64), u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let found = file.metadata()?;
    Ok((Lines::new(file), (found.dev(), found.ino()), found.len()))
}

/// The older files beside the log at `path`, the youngest first.
pub fn put_aside(path: &Path) -> impl Iterator<Item = PathBuf> {
    (1..=u16::MAX).map(|turns| aside(path, turns)).take_while(|file| file.exists())
}

/// The path of the file that was put aside so many turns ago.
fn aside(path: &Path, turns: u16) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{turns}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(ids: std::ops::Range<u64>) -> Vec<Record> {
        ids.map(|id| Record::brief("allow", id)).collect()
    }

    fn ids(path: &Path) -> Vec<u64> {
        let text = fs::read_to_string(path).unwrap();
        let id = |line: &str| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["decision_id"].as_str().unwrap().parse().unwrap()
        };
        text.lines().map(id).collect()
    }

    #[test]
    fn a_full_file_is_put_aside_and_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let line = u64::try_from(lines(&records(0..1)).len()).unwrap();
        let rotation = Some(Rotation { max_bytes: 3 * line, keep: 2 });
        let mut sink = FileSink::open(&path, rotation, Arc::default()).unwrap();
        for id in 0..11 {
            sink.take(&records(id..id + 1)).unwrap();
        }
        assert_eq!(ids(&path), [9, 10]);
        assert_eq!(ids(&aside(&path, 1)), [6, 7, 8]);
        assert_eq!(ids(&aside(&path, 2)), [3, 4, 5]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        // Content from before a restart counts.
        let mut sink = FileSink::open(&path, rotation, Arc::default()).unwrap();
        sink.take(&records(11..12)).unwrap();
        sink.take(&records(12..13)).unwrap();
        assert_eq!((ids(&aside(&path, 1)), ids(&path)), (vec![9, 10, 11], vec![12]));
    }

    /// As logrotate does it: moved away, then SIGHUP.
    #[test]
    fn a_file_that_was_moved_away_is_opened_again_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit.jsonl"), folder.path().join("moved"));
        let reopen = Arc::<AtomicBool>::default();
        let mut sink = FileSink::open(&path, None, Arc::clone(&reopen)).unwrap();
        sink.take(&records(0..2)).unwrap();
        fs::rename(&path, &moved).unwrap();
        reopen.store(true, Ordering::SeqCst);
        sink.take(&records(2..4)).unwrap();
        assert_eq!((ids(&moved), ids(&path)), (vec![0, 1], vec![2, 3]));
        // A request to reopen without a reason does nothing.
        reopen.store(true, Ordering::SeqCst);
        sink.take(&records(4..5)).unwrap();
        assert_eq!(ids(&path), [2, 3, 4]);
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_again_without_a_request() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit.jsonl"), folder.path().join("moved"));
        let mut sink = FileSink::open(&path, None, Arc::default()).unwrap();
        sink.take(&records(0..1)).unwrap();
        fs::rename(&path, &moved).unwrap();
        let watch = Stopwatch::start();
        for id in 1.. {
            sink.take(&records(id..id + 1)).unwrap();
            if path.exists() {
                break;
            }
            assert!(watch.elapsed() < Duration::from_secs(30), "it is never missed");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let (old, new) = (ids(&moved), ids(&path));
        let all: Vec<_> = old.iter().chain(&new).copied().collect();
        assert_eq!(all, (0..=*new.last().unwrap()).collect::<Vec<_>>(), "none is lost");
    }

    #[test]
    fn records_are_written_where_rotation_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::create_dir(aside(&path, 1)).unwrap();
        let rotation = Some(Rotation { max_bytes: 1, keep: 1 });
        let mut sink = FileSink::open(&path, rotation, Arc::default()).unwrap();
        for id in 0..3 {
            sink.take(&records(id..id + 1)).unwrap();
        }
        assert_eq!(ids(&path), [0, 1, 2]);
    }
}
