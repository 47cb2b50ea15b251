//! The folder that everything of one demo lives in.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::DemoError;
use countersign::replace_file::replace_file;

/// The folder of a demo: a temporary one that goes when this value goes, or one that the user named.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Present while the folder is to be removed in the end.
    temporary: Option<TempDir>,
}

impl Folder {
    /// A new temporary folder. Its name is short: Unix socket paths are limited to 107 bytes.
    pub(crate) fn temporary() -> Result<Self, DemoError> {
        let temporary = tempfile::Builder::new()
            .prefix("countersign-demo-")
            .tempdir()
            .map_err(DemoError::file("create", std::env::temp_dir()))?;
        Ok(Self { path: temporary.path().to_owned(), temporary: Some(temporary) })
    }

    /// The folder `path`, made if it is missing. It stays in the end.
    pub(crate) fn named(path: &Path) -> Result<Self, DemoError> {
        fs::create_dir_all(path).map_err(DemoError::file("create", path))?;
        // Children run with this folder as their working directory, so paths in it must not be relative.
        let path = path.canonicalize().map_err(DemoError::file("read", path))?;
        let mut entries = fs::read_dir(&path).map_err(DemoError::file("read", &path))?;
        if entries.next().is_some() {
            return Err(DemoError::FolderNotEmpty(path));
        }
        Ok(Self { path, temporary: None })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    /// True if it will be removed in the end.
    pub(crate) const fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    pub(crate) fn keep(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            let _path = temporary.keep();
        }
    }

    /// Replaces the file `relative` atomically. The owner alone can read it: some of the files are private keys.
    pub(crate) fn write(
        &self,
        relative: &str,
        contents: impl AsRef<[u8]>,
    ) -> Result<PathBuf, DemoError> {
        let path = self.join(relative);
        replace_file(&path, contents.as_ref(), None).map_err(DemoError::file("write", &path))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        use super::*;
        let outer = tempfile::tempdir().unwrap();
        let named = outer.path().join("demo");
        Folder::named(&named).unwrap().write("ca/prod.pem", "x").unwrap();
        let refused = Folder::named(&named).unwrap_err().to_string();
        assert!(refused.contains("is not empty"), "{refused}");
    }

    #[test]
    fn a_temporary_folder_goes_unless_it_is_kept() {
        use super::*;
        let gone = Folder::temporary().unwrap();
        let path = gone.path().to_owned();
        drop(gone);
        assert!(!path.exists());

        let mut kept = Folder::temporary().unwrap();
        kept.keep();
        assert!(!kept.is_temporary());
        let path = kept.path().to_owned();
        drop(kept);
        assert!(path.is_dir());
        fs::remove_dir_all(path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_private_key_is_readable_for_its_owner_only() {
        use super::*;
        use std::os::unix::fs::PermissionsExt as _;
        let folder = Folder::temporary().unwrap();
        let path = folder.write("clients/frontend.key", "x").unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
