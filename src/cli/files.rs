//! Files that commands read, and standard input.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::style::visible;
use crate::limits::MAX_CHECK_REQUEST_BYTES;

/// A path as messages show it.
pub(super) fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
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
