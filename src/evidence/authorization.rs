//! The places of tokens: the `Authorization` header (RFC 9110 section 11.6.2), a named header, a named cookie, a named
//! query parameter (RFC 6750 section 2.3).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use memchr::memchr;

use crate::reason::{Reason, Rejection};
use crate::request::{CredentialHeaders, HeaderValue, PROTOCOLS, ProtocolElement, TokenPlace};
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
            let line = only(credentials.all("authorization"))?;
            line.map_or(Ok(None), |line| behind(line, &SCHEMES))
        }
        TokenPlace::Prefixed(name, word) => {
            let Some(line) = only(credentials.all(name))? else { return Ok(None) };
            if word.is_empty() {
                return Ok(bare(line)?.map(bearer));
            }
            let dpop = word == "dpop";
            let scheme = if dpop { TokenScheme::Dpop } else { TokenScheme::Bearer };
            behind(line, &[(word.as_str(), scheme)])
        }
        TokenPlace::Protocol(element) => Ok(protocol(credentials, element)?.map(bearer)),
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

/// The schemes of `Authorization` that carry a token (RFC 6750 section 2.1, RFC 9449 section 7.1).
const SCHEMES: [(&str, TokenScheme); 2] =
    [("bearer", TokenScheme::Bearer), ("dpop", TokenScheme::Dpop)];

/// The credentials of one of the `known` schemes, which are compared without case (RFC 9110 section 11.1). Others are not ours to
/// judge; but two header lines that a proxy has joined are two credentials.
fn behind(
    value: &HeaderValue,
    known: &[(&str, TokenScheme)],
) -> Result<Option<(TokenScheme, SealedText)>, Rejection> {
    let line = text(value)?;
    let sealed = |(scheme, token)| (scheme, value.seal(token));
    // Tokens are long, and few lines have a comma.
    if memchr(b',', line.as_bytes()).is_none() {
        return Ok(scheme(line, known)?.map(sealed));
    }
    let line = once(line);
    if line.contains(',') && line.split(',').any(|line| !matches!(scheme(line, known), Ok(None))) {
        return Err(several());
    }
    Ok(scheme(line, known)?.map(sealed))
}

/// A token without a scheme, in a header where others have one: what has a space is one of those, also with parameters (RFC 9110
/// section 11.4), unless a part of it is a token for some reader.
fn bare(value: &HeaderValue) -> Result<Option<SealedText>, Rejection> {
    let line = once(text(value)?.trim_matches([' ', '\t']));
    let begins_as_token = |part: &str| begins_as_jose(part.trim_start());
    if !line.contains([',', ' ']) {
        return Ok(Some(value.seal(line)));
    }
    if line.contains(',') {
        let mut quoted = false;
        let mut parts = line.split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let is_scheme = |part: &str| part.trim().contains(' ');
        let is_parameter = |part: &str| part.trim_end_matches('=').contains('=');
        let is_foreign = parts.next().is_some_and(is_scheme)
            && parts.all(|part| is_scheme(part) || is_parameter(part));
        if quoted || !is_foreign || line.split(',').any(begins_as_token) {
            return Err(several());
        }
    } else if begins_as_token(line) {
        return Err(Reason::TokenMalformed.because("something stands behind the token"));
    }
    Ok(None)
}

/// True if `text` begins as a JOSE header in compact form does: with an object and the name of its first member, white space or not
/// (RFC 7515 section 3.1). Signs that no reader takes for base64 may stand before it. Of opaque tokens one in 150,000 begins so.
pub(super) fn begins_as_jose(text: &str) -> bool {
    let text = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let known = |byte: u8| match byte {
        b'-' => Some(b'+'),
        b'_' => Some(b'/'),
        b'+' | b'/' => Some(byte),
        other => other.is_ascii_alphanumeric().then_some(other),
    };
    let mut head: Vec<u8> = text.bytes().map_while(known).take(64).collect();
    // Only the beginning matters: what fills the last four up does not.
    while !head.len().is_multiple_of(4) {
        head.push(b'A');
    }
    let decoded = STANDARD.decode(head).unwrap_or_default();
    let name = decoded.trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let name = name.and_then(|rest| rest.strip_prefix(b"\""));
    text.starts_with("eyJ") || name.and_then(<[u8]>::first).is_some_and(u8::is_ascii_alphabetic)
}

/// The token among the protocols that a browser asks for.
fn protocol(
    credentials: &CredentialHeaders,
    place: &ProtocolElement,
) -> Result<Option<SealedText>, Rejection> {
    let lines: Result<Vec<_>, _> =
        credentials.all(PROTOCOLS).map(|line| Ok((line, text(line)?))).collect();
    let lines = lines?;
    let elements = lines.iter().flat_map(|(_, line)| line.split(',')).map(str::trim);
    let mut tokens = place.split(elements).into_iter().filter_map(|(_, token)| token);
    let Some(token) = tokens.next() else { return Ok(None) };
    if tokens.any(|other| other != token) {
        return Err(several());
    }
    if !place.encoded {
        return Ok(Some(SealedText::from(token)));
    }
    let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok();
    let decoded = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.map(|token| Some(SealedText::from(token.as_str()))).ok_or_else(|| {
        Reason::TokenMalformed.because("token among the protocols is not text in base64url")
    })
}

/// All of `value`, which has no list in it.
fn whole(value: &HeaderValue) -> Result<SealedText, Rejection> {
    let text = once(text(value)?);
    if text.contains(',') { Err(several()) } else { Ok(value.seal(text)) }
}

/// The text of `line` behind one of the `known` schemes, which a space follows (RFC 9110 section 11.4).
///
/// # Errors
/// `token_malformed` where something else stands around the scheme that readers may take for white space, or nothing between it and
/// a JWT: they would find a token that was not looked at (P430, P446).
fn scheme<'a>(
    line: &'a str,
    known: &[(&str, TokenScheme)],
) -> Result<Option<(TokenScheme, &'a str)>, Rejection> {
    let line = line.trim_matches([' ', '\t']);
    let word = line.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)));
    let (name, token) = word.split_at(end.unwrap_or(word.len()));
    let Some((_, scheme)) = known.iter().find(|(own, _)| name.eq_ignore_ascii_case(own)) else {
        return match known.iter().find(|(own, _)| is_glued(name, own)) {
            Some((own, _)) => Err(not_followed_by_space(own)),
            None => Ok(None),
        };
    };
    if word.len() != line.len() || !(token.is_empty() || token.starts_with(' ')) {
        return Err(not_followed_by_space(&name.to_ascii_lowercase()));
    }
    Ok(Some((*scheme, token.trim_start_matches(' '))))
}

/// True if `name` is the scheme `own` with a JWT right behind it, or behind a mark.
fn is_glued(name: &str, own: &str) -> bool {
    let rest = name.split_at_checked(own.len());
    let rest = rest.filter(|(word, _)| word.eq_ignore_ascii_case(own)).map(|(_, rest)| rest);
    rest.is_some_and(|rest| {
        begins_as_jose(rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()))
    })
}

fn not_followed_by_space(scheme: &str) -> Rejection {
    Reason::TokenMalformed.because(format!("`{scheme}` is not followed by a space"))
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

/// The one value among `lines`; the very same one again is no second one.
fn only<'a>(
    mut lines: impl Iterator<Item = &'a HeaderValue>,
) -> Result<Option<&'a HeaderValue>, Rejection> {
    let first = lines.next();
    if lines.any(|other| Some(other) != first) { Err(several()) } else { Ok(first) }
}

/// `line`, or its one part where a proxy has joined the very same one again.
fn once(line: &str) -> &str {
    let mut parts = line.split(',').map(|part| part.trim_matches([' ', '\t']));
    let first = parts.next().filter(|first| !first.is_empty() && line.contains(','));
    first.filter(|first| parts.all(|part| part == *first)).unwrap_or(line)
}

fn text(value: &HeaderValue) -> Result<&str, Rejection> {
    value.as_str().map_err(|_| Reason::TokenMalformed.because("token is not text"))
}

fn several() -> Rejection {
    Reason::TokenMultiple.because("several tokens were sent in one place")
}
