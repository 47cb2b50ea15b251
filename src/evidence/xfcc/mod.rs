//! The `x-forwarded-client-cert` header, read strictly in the two forms in which Envoy writes it. Nothing here decides which
//! element counts.
//!
//! Which bytes the owner of a certificate can choose decides how far a header goes. In text, Envoy puts `Cert`, `Chain`,
//! `Subject` and `Issuer` in double quotes, the first two URL-encoded, the others as RFC 2253 text. `By`, `URI` and `DNS`
//! are written as they are in the certificate, without quotes and without escapes, so that a hostile name can spell another
//! pair or a whole element (P83), and under `APPEND_FORWARD` the caller writes everything before Envoy's own element.
//! Therefore every value of every element has to be what its kind can be, pairs have to be in Envoy's order, and a quoted
//! text has to be one that Envoy can have quoted (P88, P89): a header that breaks any of it is malformed as a whole. The
//! rest (where an element begins, how far a name goes) is decided in `authn`, which knows the proxy's name and its word for
//! the TLS peer.
//!
//! JSON (Envoy 1.40) escapes every name, so that elements and names begin and end where they seem to.

mod element;
mod json;
mod text;

pub use element::{Xfcc, XfccElement};

use self::element::{has_control, malformed};
use crate::limits::MAX_XFCC_BYTES;
use crate::reason::Rejection;
use crate::request::Text;

impl Xfcc {
    /// Reads a whole header. An error anywhere condemns all of it: an element that swallowed another must not leave a
    /// readable rest (P84).
    ///
    /// A header that begins with `[` is JSON and nothing else: no pair of the text form begins so. Envoy appends in the form
    /// that the header has, so that under `APPEND_FORWARD` the caller chooses it.
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
        match text.trim_start_matches(' ').as_bytes().first() {
            None => Ok(Self::default()),
            Some(b'[') => json::read(text),
            Some(_) => text::read(whole),
        }
    }
}

#[cfg(test)]
mod tests;
