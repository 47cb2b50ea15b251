//! Tokens as they were sent: found, bounded and split, not verified.

use crate::reason::Rejection;
use crate::request::{CredentialHeaders, TokenPlace};

/// A token that was found in a request, parsed and unverified.
#[derive(Debug)]
pub struct PresentedToken {}

/// Finds the tokens in `places`.
///
/// # Errors
/// `token_multiple` where a place holds more than one, `token_malformed` where one cannot be read.
pub(super) fn collect(
    _credentials: &CredentialHeaders,
    _places: &[TokenPlace],
) -> Result<Vec<PresentedToken>, Rejection> {
    Ok(Vec::new())
}
