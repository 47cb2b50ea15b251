//! Replaces files atomically.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::path::Path;

/// Writes `contents` to `path`: a reader, also one after a crash, sees the old file or the new one, never a part. Without
/// `permissions` it is a private file of our own: its folder is created as needed, and the owner alone can read it.
///
/// # Errors
/// The file cannot be written; the old one is unchanged.
pub fn replace_file(
    path: &Path,
    contents: &[u8],
    permissions: Option<Permissions>,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if permissions.is_none() {
        fs::create_dir_all(folder)?;
    }
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(contents)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
