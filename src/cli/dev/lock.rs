//! One `countersign dev` in a folder: a lock that ends with its process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::cli::CommandError;
use crate::cli::files::shown;

/// Held while `dev` runs. It has the number of its process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock in the file `path`.
    ///
    /// # Errors
    /// Another process has it.
    pub(super) fn take(path: &Path) -> Result<Self, CommandError> {
        let failed = |error: io::Error| {
            CommandError::failure(format_args!("cannot write `{}`: {error}", shown(path)))
        };
        if fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink()) {
            return Err(failed(io::Error::other("it is a link, which is not followed")));
        }
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(Self::is_held(path)),
            // A file system without locks: the addresses are looked at, too.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }

    fn is_held(path: &Path) -> CommandError {
        let id = fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u32>().ok());
        let (by, end) = match id {
            Some(id) => (format!(", as process {id}"), format!("`kill {id}`")),
            None => Default::default(),
        };
        let end =
            if end.is_empty() { String::from("end it") } else { format!("end it with {end}") };
        CommandError::Listen(format!(
            "another `countersign dev` runs in this folder{by}: {end}, or use it; it follows every edit"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P734: a second `dev` in a folder is refused with the process of the first, and the next one after it is not.
    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let [path, link] = ["lock", "link"].map(|name| folder.path().join(name));
        let first = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).unwrap_err();
        let CommandError::Listen(said) = refused else { panic!("{refused:?}") };
        assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
        drop(first);
        drop(Lock::take(&path).unwrap());
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(Lock::take(&link).is_err());
    }
}
