//! The elements of a header, and the grammar of the values that both forms share.

use std::borrow::Cow;

use crate::evidence::certificate::PresentedCertificate;
use crate::evidence::names::{is_dns_name, is_uri};
use crate::limits::{MAX_SUBJECT_ALT_NAMES, MAX_XFCC_ELEMENTS};
use crate::reason::{Reason, Rejection};
use crate::secret::Fingerprint;

/// A parsed XFCC header: the elements from left to right, which is from the farthest proxy to the nearest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xfcc {
    /// The elements, farthest proxy first.
    pub elements: Vec<XfccElement>,
    /// How many keys were there that this parser does not know (P87).
    pub unknown_keys: usize,
    /// True if it is JSON, in which no name can spell an element.
    pub is_json: bool,
}

/// One proxy's account of the certificate that it saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XfccElement {
    /// The URI names of the proxy that wrote the element.
    pub by: Vec<String>,
    /// SHA-256 of the certificate.
    pub hash: Option<Fingerprint>,
    /// The certificate, its chain or both, still encoded.
    pub certificate: Option<PresentedCertificate>,
    /// The subject as RFC 2253 text; empty where the certificate's subject is.
    pub subject: Option<String>,
    /// The URI names of the certificate, in order.
    pub uris: Vec<String>,
    /// True if it says that the certificate has no URI name (`URI=`).
    pub denies_uris: bool,
    /// The DNS names of the certificate, in order. A name that Envoy did not escape can spell several.
    pub dns: Vec<String>,
    /// True if something follows the URI that a longer URI can spell: `URI=spiffe://a/b;DNS=c` is what Envoy writes of one
    /// URI and a DNS name, and of the one URI `spiffe://a/b;DNS=c` (P91).
    pub has_open_uri: bool,
}

impl Xfcc {
    /// Adds an element.
    pub(super) fn push(&mut self, element: XfccElement) -> Result<(), Rejection> {
        if self.elements.len() == MAX_XFCC_ELEMENTS {
            return Err(malformed(format!("more than {MAX_XFCC_ELEMENTS} elements")));
        }
        self.elements.push(element);
        Ok(())
    }
}

impl XfccElement {}

/// Adds a name of the certificate or of the proxy, which has to be one of its kind (P89).
pub(super) fn add_name(list: &mut Vec<String>, kind: &str, name: &str) -> Result<(), Rejection> {
    if list.len() == MAX_SUBJECT_ALT_NAMES {
        return Err(malformed(format!("has `{kind}` more than {MAX_SUBJECT_ALT_NAMES} times")));
    }
    let is_name = match kind {
        "DNS" => is_dns_name(name),
        // Envoy does not escape what ends a value or an element, so that nothing that has it is certain to be one URI.
        _ => is_uri(name) && !name.contains([',', ';']),
    };
    if !is_name {
        let noun = if kind == "DNS" { "a DNS name" } else { "a URI" };
        return Err(malformed(format!("has a `{kind}` that is not {noun}")));
    }
    list.push(name.to_owned());
    Ok(())
}

/// True if it is a distinguished name as Envoy writes it: RFC 2253 section 2.4, in which a backslash comes with what it
/// escapes, and `"` `;` `<` `>` never come without one. Any text that goes on over the end of a pair has one of these.
pub(super) fn is_distinguished_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' | b';' | b'<' | b'>' => return false,
            b'\\' => match bytes.next() {
                Some(b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' | b'#' | b'=' | b' ') => {}
                Some(high) if high.is_ascii_hexdigit() => {
                    if !bytes.next().is_some_and(|low| low.is_ascii_hexdigit()) {
                        return false;
                    }
                }
                Some(_) | None => return false,
            },
            _ => {}
        }
    }
    !has_control(text)
}

/// True if there is a control character in it.
pub(super) fn has_control(text: &str) -> bool {
    // Looks at every byte whatever it finds, which a processor does many at a time.
    let plain = |b: u8| (b' '..=b'~').contains(&b);
    let all_plain = text.as_bytes().iter().fold(true, |all, b| all & plain(*b));
    !all_plain && text.contains(char::is_control)
}

pub(super) fn parse_hash(text: &str) -> Result<Fingerprint, Rejection> {
    Fingerprint::from_hex(text)
        .ok_or_else(|| malformed("has a `Hash` that is not 64 hexadecimal digits"))
}

pub(super) fn malformed(what: impl Into<Cow<'static, str>>) -> Rejection {
    Reason::XfccMalformed.because(format!("`x-forwarded-client-cert` {}", what.into()))
}
