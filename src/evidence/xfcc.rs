//! The `x-forwarded-client-cert` header, read strictly by the grammar in which Envoy writes it. Nothing here decides
//! which element is believed.
//!
//! Envoy puts `Cert`, `Chain` and `Subject` in double quotes and nothing else. The quoted subject is RFC 2253 text, in
//! which a backslash always comes with the character it escapes: `\"` does not end the value, and `\\"` does. `By`,
//! `URI` and `DNS` are written as they are in the certificate, without quotes and without escapes, so that a hostile
//! name can spell another key or a whole element (P83); only those who know the certificate or the proxy's word
//! (`authn`) can tell.

use std::borrow::Cow;

use memchr::memchr2;

use super::certificate::PresentedCertificate;
use super::peer::PeerSource;
use crate::limits::{MAX_SUBJECT_ALT_NAMES, MAX_XFCC_BYTES, MAX_XFCC_ELEMENTS};
use crate::reason::{Reason, Rejection};
use crate::request::Text;
use crate::secret::Fingerprint;

/// A parsed XFCC header: the elements from left to right, which is from the farthest proxy to the nearest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xfcc {
    elements: Vec<XfccElement>,
    unknown_keys: usize,
}

/// What one proxy wrote about the certificate that it was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XfccElement {
    by: Vec<String>,
    hash: Option<Fingerprint>,
    certificate: Option<PresentedCertificate>,
    subject: Option<String>,
    uris: Vec<String>,
    dns: Vec<String>,
}

/// One `key=value`, with the quotes gone and the escapes still there.
struct Pair<'a> {
    key: &'a str,
    value: &'a str,
    quoted: bool,
}

/// What has been read of one element. A key that may stand once is remembered even where its value is empty.
#[derive(Default)]
struct Draft<'a> {
    element: XfccElement,
    hash: Option<&'a str>,
    cert: Option<&'a str>,
    chain: Option<&'a str>,
    unknown_keys: usize,
}

/// The keys that are understood, as Envoy writes them.
const KEYS: [&str; 7] = ["By", "Hash", "Cert", "Chain", "Subject", "URI", "DNS"];

/// What comes after a value.
enum Next {
    Pair,
    Element,
    End,
}

// === impl Xfcc ===

impl Xfcc {
    /// Reads a whole header. An error anywhere condemns all of it: an element that swallowed another must not leave a
    /// readable rest (P84).
    ///
    /// # Errors
    /// `xfcc_malformed` where the text does not follow the grammar or is over a limit.
    pub fn parse(whole: &Text) -> Result<Self, Rejection> {
        let text = whole.as_str();
        if text.len() > MAX_XFCC_BYTES {
            return Err(malformed(format!("longer than {MAX_XFCC_BYTES} bytes")));
        }
        if has_control(text) {
            return Err(malformed("has a control character"));
        }
        let mut xfcc = Self::default();
        let mut rest = text.trim_matches([' ', '\t']);
        if rest.is_empty() {
            return Ok(xfcc);
        }
        loop {
            if xfcc.elements.len() == MAX_XFCC_ELEMENTS {
                return Err(malformed(format!("more than {MAX_XFCC_ELEMENTS} elements")));
            }
            let more = xfcc.element(whole, &mut rest)?;
            if !more {
                return Ok(xfcc);
            }
        }
    }

    /// The elements, farthest proxy first.
    #[must_use]
    pub fn elements(&self) -> &[XfccElement] {
        &self.elements
    }

    /// How many keys were there that this parser does not know (P87).
    #[must_use]
    pub const fn unknown_keys(&self) -> usize {
        self.unknown_keys
    }

    /// Reads one element off `rest`; whether another one follows.
    fn element(&mut self, whole: &Text, rest: &mut &str) -> Result<bool, Rejection> {
        let mut draft = Draft::default();
        let more = loop {
            let (pair, next) = read_pair(rest)?;
            draft.add(&pair)?;
            match next {
                Next::Pair => {}
                Next::Element => break true,
                Next::End => break false,
            }
        };
        self.unknown_keys = self.unknown_keys.saturating_add(draft.unknown_keys);
        self.elements.push(draft.finish(whole)?);
        Ok(more)
    }
}

// === impl XfccElement ===

impl XfccElement {
    /// The URI names of the proxy that wrote the element.
    #[must_use]
    pub fn by(&self) -> &[String] {
        &self.by
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub const fn hash(&self) -> Option<&Fingerprint> {
        self.hash.as_ref()
    }

    /// The certificate, its chain or both, still encoded.
    #[must_use]
    pub const fn certificate(&self) -> Option<&PresentedCertificate> {
        self.certificate.as_ref()
    }

    /// The subject as RFC 2253 text; empty where the certificate's subject is.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The URI names of the certificate, in order.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// The DNS names of the certificate, in order.
    #[must_use]
    pub fn dns(&self) -> &[String] {
        &self.dns
    }
}

// === impl Draft ===

impl<'a> Draft<'a> {
    fn add(&mut self, pair: &Pair<'a>) -> Result<(), Rejection> {
        let known = KEYS.iter().find(|known| known.eq_ignore_ascii_case(pair.key));
        match known.copied().unwrap_or_default() {
            "By" => repeat(&mut self.element.by, pair),
            "URI" => repeat(&mut self.element.uris, pair),
            "DNS" => repeat(&mut self.element.dns, pair),
            "Hash" => once(&mut self.hash, pair.value, "Hash"),
            "Cert" => once(&mut self.cert, pair.value, "Cert"),
            "Chain" => once(&mut self.chain, pair.value, "Chain"),
            "Subject" => once(&mut self.element.subject, pair.value.to_owned(), "Subject"),
            _ => {
                self.unknown_keys = self.unknown_keys.saturating_add(1);
                Ok(())
            }
        }
    }

    fn finish(self, whole: &Text) -> Result<XfccElement, Rejection> {
        let filled = |value: Option<&'a str>| value.filter(|value| !value.is_empty());
        let hash = filled(self.hash).map(parse_hash).transpose()?;
        let (cert, chain) = (filled(self.cert), filled(self.chain));
        let certificate = PresentedCertificate::url_encoded(
            PeerSource::Xfcc,
            cert.map(|cert| whole.within(cert)),
            chain.map(|chain| whole.within(chain)),
        );
        Ok(XfccElement { hash, certificate, ..self.element })
    }
}

/// Takes one pair and the separator after it off `rest`.
fn read_pair<'a>(rest: &mut &'a str) -> Result<(Pair<'a>, Next), Rejection> {
    let (key, after) = rest
        .bytes()
        .position(|b| matches!(b, b'=' | b';' | b',' | b'"'))
        .and_then(|at| rest.split_at_checked(at))
        .and_then(|(key, after)| Some((key, after.strip_prefix('=')?)))
        .ok_or_else(|| malformed("has a part that is not `key=value`"))?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if key.is_empty() || !key.bytes().all(is_name) {
        return Err(malformed("has a key that is not a word"));
    }
    let (value, quoted, after) = match after.strip_prefix('"') {
        Some(inside) => {
            let (value, after) = read_quoted(inside)?;
            (value, true, after)
        }
        None => {
            let end = memchr2(b';', b',', after.as_bytes()).unwrap_or(after.len());
            let (value, after) = after.split_at_checked(end).unwrap_or((after, ""));
            (value.trim_end_matches([' ', '\t']), false, after)
        }
    };
    if !quoted && value.contains('"') {
        return Err(malformed("has a quote inside an unquoted value"));
    }
    let next = read_separator(after, rest)?;
    Ok((Pair { key, value, quoted }, next))
}

/// The text up to the closing quote, and what comes after it. A backslash takes the next character with it.
fn read_quoted(inside: &str) -> Result<(&str, &str), Rejection> {
    let mut from = 0;
    while let Some(found) = memchr2(b'"', b'\\', inside.as_bytes().get(from..).unwrap_or_default())
    {
        let at = from.saturating_add(found);
        if let Some((value, after)) = inside.split_at_checked(at)
            && let Some(after) = after.strip_prefix('"')
        {
            return Ok((value, after));
        }
        from = at.saturating_add(2);
    }
    Err(malformed("has a quote that is not closed"))
}

/// Whether there is a control character in it.
fn has_control(text: &str) -> bool {
    // Looks at every byte whatever it finds, which a processor does many at a time.
    let plain = |b: u8| (b' '..=b'~').contains(&b);
    let all_plain = text.as_bytes().iter().fold(true, |all, b| all & plain(*b));
    !all_plain && text.contains(char::is_control)
}

/// What `after` goes on with; `rest` is moved behind the separator. White space may stand around the comma, where an
/// intermediary joined two header lines (RFC 9110 section 5.3).
fn read_separator<'a>(after: &'a str, rest: &mut &'a str) -> Result<Next, Rejection> {
    if let Some(pairs) = after.strip_prefix(';') {
        *rest = pairs;
        return Ok(Next::Pair);
    }
    let after = after.trim_start_matches([' ', '\t']);
    if let Some(elements) = after.strip_prefix(',') {
        *rest = elements.trim_start_matches([' ', '\t']);
        return Ok(Next::Element);
    }
    if after.is_empty() { Ok(Next::End) } else { Err(malformed("has text after a closing quote")) }
}

fn once<T>(slot: &mut Option<T>, value: T, key: &str) -> Result<(), Rejection> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(malformed(format!("has `{key}` twice in one element"))),
    }
}

fn repeat(list: &mut Vec<String>, pair: &Pair<'_>) -> Result<(), Rejection> {
    if pair.value.is_empty() {
        // Envoy writes `URI=` for a certificate without URI names.
        return Ok(());
    }
    if list.len() == MAX_SUBJECT_ALT_NAMES {
        return Err(malformed(format!(
            "has `{}` more than {MAX_SUBJECT_ALT_NAMES} times",
            pair.key
        )));
    }
    list.push(unescaped(pair).into_owned());
    Ok(())
}

fn unescaped<'a>(pair: &Pair<'a>) -> Cow<'a, str> {
    if pair.quoted && pair.value.contains('\\') {
        Cow::Owned(pair.value.replace("\\\"", "\""))
    } else {
        Cow::Borrowed(pair.value)
    }
}

fn parse_hash(text: &str) -> Result<Fingerprint, Rejection> {
    Fingerprint::from_hex(text)
        .ok_or_else(|| malformed("has a `Hash` that is not 64 hexadecimal digits"))
}

fn malformed(what: impl Into<Cow<'static, str>>) -> Rejection {
    Reason::XfccMalformed.because(format!("`x-forwarded-client-cert` {}", what.into()))
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
