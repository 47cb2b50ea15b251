//! Files that are written all or not at all, and never over others.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::cli::CommandError;
use crate::cli::files::shown;
use crate::words::of_system;

/// A file to write.
pub(super) struct NewFile {
    /// Its path in the folder.
    pub(super) path: &'static str,
    pub(super) text: String,
    /// True if its owner alone may read it.
    pub(super) is_secret: bool,
}

impl NewFile {
    /// The mode of its folder: that of secrets is for its owner alone, with everything that is put there later.
    fn folder_mode(&self) -> u32 {
        if self.path.starts_with("dev/") { 0o700 } else { 0o777 }
    }
}

/// The files and folders that were made, in their order.
#[derive(Default)]
struct Made(Vec<PathBuf>);

/// Writes `files` into `folder`, which is made if it is missing.
///
/// # Errors
/// A file is in the way, or one cannot be written. Nothing is left then.
pub(super) fn all_or_none(folder: &Path, files: &[NewFile]) -> Result<(), CommandError> {
    if let Some(path) = files.iter().find_map(|file| in_the_way(folder, file.path)) {
        return Err(CommandError::failure(format_args!(
            "`{}` is there already, and nothing was written: name another folder, or move it away",
            shown(&path)
        )));
    }
    let mut made = Made::default();
    for file in files {
        let path = folder.join(file.path);
        if let Err(error) = made.write(&path, file) {
            made.remove();
            return Err(CommandError::failure(format_args!(
                "cannot write `{}`, and nothing was written: {}",
                shown(&path),
                of_system(&error)
            )));
        }
    }
    Ok(())
}

/// The file of ours that is there, a link in the place of our folder, else the first file in our folder of documents: the two together
/// might not pass.
fn in_the_way(folder: &Path, own: &str) -> Option<PathBuf> {
    let path = folder.join(own);
    let folders = Path::new(own).ancestors().skip(1).filter(|own| !own.as_os_str().is_empty());
    if let Some(link) = folders.map(|own| folder.join(own)).find(|own| own.is_symlink()) {
        return Some(link);
    }
    if fs::symlink_metadata(&path).is_ok() {
        return Some(path);
    }
    let documents = path.parent().filter(|parent| parent.ends_with("documents"))?;
    let other = fs::read_dir(documents).ok()?.next()?.ok()?;
    Some(other.path())
}

impl Made {
    fn write(&mut self, path: &Path, file: &NewFile) -> io::Result<()> {
        self.folder(path.parent().unwrap_or(Path::new("")), file.folder_mode())?;
        let mode = if file.is_secret { 0o600 } else { 0o666 };
        let mut created = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        self.0.push(path.to_owned());
        created.write_all(file.text.as_bytes())
    }

    fn folder(&mut self, path: &Path, mode: u32) -> io::Result<()> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        self.folder(path.parent().unwrap_or(Path::new("")), 0o777)?;
        DirBuilder::new().mode(mode).create(path)?;
        self.0.push(path.to_owned());
        Ok(())
    }

    fn remove(self) {
        for path in self.0.iter().rev() {
            // The error that led here is the one to report.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P627: no file is written through a link that was there, and the folder of secrets is its owner's.
    #[test]
    fn no_folder_is_a_link_and_that_of_secrets_is_private() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = |path| NewFile { path, text: String::from("ours"), is_secret: true };
        for link in ["dev", "documents"] {
            let at = folder.path().join(link);
            std::os::unix::fs::symlink(other.path(), &at).unwrap();
            let files = [file("one.yaml"), file("dev/a.key"), file("documents/deep/a.yaml")];
            let refused = all_or_none(folder.path(), &files).unwrap_err();
            assert!(format!("{refused:?}").contains(link), "{refused:?}");
            fs::remove_file(at).unwrap();
        }
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
        all_or_none(folder.path(), &[file("dev/a.key")]).unwrap();
        let mode = |path: &str| {
            let found = fs::metadata(folder.path().join(path)).unwrap();
            std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o777
        };
        assert_eq!((mode("dev"), mode("dev/a.key")), (0o700, 0o600));
    }

    /// P590: what cannot be written whole is not written at all, also where that shows late.
    #[test]
    fn a_file_that_cannot_be_written_takes_the_others_with_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in-the-way"), "theirs").unwrap();
        let file = |path| NewFile { path, text: String::from("ours"), is_secret: false };
        let files = [file("new/deep/one.yaml"), file("two.yaml"), file("in-the-way/three.yaml")];
        assert!(all_or_none(folder.path(), &files).is_err());
        let left = fs::read_dir(folder.path()).unwrap().map(|own| own.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), ["in-the-way"]);
    }
}
