//! The files of one part of the state folder. A damaged file is neither trusted nor overwritten: it is set aside, the log says
//! so, and the server is degraded until an operator has looked at the file and removed it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::replace_file::replace_file;
use crate::sync::lock;

/// A folder of files that outlive a restart.
#[derive(Debug)]
pub struct StateFiles {
    folder: PathBuf,
    /// The files that could not be written last, with the reason.
    unwritten: Mutex<BTreeMap<String, String>>,
    /// The tickets of the contents that were written last. Held while one is written.
    newest: Mutex<BTreeMap<String, u64>>,
    tickets: AtomicU64,
}

/// Ends the name of a damaged file, before a number.
const DAMAGED: &str = ".damaged-";

/// How many damaged files of one name are kept. The last one makes room for the next.
const MOST_DAMAGED: u8 = 9;

impl StateFiles {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            unwritten: Mutex::new(BTreeMap::new()),
            newest: Mutex::new(BTreeMap::new()),
            tickets: AtomicU64::new(0),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The content of a file, or `None` where there is none or `parse` makes nothing of it: then it is set aside.
    pub(super) fn read<T>(
        &self,
        name: &str,
        most: usize,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let path = self.path(name);
        let damage = || io::Error::other("it is damaged");
        let read = bounded(&path, most).and_then(|bytes| parse(&bytes).ok_or_else(damage));
        match read {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let set_aside = set_aside(&path);
                report(&path, &error, &set_aside);
                if let Err(error) = set_aside {
                    self.note(name, &Err(error));
                }
                None
            }
        }
    }

    /// Copies a file of which a part is damaged, so that the next write does not take that part away.
    pub(super) fn copy_aside(&self, name: &str, damage: &str) {
        let path = self.path(name);
        let aside = aside(&path);
        let copied = fs::copy(&path, &aside).map(|_| aside);
        report(&path, &io::Error::other(damage.to_owned()), &copied);
    }

    /// Writes a file.
    ///
    /// # Errors
    /// It is not written. The previous file stays.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let written = replace_file(&self.path(name), content, None);
        self.note(name, &written);
        written
    }

    /// A number for a content that is in force from now on: larger than those before.
    pub(super) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes a file, unless a content with a later ticket was written: threads may come here in any order.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(super) fn write_newest(&self, name: &str, content: &[u8], ticket: u64) -> io::Result<()> {
        let mut newest = lock(&self.newest);
        if newest.get(name).is_some_and(|newest| ticket < *newest) {
            return Ok(());
        }
        newest.insert(name.to_owned(), ticket);
        self.write(name, content)
    }

    /// Notes the result of a write.
    pub(super) fn note(&self, name: &str, written: &io::Result<()>) {
        let mut unwritten = lock(&self.unwritten);
        match written {
            Ok(()) => unwritten.remove(name),
            Err(error) => unwritten.insert(name.to_owned(), error.kind().to_string()),
        };
    }

    /// Why a restart loses something, or has lost something.
    pub fn problem(&self) -> Option<String> {
        let unwritten = lock(&self.unwritten);
        let unwritten =
            unwritten.iter().map(|(name, why)| format!("`{name}` is not written: {why}"));
        let problems: Vec<_> = unwritten.chain(damaged_in(&self.folder)).collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}

/// The damaged files in `folder`, in a sentence.
pub(super) fn damaged_in(folder: &Path) -> Option<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    let mut damaged: Vec<_> = names.filter(|name| name.contains(DAMAGED)).collect();
    damaged.sort_unstable();
    let shown = damaged.join("`, `");
    (!damaged.is_empty())
        .then(|| format!("damaged and set aside: `{shown}` (remove it when you have looked at it)"))
}

/// Renames a damaged file. Returns its new path.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = aside(path);
    fs::rename(path, &aside)?;
    Ok(aside)
}

fn aside(path: &Path) -> PathBuf {
    let named = |number: u8| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("{DAMAGED}{number}"));
        PathBuf::from(name)
    };
    let free = (1..=MOST_DAMAGED).map(named).find(|aside| !aside.exists());
    free.unwrap_or_else(|| named(MOST_DAMAGED))
}

fn report(path: &Path, error: &io::Error, set_aside: &io::Result<PathBuf>) {
    let path = path.display();
    match set_aside {
        Ok(aside) => {
            let aside = aside.display();
            tracing::error!(%path, %error, %aside, "a file of the state folder is lost, and set aside");
        }
        Err(failure) => {
            tracing::error!(%path, %error, %failure, "a file of the state folder is lost, and cannot be set aside");
        }
    }
}

pub(super) fn bounded(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let size = fs::metadata(path)?.len();
    if usize::try_from(size).is_ok_and(|size| size <= most) {
        return fs::read(path);
    }
    Err(io::Error::other("it is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P252: a damaged file is set aside whole, each time, and seen until it is removed; an absent one is nothing special.
    #[test]
    fn a_damaged_file_is_set_aside_and_seen() {
        let folder = tempfile::tempdir().unwrap();
        let files = StateFiles::new(folder.path().to_owned());
        let read = || files.read("a.json", 8, |bytes| (bytes == b"good").then_some(()));
        assert_eq!((read(), files.problem()), (None, None));
        files.write("a.json", b"good").unwrap();
        assert_eq!((read(), files.problem()), (Some(()), None));
        for (number, damaged) in [(1, "goo"), (2, ""), (3, "longer than it may be")] {
            fs::write(files.path("a.json"), damaged).unwrap();
            assert_eq!(read(), None);
            let aside = files.path(&format!("a.json.damaged-{number}"));
            assert_eq!(fs::read_to_string(&aside).unwrap(), damaged);
            assert!(files.problem().unwrap().contains(&format!("a.json.damaged-{number}")));
            assert!(!files.path("a.json").exists(), "the next write does not touch it");
        }
        files.write("a.json", b"good").unwrap();
        assert_eq!(read(), Some(()));
        assert!(files.problem().is_some(), "what was lost before is still lost");
        for number in 1..=3 {
            fs::remove_file(files.path(&format!("a.json.damaged-{number}"))).unwrap();
        }
        assert_eq!(files.problem(), None);
    }

    /// P252: what cannot be written is seen until it is written.
    #[test]
    fn a_folder_that_cannot_be_written_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::write(&path, "a file").unwrap();
        let files = StateFiles::new(path.clone());
        assert!(files.write("a.json", b"x").is_err());
        assert!(files.problem().unwrap().contains("`a.json` is not written"));
        fs::remove_file(&path).unwrap();
        files.write("a.json", b"x").unwrap();
        assert_eq!(files.problem(), None);
    }
}
