//! Tokens as they were sent: found, bounded and split, not verified.

use crate::evidence::authorization::{self, TokenScheme};
use crate::evidence::jws::CompactJws;
use crate::limits::MAX_TOKEN_BYTES;
use crate::reason::Rejection;
use crate::request::{CredentialHeaders, TokenPlace};
use crate::secret::{Fingerprint, Secret};

/// A token that was found in a request, parsed as far as it can be and unverified.
#[derive(Debug)]
pub struct PresentedToken {
    place: TokenPlace,
    scheme: TokenScheme,
    form: Form,
}

/// What a token looks like.
#[derive(Debug)]
enum Form {
    Jws(CompactJws),
    /// A text that only its issuer understands, and why it is no JWS.
    Opaque(Secret<String>, Rejection),
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
            tokens.push(PresentedToken::parse(place, scheme, text)?);
        }
    }
    Ok(tokens)
}

/// Whether `text` can be a token of its issuer's own making (RFC 6750 section 2.1). What begins like a JOSE header is not:
/// it would be a broken JWS, and those are not sent to anybody.
fn may_be_opaque(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let bounded = text.len() <= MAX_TOKEN_BYTES;
    bounded && !body.is_empty() && body.bytes().all(allowed) && !text.starts_with("eyJ")
}

// === impl PresentedToken ===

impl PresentedToken {
    fn parse(place: &TokenPlace, scheme: TokenScheme, text: &str) -> Result<Self, Rejection> {
        let form = match CompactJws::parse(text) {
            Ok(jws) => Form::Jws(jws),
            Err(rejection) if may_be_opaque(text) => {
                Form::Opaque(Secret::new(text.to_owned()), rejection)
            }
            Err(rejection) => return Err(rejection),
        };
        Ok(Self { place: place.clone(), scheme, form })
    }

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

    /// The token as a JWS.
    ///
    /// # Errors
    /// Why it is none: for whoever has no use for an opaque token.
    pub const fn jws(&self) -> Result<&CompactJws, &Rejection> {
        match &self.form {
            Form::Jws(jws) => Ok(jws),
            Form::Opaque(_, rejection) => Err(rejection),
        }
    }

    /// All of it: for its issuer alone.
    #[must_use]
    pub const fn text(&self) -> &Secret<String> {
        match &self.form {
            Form::Jws(jws) => jws.text(),
            Form::Opaque(text, _) => text,
        }
    }

    /// The fingerprint of the whole token.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.text().expose().as_bytes())
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
        self.jws().ok()?.claims().get(name)?.as_str()
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
        Self::parse(place, scheme, text)
    }
}

#[cfg(test)]
mod tests;
