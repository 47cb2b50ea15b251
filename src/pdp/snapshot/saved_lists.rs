//! Certificate revocation lists in a folder, so that none goes back in time over a restart: a list that was in force stays so
//! until one that follows it comes, whatever the files and servers have at the start.
//!
//! A list from the folder counts only with the signature of an authority of the documents. A process that can write to the
//! folder can still take lists away, as with the policies: it belongs to countersign alone.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_ATTACHED_FILE_BYTES, MAX_KEPT_FILE_BYTES};
use crate::pdp::state_files::{bounded, damaged_in, set_aside};
use crate::replace_file::replace_file;
use crate::secret::Fingerprint;
use crate::sync::lock;
use crate::trust::{KnownLists, StoredCrl};
use crate::words::{counted, of_system};

/// A folder of revocation lists.
#[derive(Debug)]
pub struct SavedLists {
    folder: PathBuf,
    state: Mutex<StoredListsState>,
}

/// How keeping lists is going.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedListsStatus {
    /// How many lists are kept.
    pub lists: usize,
    /// The problem of the last read or write.
    pub problem: Option<String>,
}

#[derive(Debug, Default)]
struct StoredListsState {
    /// The content of the folder.
    written: Option<Vec<StoredCrl>>,
    lost: Option<String>,
    unwritten: Option<String>,
}

/// Which lists there are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredIndex {
    lists: Vec<StoredEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredEntry {
    /// Of the list, which is in a file of this name.
    sha256: String,
    origins: BTreeSet<String>,
}

const INDEX_FILE: &str = "index.json";

impl SavedLists {
    /// Keeps lists in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, state: Mutex::default() }
    }

    /// The lists that were kept before the start. A list that cannot be read is logged: without it an older list may come
    /// into force again.
    pub fn read(&self) -> KnownLists {
        let (lists, lost) = self.read_all();
        let index = self.folder.join(INDEX_FILE);
        if lost.is_some() && index.exists() {
            // The log has the loss itself.
            let _ = set_aside(&index);
        }
        match &lost {
            Some(why) => {
                tracing::error!(folder = %self.folder.display(), %why, "revocation lists from before the start are lost");
            }
            None => {
                tracing::info!(lists = lists.len(), "revocation lists from before the start");
            }
        }
        let mut state = lock(&self.state);
        state.lost = lost;
        KnownLists::stored(lists)
    }

    fn read_all(&self) -> (Vec<StoredCrl>, Option<String>) {
        let index = match bounded(&self.folder.join(INDEX_FILE), MAX_KEPT_FILE_BYTES) {
            Ok(index) => index,
            // The first start, unless lists are there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.has_lists() => {
                return (Vec::new(), None);
            }
            Err(error) => {
                return (Vec::new(), Some(format!("`{INDEX_FILE}`: {}", of_system(&error))));
            }
        };
        let Ok(StoredIndex { lists }) = serde_json::from_slice(&index) else {
            return (Vec::new(), Some(format!("`{INDEX_FILE}` cannot be read")));
        };
        let (mut found, mut lost) = (Vec::new(), 0usize);
        for entry in lists {
            match self.read_list(&entry) {
                Some(list) => found.push(list),
                None => lost = lost.saturating_add(1),
            }
        }
        (found, (lost > 0).then(|| format!("{} missing, or not as written", counted(lost, "list"))))
    }

    fn read_list(&self, entry: &StoredEntry) -> Option<StoredCrl> {
        let digest = Fingerprint::from_hex(&entry.sha256)?;
        let der = bounded(&self.path(&digest), MAX_ATTACHED_FILE_BYTES).ok()?;
        let origins = entry.origins.clone();
        (Fingerprint::of(&der) == digest).then(|| StoredCrl { origins, der: der.into() })
    }

    fn has_lists(&self) -> bool {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        files.map(|file| file.path()).any(|path| is_list(&path))
    }

    /// Keeps what is `known` now, where that has changed. Does blocking I/O.
    pub fn write(&self, known: &KnownLists) {
        let lists = known.to_stored();
        let mut state = lock(&self.state);
        if state.written.as_ref() == Some(&lists) && state.unwritten.is_none() {
            return;
        }
        state.unwritten = self.write_all(&lists).err().map(|error| error.to_string());
        if let Some(error) = &state.unwritten {
            tracing::error!(folder = %self.folder.display(), %error, "revocation lists are not kept for a restart");
        }
        state.written = Some(lists);
    }

    /// Lists first, then what names them: a reader finds the old set whole or the new one.
    fn write_all(&self, lists: &[StoredCrl]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut index = StoredIndex { lists: Vec::new() };
        let mut paths = BTreeSet::new();
        for list in lists {
            let digest = Fingerprint::of(&list.der);
            let path = self.path(&digest);
            if !fs::read(&path).is_ok_and(|found| *found == *list.der) {
                replace_file(&path, &list.der, None)?;
            }
            paths.insert(path);
            let (sha256, origins) = (digest.to_hex(), list.origins.clone());
            index.lists.push(StoredEntry { sha256, origins });
        }
        replace_file(&self.folder.join(INDEX_FILE), &serde_json::to_vec(&index)?, None)?;
        if damaged_in(&self.folder).is_some() {
            // An operator may want to look at what the damaged index named.
            return Ok(());
        }
        for file in fs::read_dir(&self.folder)?.flatten() {
            let path = file.path();
            if is_list(&path) && !paths.contains(&path) {
                // One too many is no harm: nothing names it.
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }

    fn path(&self, digest: &Fingerprint) -> PathBuf {
        self.folder.join(format!("{}.crl", digest.to_hex()))
    }

    /// How it is going.
    pub fn status(&self) -> SavedListsStatus {
        let state = lock(&self.state);
        let lost = state.lost.as_ref().map(|why| format!("lost before the start: {why}"));
        let unwritten = state.unwritten.as_ref().map(|why| format!("not written: {why}"));
        let problems = lost.into_iter().chain(unwritten).chain(damaged_in(&self.folder));
        let problems: Vec<_> = problems.collect();
        SavedListsStatus {
            lists: state.written.as_ref().map(Vec::len).unwrap_or_default(),
            problem: (!problems.is_empty()).then(|| problems.join("; ")),
        }
    }
}

fn is_list(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "crl")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, Attachments, SourceFile};
    use crate::trust::TrustStore;
    use crate::trust::tests::pki::{Ca, NOW, trust_domain};

    /// The lists that a server with this list knows after it has loaded it, having known `before`.
    fn loaded(ca: &Ca, list: &[u8], before: &KnownLists) -> (KnownLists, Vec<&'static str>) {
        let spec = "{ authorities: [{ file: ca.pem }], revocation: { crls: [{ file: a.crl }] } }";
        let mut problems = Vec::new();
        let source = SourceFile::new("docs/trust.yaml", trust_domain("prod", spec));
        let documents = document::parse(&source, &mut problems);
        let mut files = Attachments::default();
        files.insert("docs/ca.pem".into(), Ok(ca.pem().into_bytes()));
        files.insert("docs/a.crl".into(), Ok(list.to_vec()));
        let store = TrustStore::compile_after(before, Some(NOW), &documents, &files, &mut problems);
        (
            store.known_lists().clone(),
            problems.iter().map(|problem| problem.code.as_str()).collect(),
        )
    }

    /// P110: the list in force outlives a restart, so that an older one is known for what it is.
    #[test]
    fn lists_in_force_are_found_again_after_a_restart() {
        let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::root("root"));
        let path = folder.path().join("crls");
        let (first, second) = (ca.crl(1, &[]), ca.crl(2, &[7]));
        for (list, codes, restart) in [
            (&first, &[][..], false),
            (&second, &[], true),
            (&first, &["older-crl"], true),
            (&first, &["older-crl"], true),
        ] {
            let kept = SavedLists::new(path.clone());
            let (known, found) = loaded(&ca, list, &kept.read());
            assert_eq!(found, codes, "{restart}");
            kept.write(&known);
            assert_eq!(kept.status(), SavedListsStatus { lists: 1, problem: None });
            let files = fs::read_dir(&path).unwrap().count();
            assert_eq!(files, 2, "the index and one list");
        }
        let (_, codes) = loaded(&ca, &first, &KnownLists::default());
        assert!(codes.is_empty(), "without a state folder an older list is not noticed");
    }

    /// P110: a missing or damaged list is logged, and no part of it counts that is not as it was written.
    #[test]
    fn a_damaged_folder_is_reported() {
        let (folder, ca) = (tempfile::tempdir().unwrap(), Ca::root("root"));
        let kept = SavedLists::new(folder.path().to_owned());
        let none = kept.read();
        assert_eq!(kept.status(), SavedListsStatus::default(), "the first start");
        let (known, _) = loaded(&ca, &ca.crl(1, &[7]), &none);
        kept.write(&known);
        let files = || fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        let list = files().find(|path| is_list(path)).unwrap();
        let whole = fs::read(&list).unwrap();
        let problem = |damage: &dyn Fn()| {
            kept.write(&KnownLists::default());
            kept.write(&known);
            damage();
            let again = SavedLists::new(folder.path().to_owned());
            assert!(again.read().to_stored().is_empty());
            again.status().problem.unwrap()
        };
        let index = folder.path().join(INDEX_FILE);
        assert!(problem(&|| fs::remove_file(&list).unwrap()).contains("1 list missing"));
        assert!(problem(&|| fs::write(&list, &whole[1..]).unwrap()).contains("1 list missing"));
        assert!(problem(&|| fs::remove_file(&index).unwrap()).contains(INDEX_FILE));
        assert!(problem(&|| fs::write(&index, "{").unwrap()).contains("cannot be read"));
        // P252: set aside each time, and seen after the next restart too.
        kept.write(&KnownLists::default());
        kept.write(&known);
        let again = SavedLists::new(folder.path().to_owned());
        assert!(!again.read().to_stored().is_empty());
        assert!(again.status().problem.unwrap().contains("index.json.damaged-1"));
    }

    /// P110: what was put into the folder by others counts with the signature of an authority only.
    #[test]
    fn a_forged_list_in_the_folder_is_not_trusted() {
        let (ca, twin) = (Ca::root("root"), Ca::root("root"));
        let origins = BTreeSet::from([String::from("docs/a.crl")]);
        let forged = StoredCrl { origins, der: twin.crl(9, &[]).into() };
        let (known, codes) = loaded(&ca, &ca.crl(1, &[7]), &KnownLists::stored(vec![forged]));
        assert!(codes.is_empty(), "{codes:?}");
        assert_eq!(known.to_stored().len(), 2, "it may be another document's, and is kept");
    }
}
