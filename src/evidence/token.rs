//! Tokens as they were sent: found, bounded and split, not verified.

use serde_json::Value;

use crate::evidence::authorization::{self, TokenScheme};
use crate::evidence::jws::CompactJws;
use crate::reason::Rejection;
use crate::request::{CredentialHeaders, TokenPlace};

/// A token that was found in a request, parsed and unverified.
#[derive(Debug)]
pub struct PresentedToken {
    place: TokenPlace,
    scheme: TokenScheme,
    jws: CompactJws,
}

/// Finds the tokens in `places`.
///
/// # Errors
/// `token_multiple` where a place holds more than one, `token_malformed` where one cannot be read.
pub(super) fn collect(
    credentials: &CredentialHeaders,
    places: &[TokenPlace],
) -> Result<Vec<PresentedToken>, Rejection> {
    let mut tokens = Vec::new();
    for place in places {
        if let Some((scheme, text)) = authorization::find(credentials, place)? {
            let jws = CompactJws::parse(text)?;
            tokens.push(PresentedToken { place: place.clone(), scheme, jws });
        }
    }
    Ok(tokens)
}

// === impl PresentedToken ===

impl PresentedToken {
    /// Where it was.
    #[must_use]
    pub const fn place(&self) -> &TokenPlace {
        &self.place
    }

    /// How it was presented.
    #[must_use]
    pub const fn scheme(&self) -> TokenScheme {
        self.scheme
    }

    /// The token.
    #[must_use]
    pub const fn jws(&self) -> &CompactJws {
        &self.jws
    }

    /// The issuer that it claims to be from: good for choosing among the configured issuers and for nothing else (P53).
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.claimed("iss")
    }

    /// The subject that it claims to be about: good for the same and nothing else.
    #[must_use]
    pub fn claimed_subject(&self) -> Option<&str> {
        self.claimed("sub")
    }

    fn claimed(&self, name: &str) -> Option<&str> {
        self.jws.claims().get(name).and_then(Value::as_str)
    }
}

#[cfg(test)]
impl PresentedToken {
    /// `text` as it would be found at `place`, for unit tests of the rooms above.
    pub(crate) fn for_test(
        place: &TokenPlace,
        scheme: TokenScheme,
        text: &str,
    ) -> Result<Self, Rejection> {
        Ok(Self { place: place.clone(), scheme, jws: CompactJws::parse(text)? })
    }
}

#[cfg(test)]
mod tests;
