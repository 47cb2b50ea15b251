//! Where tokens are found: the `Authorization` header (RFC 9110 section 11.6.2), a named header, a named cookie, a named
//! query parameter (RFC 6750 section 2.3).

use crate::reason::{Reason, Rejection};
use crate::request::{CredentialHeaders, HeaderValue, TokenPlace};
use crate::secret::SealedText;

/// How a token was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenScheme {
    /// By any holder (RFC 6750). A token in a header or cookie of its own counts as a bearer token.
    Bearer,
    /// With a proof of possession (RFC 9449 section 7.1).
    Dpop,
}

/// The text of the one token at `place`, if there is any.
///
/// # Errors
/// `token_multiple` where there are several, `token_malformed` where it is not text.
pub(super) fn find(
    credentials: &CredentialHeaders,
    place: &TokenPlace,
) -> Result<Option<(TokenScheme, SealedText)>, Rejection> {
    let bearer = |token| (TokenScheme::Bearer, token);
    match place {
        TokenPlace::Authorization => {
            only(credentials.all("authorization"))?.map_or(Ok(None), authorization)
        }
        TokenPlace::Header(name) => {
            only(credentials.all(name))?.map(whole).transpose().map(|found| found.map(bearer))
        }
        TokenPlace::Query(name) => only(credentials.parameters(name))?
            .map(whole)
            .transpose()
            .map(|found| found.map(bearer)),
        TokenPlace::Cookie(name) => Ok(cookie(credentials, name)?.map(bearer)),
    }
}

/// Splits `value` at its scheme. Other schemes than ours are none of our business.
///
/// Neither of our schemes has a comma in its credentials (RFC 6750 section 2.1), so one means that a proxy joined two
/// header lines (P86).
fn authorization(value: &HeaderValue) -> Result<Option<(TokenScheme, SealedText)>, Rejection> {
    let line = text(value)?;
    if line.contains(',') && line.split(',').any(|line| scheme(line).is_some()) {
        return Err(several());
    }
    Ok(scheme(line).map(|(scheme, token)| (scheme, value.seal(token))))
}

/// All of `value`, which has no list in it.
fn whole(value: &HeaderValue) -> Result<SealedText, Rejection> {
    let text = text(value)?;
    if text.contains(',') { Err(several()) } else { Ok(value.seal(text)) }
}

fn scheme(line: &str) -> Option<(TokenScheme, &str)> {
    let line = line.trim_matches([' ', '\t']);
    let (name, token) = line.split_once(' ').unwrap_or((line, ""));
    let scheme = [("bearer", TokenScheme::Bearer), ("dpop", TokenScheme::Dpop)]
        .into_iter()
        .find_map(|(known, scheme)| name.eq_ignore_ascii_case(known).then_some(scheme))?;
    Some((scheme, token.trim_start_matches(' ')))
}

/// The value of the cookie `name` (RFC 6265 section 4.2.1). HTTP/2 may spread cookies over several lines.
fn cookie(credentials: &CredentialHeaders, name: &str) -> Result<Option<SealedText>, Rejection> {
    let mut found = None;
    for line in credentials.all("cookie") {
        for pair in text(line)?.split(';') {
            let Some((key, value)) = pair.trim_matches([' ', '\t']).split_once('=') else {
                continue;
            };
            if key != name {
                continue;
            }
            // A comma is no cookie octet: here a proxy joined two lines.
            if found.replace(line.seal(value)).is_some() || value.contains(',') {
                return Err(several());
            }
        }
    }
    Ok(found)
}

fn only<'a>(
    mut lines: impl Iterator<Item = &'a HeaderValue>,
) -> Result<Option<&'a HeaderValue>, Rejection> {
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => Ok(Some(line)),
        (Some(_), Some(_)) => Err(several()),
    }
}

fn text(value: &HeaderValue) -> Result<&str, Rejection> {
    value.as_str().map_err(|_| Reason::TokenMalformed.because("token is not text"))
}

fn several() -> Rejection {
    Reason::TokenMultiple.because("several tokens were sent in one place")
}
