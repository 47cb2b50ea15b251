//! Tokens as they were sent: found and fingerprinted, parsed on first use, not verified.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::evidence::authorization::{self, TokenScheme, begins_as_jose};
use crate::evidence::jws::CompactJws;
use crate::limits::MAX_TOKEN_BYTES;
use crate::reason::{Reason, Rejection};
use crate::request::{CredentialHeaders, TokenPlace};
use crate::secret::{Fingerprint, SealedText};

/// A token that was found in a request, unverified. It is parsed on first use: a token that is in the cache is never parsed.
#[derive(Debug)]
pub struct PresentedToken {
    /// Its place.
    pub place: TokenPlace,
    /// How it was presented.
    pub scheme: TokenScheme,
    /// All of it: for its issuer alone.
    pub text: SealedText,
    /// The fingerprint of the whole token, signature included (P63).
    pub fingerprint: Fingerprint,
    form: OnceLock<Form>,
}

/// The form of a token.
#[derive(Debug)]
enum Form {
    Jws(CompactJws),
    /// A text that only its issuer understands, and why it is no JWS.
    Opaque(Rejection),
    /// Neither, and the reason.
    Malformed(Rejection),
}

/// A place that holds something which cannot be read as one token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableToken {
    /// Its place.
    pub place: TokenPlace,
    /// Why it cannot be read.
    pub rejection: Rejection,
}

/// A credential that was ignored, as a document says in so many words: it is no part of who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredToken {
    /// Its place.
    pub place: TokenPlace,
    /// Why it does not count.
    pub rejection: Rejection,
    /// The fingerprint of its text, where it is one that was not verified: the same text may count elsewhere.
    pub fingerprint: Option<Fingerprint>,
}

/// Finds the tokens in `places`, and the places that hold something else: `token_multiple` where one holds more than one token,
/// `token_malformed` where what it holds is not text or too long.
pub(super) fn collect_each(
    credentials: &CredentialHeaders,
    places: &[TokenPlace],
) -> (Vec<PresentedToken>, Vec<UnreadableToken>) {
    let (mut tokens, mut unreadable) = (Vec::new(), Vec::new());
    for place in places {
        let found = authorization::find(credentials, place).and_then(|found| match found {
            Some((_, text)) if text.expose().len() > MAX_TOKEN_BYTES => {
                let detail = format!("token is longer than {MAX_TOKEN_BYTES} bytes");
                Err(Reason::TokenMalformed.because(detail))
            }
            found => Ok(found),
        });
        match found {
            Ok(Some((scheme, text))) => tokens.push(PresentedToken::new(place, scheme, text)),
            Ok(None) => {}
            Err(rejection) => unreadable.push(UnreadableToken { place: place.clone(), rejection }),
        }
    }
    (tokens, unreadable)
}

/// True if `text` can be a token of its issuer's own making (RFC 6750 section 2.1). A text that begins like a JOSE header is
/// not: it is a broken JWS, which is not sent to an issuer.
fn may_be_opaque(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    !body.is_empty() && body.bytes().all(allowed) && !begins_as_jose(text)
}

impl PresentedToken {
    fn new(place: &TokenPlace, scheme: TokenScheme, text: SealedText) -> Self {
        let fingerprint = text.fingerprint();
        Self { place: place.clone(), scheme, text, fingerprint, form: OnceLock::new() }
    }

    fn form(&self) -> &Form {
        self.form.get_or_init(|| match CompactJws::read(&self.text) {
            Ok(jws) => Form::Jws(jws),
            Err(rejection) if may_be_opaque(self.text.expose()) => Form::Opaque(rejection),
            Err(rejection) => Form::Malformed(rejection),
        })
    }

    /// The token as a JWS.
    ///
    /// # Errors
    /// Why it is none; [`PresentedToken::is_opaque`] says whether it may be something else.
    pub fn jws(&self) -> Result<&CompactJws, &Rejection> {
        match self.form() {
            Form::Jws(jws) => Ok(jws),
            Form::Opaque(rejection) | Form::Malformed(rejection) => Err(rejection),
        }
    }

    /// True if it is no JWS and could be a token that only its issuer understands.
    pub fn is_opaque(&self) -> bool {
        matches!(self.form(), Form::Opaque(_))
    }

    /// True if it begins as a JOSE header does, for readers that skip what they do not know: it may be a JWT that was
    /// broken on the way.
    pub fn begins_as_jose(&self) -> bool {
        let known = |c: char| match c {
            '-' => Some('+'),
            '_' => Some('/'),
            c if c.is_ascii_alphanumeric() || matches!(c, '+' | '/') => Some(c),
            _ => None,
        };
        let text = self.text.expose();
        let head = text.trim_start().split('.').next().unwrap_or_default();
        // White space may stand before the brace: 64 characters are plenty.
        let mut known: String = head.chars().filter_map(known).take(64).collect();
        // Only the beginning matters: what fills the last four up does not.
        while !known.len().is_multiple_of(4) {
            known.push('A');
        }
        let bytes = STANDARD.decode(known).unwrap_or_default();
        text.trim_start().starts_with('{') || bytes.trim_ascii_start().starts_with(b"{")
    }

    /// The issuer that it claims to be from: good for choosing among the configured issuers and for nothing else (P53).
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.claimed("iss")
    }

    /// The subject that it claims to be about: good for the same and nothing else.
    pub fn claimed_subject(&self) -> Option<&str> {
        self.claimed("sub")
    }

    /// True if it has a claim `iss` that is no text, which is some reader's issuer perhaps and none of ours.
    pub fn claims_odd_issuer(&self) -> bool {
        self.jws().is_ok_and(|jws| jws.claims.get("iss").is_some_and(|iss| !iss.is_string()))
    }

    fn claimed(&self, name: &str) -> Option<&str> {
        self.jws().ok()?.claims.get(name)?.as_str()
    }
}

#[cfg(test)]
mod tests;
