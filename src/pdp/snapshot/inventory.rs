//! The content of a set of files, as far as its loss has to be confirmed: a file that is being written, was emptied or was
//! cut looks like one whose owner took the rest away.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::revision::Revision;
use crate::document::{Document, SourceFile};
use crate::policy::{Effect, Mode, PolicySet};

/// The files on this machine that a snapshot was made from, and what they hold.
#[derive(Debug)]
pub struct Inventory {
    set: Revision,
    files: BTreeMap<PathBuf, HeldFile>,
    /// Documents, and rules that deny.
    holds: BTreeSet<String>,
}

/// The files of a set with errors, by their real folders, as they were when they were first seen there: that set was swapped in whole,
/// and what is in its folders later need not be (P673).
#[derive(Debug)]
pub struct RefusedFiles(BTreeMap<PathBuf, BTreeMap<PathBuf, u64>>);

/// One file.
#[derive(Debug)]
struct HeldFile {
    /// The folder that it is really in, all links followed: a set that is swapped whole gets another one.
    folder: Option<PathBuf>,
    bytes: u64,
    /// A fingerprint of each line that says something.
    lines: Vec<u64>,
    /// True if its last line has its end.
    ended: bool,
}

/// Lines before an end that are looked for in the older file.
const CONTEXT: usize = 3;

impl Inventory {
    pub(super) fn new(
        set: Revision,
        sources: &[Arc<SourceFile>],
        others: &[Document],
        policies: &PolicySet,
    ) -> Self {
        let files = sources.iter().map(|file| (file.path().to_owned(), HeldFile::new(file)));
        let mut holds: BTreeSet<_> = others
            .iter()
            .map(|document| format!("{} `{}`", document.spec.kind(), document.metadata.name.value))
            .collect();
        for (name, effect, mode) in policies.rules() {
            holds.insert(format!("Policy `{}`", name.policy));
            if effect == Effect::Deny && mode == Mode::Enforce {
                holds.insert(format!("the deny rule `{name}`"));
            }
        }
        Self { set, files: files.collect(), holds }
    }

    /// Names the exact bytes of the files on this machine.
    pub const fn set(&self) -> &Revision {
        &self.set
    }

    /// The content that `next` lacks, where files were changed in place. Empty where nothing is lost, or where the whole
    /// set was swapped for another, which shows that it was complete, unless that was `refused` and changed in place since.
    pub fn lost_in(&self, next: &Self, refused: Option<&RefusedFiles>) -> Vec<String> {
        let touched = refused.map(|refused| refused.changed_in(next)).unwrap_or_default();
        let changed = self.files.iter().filter(|(path, held)| {
            let same = next.files.get(*path).is_some_and(|now| now.says_the_same(held));
            !same && !Self::is_swapped(path, held, next, &touched)
        });
        let changed: Vec<_> = changed.collect();
        if changed.is_empty() {
            return Vec::new();
        }
        let mut lost: Vec<_> = self.holds.difference(&next.holds).cloned().collect();
        for (path, held) in changed {
            if next.files.get(path).is_some_and(|now| now.is_cut_from(held)) {
                lost.push(format!("the end of `{}`", path.display()));
            }
        }
        lost
    }

    /// True if the same files are in the same real folders.
    pub fn is_where(&self, other: &Self) -> bool {
        let mut pairs = self.files.iter().zip(&other.files);
        self.files.len() == other.files.len()
            && pairs.all(|(one, two)| one.0 == two.0 && one.1.folder == two.1.folder)
    }

    /// True if `path` was reached by a link, as in a mounted ConfigMap, and its folder now has files of another real folder
    /// and none of the one that it was in, nor of one that was `touched`.
    fn is_swapped(path: &Path, held: &HeldFile, next: &Self, touched: &BTreeSet<&PathBuf>) -> bool {
        let Some(before) = &held.folder else { return false };
        if fs::canonicalize(path.parent().unwrap_or(path)).is_ok_and(|own| own == *before) {
            return false;
        }
        let beside = next.files.iter().filter(|(other, _)| other.parent() == path.parent());
        let folders: BTreeSet<_> = beside.map(|(_, now)| now.folder.as_ref()).collect();
        let is_other = |folder: &PathBuf| folder != before && !touched.contains(folder);
        !folders.is_empty() && folders.into_iter().all(|folder| folder.is_some_and(is_other))
    }
}

impl RefusedFiles {
    /// Those of the documents in `paths`. Does blocking I/O.
    pub(super) fn new(paths: &[PathBuf], sources: &[Arc<SourceFile>]) -> Self {
        // A folder without a file is seen as well.
        let empty = paths.iter().filter_map(|path| fs::canonicalize(path).ok());
        let mut folders: BTreeMap<_, _> = empty.map(|path| (path, BTreeMap::new())).collect();
        for file in sources {
            if let Some(folder) = real_folder(file.path()) {
                let files = folders.entry(folder).or_insert_with(BTreeMap::new);
                files.insert(file.path().to_owned(), hash(file.text()));
            }
        }
        Self(folders)
    }

    /// The same with what an `earlier` look saw in the same folders.
    #[must_use]
    pub fn first_seen(self, earlier: Option<Self>) -> Self {
        let mut earlier = earlier.map(|earlier| earlier.0).unwrap_or_default();
        let mut folders = self.0;
        for (folder, files) in &mut folders {
            if let Some(first) = earlier.remove(folder) {
                *files = first;
            }
        }
        Self(folders)
    }

    /// The folders in which `next` has other files.
    fn changed_in(&self, next: &Inventory) -> BTreeSet<&PathBuf> {
        let mut now: BTreeMap<&PathBuf, BTreeMap<&PathBuf, u64>> = BTreeMap::new();
        for (path, held) in &next.files {
            if let Some(folder) = &held.folder {
                now.entry(folder).or_default().insert(path, held.bytes);
            }
        }
        let is_changed = |(folder, files): &(&PathBuf, &BTreeMap<PathBuf, u64>)| {
            let now = now.get(folder).into_iter().flatten().map(|(path, bytes)| (*path, *bytes));
            !now.eq(files.iter().map(|(path, bytes)| (path, *bytes)))
        };
        self.0.iter().filter(is_changed).map(|(folder, _)| folder).collect()
    }
}

impl HeldFile {
    fn new(file: &SourceFile) -> Self {
        let lines = file.text().lines().map(str::trim_end);
        let lines = lines.filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
        Self {
            folder: real_folder(file.path()),
            bytes: hash(file.text()),
            lines: lines.map(hash).collect(),
            ended: file.text().ends_with('\n'),
        }
    }

    const fn says_the_same(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }

    /// True if this is `before` without its end: cut there as it was, or after lines above were changed.
    fn is_cut_from(&self, before: &Self) -> bool {
        if before.ended && !self.ended {
            return true;
        }
        let (old, new) = (&before.lines, &self.lines);
        if new.len() >= old.len() {
            return false;
        }
        // The last line may also stand where the file was cut.
        if !new.is_empty() && old.starts_with(new) {
            return true;
        }
        if new.last() == old.last() {
            return false;
        }
        let end = new.get(new.len().saturating_sub(CONTEXT)..).unwrap_or_default();
        !end.is_empty() && old.windows(end.len()).any(|lines| lines == end)
    }
}

/// The folder that a file is really in, all links followed.
fn real_folder(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()?.parent().map(Path::to_owned)
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &str) -> HeldFile {
        HeldFile::new(&SourceFile::new("absent.yaml", text))
    }

    /// P163: a truncated file is distinguished from an edited one, also where lines above the cut were changed.
    #[test]
    fn a_cut_file_is_distinguished_from_an_edited_one() {
        let whole = "a: 1\nb: 2\nc: 3\n# note\nd: 4\ne: 5\nf: 6\n";
        let before = held(whole);
        for end in 1..whole.len() {
            let rest = whole.get(..end).unwrap();
            let says_less = held(rest).lines != before.lines;
            assert!(held(rest).is_cut_from(&before) || !says_less, "{rest:?}");
        }
        for (now, is_cut) in [
            ("a: 9\nb: 2\nc: 3\nd: 4\n", true),
            ("a: 1\nb: 2\nf: 6\n", false),
            ("a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 7\n", false),
            ("a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\ng: 7\n", false),
            ("a: 1\n\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6\n# more\n", false),
            ("x: 1\n", false),
        ] {
            assert_eq!(held(now).is_cut_from(&before), is_cut, "{now:?}");
        }
    }
}
