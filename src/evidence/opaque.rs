//! A token that says nothing by itself (RFC 6750 section 2.1): bounded, and of permitted characters.

use crate::limits::MAX_TOKEN_BYTES;
use crate::secret::Secret;

/// A `b64token`.
#[derive(Debug)]
pub(super) struct OpaqueToken(Secret<String>);

// === impl OpaqueToken ===

impl OpaqueToken {
    /// `text`, where it has the syntax of RFC 6750 section 2.1.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        };
        let unpadded = text.trim_end_matches('=');
        let is_token = !unpadded.is_empty() && unpadded.bytes().all(allowed);
        (is_token && text.len() <= MAX_TOKEN_BYTES).then(|| Self(Secret::new(text.to_owned())))
    }

    pub(super) const fn text(&self) -> &Secret<String> {
        &self.0
    }

    /// Whether it starts as a JOSE header in base64url does (`{"`), and has parts.
    pub(super) fn is_jose(&self) -> bool {
        self.0.expose().starts_with("eyJ") && self.0.expose().contains('.')
    }
}
