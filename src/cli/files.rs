//! Files that commands read, and standard input.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::style::visible;
use crate::limits::MAX_CHECK_REQUEST_BYTES;
use crate::secret::unread_file;
use crate::words::of_system;

/// A path as messages show it.
pub(super) fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

/// A path as messages about reading it show it: `-` is standard input.
pub(super) fn named(path: &Path) -> String {
    if path.as_os_str() == "-" { String::from("standard input") } else { shown(path) }
}

/// The message about a file that cannot be read, in the operating system's words without their number.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> String {
    let name = match path.as_os_str() == "-" {
        true => String::from("standard input"),
        false => visible(&unread_file(path)),
    };
    format!("cannot read `{name}`: {}", of_system(error))
}

/// Checks that the folder that `flag` names is there: a command that only reads it would find nothing in a misspelt one.
pub(super) fn check_folder(flag: &str, folder: Option<&Path>) -> Result<(), String> {
    let Some(folder) = folder.filter(|folder| !folder.is_dir()) else { return Ok(()) };
    let is = if folder.exists() { "is not a folder" } else { "is not there" };
    Err(format!("`{flag}`: the folder `{}` {is}", shown(folder)))
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Everything in the file at `path`, or on standard input where that is `-`.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let most = u64::try_from(MAX_CHECK_REQUEST_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    match path.as_os_str() == "-" {
        true => io::stdin().lock().take(most).read_to_end(&mut bytes)?,
        false => File::open(path)?.take(most).read_to_end(&mut bytes)?,
    };
    if bytes.len() >= MAX_CHECK_REQUEST_BYTES {
        return Err(io::Error::other(format!("it has {MAX_CHECK_REQUEST_BYTES} bytes or more")));
    }
    Ok(bytes)
}

/// The first certificate in `pem`, which is the leaf of a chain, and whether there are more. Nothing where it cannot be read.
pub(super) fn leaf(pem: &[u8]) -> Option<(CertificateDer<'static>, bool)> {
    let mut certificates = CertificateDer::pem_slice_iter(pem);
    let leaf = certificates.next()?.ok()?;
    Some((leaf, certificates.next().is_some()))
}
