//! The entry of the parser: the limits of a whole header, and its form.

use super::element::{Xfcc, has_control, malformed};
use super::{json, text};
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
