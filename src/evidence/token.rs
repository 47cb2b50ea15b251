//! Tokens as they were sent: found, bounded and split, not verified.

use serde_json::Value;

use crate::evidence::authorization::{self, TokenScheme};
use crate::evidence::jws::CompactJws;
use crate::evidence::opaque::OpaqueToken;
use crate::reason::Rejection;
use crate::request::{CredentialHeaders, TokenPlace};
use crate::secret::{Fingerprint, Secret};

/// A token that was found in a request, parsed and unverified.
#[derive(Debug)]
pub struct PresentedToken {
    place: TokenPlace,
    scheme: TokenScheme,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Jws(CompactJws),
    /// Not a JWS, and why not. Whether that is a fault depends on whose tokens are in its place.
    Opaque(OpaqueToken, Rejection),
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
            tokens.push(PresentedToken { place: place.clone(), scheme, form: Form::parse(text)? });
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

    /// The token as a JWS, or why it is none.
    ///
    /// # Errors
    /// `token_malformed` with the rule that is broken.
    pub const fn jws(&self) -> Result<&CompactJws, &Rejection> {
        match &self.form {
            Form::Jws(jws) => Ok(jws),
            Form::Opaque(_, rejection) => Err(rejection),
        }
    }

    /// Its text, for the issuer that is asked about it, and for nothing else.
    #[must_use]
    pub const fn text(&self) -> &Secret<String> {
        match &self.form {
            Form::Jws(jws) => jws.text(),
            Form::Opaque(opaque, _) => opaque.text(),
        }
    }

    /// The fingerprint of the whole token (P63).
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.text().expose().as_bytes())
    }

    /// Whether it looks like a signed or encrypted object (RFC 7515, RFC 7516), well-formed or not.
    #[must_use]
    pub fn is_jose(&self) -> bool {
        match &self.form {
            Form::Jws(_) => true,
            Form::Opaque(opaque, _) => opaque.is_jose(),
        }
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
        self.jws().ok()?.claims().get(name).and_then(Value::as_str)
    }
}

// === impl Form ===

impl Form {
    fn parse(text: &str) -> Result<Self, Rejection> {
        let rejection = match CompactJws::parse(text) {
            Ok(jws) => return Ok(Self::Jws(jws)),
            Err(rejection) => rejection,
        };
        match OpaqueToken::parse(text) {
            Some(opaque) => Ok(Self::Opaque(opaque, rejection)),
            None => Err(rejection),
        }
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
        Ok(Self { place: place.clone(), scheme, form: Form::parse(text)? })
    }
}

#[cfg(test)]
mod tests;
