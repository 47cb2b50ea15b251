//! The `Client-Cert` and `Client-Cert-Chain` headers (RFC 9440), as a proxy that ended the caller's TLS writes them.

use super::certificate::PresentedCertificate;
use crate::limits::MAX_XFCC_BYTES;
use crate::reason::{Reason, Rejection};
use crate::request::{CredentialHeaders, HeaderValue};

/// Reads both headers. The certificates are decoded later.
///
/// # Errors
/// `header_duplicate` where the certificate is there twice, `encoding_invalid` where there is a chain without it or where
/// a line is not text, `request_too_large`.
pub(super) fn read(
    credentials: &CredentialHeaders,
) -> Result<Option<PresentedCertificate>, Rejection> {
    let mut lines = credentials.all("client-cert");
    let leaf = lines.next().map(text).transpose()?;
    if lines.next().is_some() {
        return Err(Reason::HeaderDuplicate.because("`client-cert` was sent more than once"));
    }
    // RFC 9440 section 2.3: the chain is a list, whose lines may be joined (RFC 9651 section 3.1).
    let lines: Vec<&str> =
        credentials.all("client-cert-chain").map(text).collect::<Result<_, _>>()?;
    let chain = lines.join(",");
    let size = leaf.map_or(0, str::len).saturating_add(chain.len());
    if size > MAX_XFCC_BYTES {
        let why = format!("`client-cert` and its chain are over {MAX_XFCC_BYTES} bytes");
        return Err(Reason::RequestTooLarge.because(why));
    }
    let chain = (!lines.is_empty()).then_some(chain.as_str());
    match (leaf, chain) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err(Reason::EncodingInvalid.because("`client-cert-chain` comes without `client-cert`"))
        }
        (Some(leaf), chain) => Ok(Some(PresentedCertificate::structured_field(leaf, chain))),
    }
}

fn text(line: &HeaderValue) -> Result<&str, Rejection> {
    line.as_str()
}
