//! How a template writes a value that cannot be sent as it is: as JSON, in an encoding, or the first in the second (P465).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::document::closest;
use crate::json::write_escape;
use crate::words::words;

/// The words behind a variable: `{name|json|percent}`. The default writes text as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// True if the value is written as JSON first, so that lists, objects and any text have a form.
    pub(super) json: bool,
    pub(super) encoding: Option<Encoding>,
}

words! {
    /// An encoding of a text.
    pub(super) enum Encoding {
        /// RFC 4648 section 5, without padding.
        Base64Url "base64url",
        /// RFC 4648 section 8, in lower case.
        Hex "hex",
        /// RFC 3986 section 2.1. Envoy refuses it in query parameters if it validates mutations.
        Percent "percent",
        /// RFC 8187 section 3.2, without a language.
        Rfc8187 "rfc8187",
    }
}

const JSON: &str = "json";

/// All but RFC 3986's unreserved characters, so that a value is one value to every reader.
const NOT_UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Form {
    /// Takes the words from the end of `name|word|word`. The error is the word that is unknown, and what to do.
    pub(super) fn split(whole: &str) -> Result<(&str, Self), (String, String)> {
        let Some((name, word)) = whole.rsplit_once('|') else {
            return Ok((whole, Self::default()));
        };
        let before = name.rsplit_once('|').map(|(_, before)| before);
        let before = before.filter(|own| *own == JSON || Encoding::named(own).is_some());
        if let Some(other) = before.filter(|other| word == JSON || *other != JSON) {
            let help = String::from("keep one; only `json` can stand before another one");
            return Err((format!("a value is written in two forms, `{other}` and `{word}`"), help));
        }
        if word == JSON {
            return Ok((name, Self { json: true, encoding: None }));
        }
        let Some(encoding) = Encoding::named(word) else {
            let known: Vec<_> =
                Encoding::ALL.map(Encoding::as_str).into_iter().chain([JSON]).collect();
            let help = match closest(word, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are: {}", known.join(", ")),
            };
            return Err((format!("unknown encoding `{word}`"), help));
        };
        let (name, json) = match name.rsplit_once('|') {
            Some((name, JSON)) => (name, true),
            _ => (name, false),
        };
        Ok((name, Self { json, encoding: Some(encoding) }))
    }

    /// True if text is written as it is.
    pub(super) fn is_bare(self) -> bool {
        self == Self::default()
    }

    /// The words as a template has them: `|json|percent`.
    pub(super) fn words(self) -> String {
        let words =
            self.json.then_some(JSON).into_iter().chain(self.encoding.map(Encoding::as_str));
        words.flat_map(|word| ["|", word]).collect()
    }

    /// The text in its encoding.
    pub(super) fn encode(self, text: String) -> String {
        let percent = || utf8_percent_encode(&text, NOT_UNRESERVED).to_string();
        match self.encoding {
            None => text,
            Some(Encoding::Base64Url) => URL_SAFE_NO_PAD.encode(text),
            Some(Encoding::Hex) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            Some(Encoding::Percent) => percent(),
            Some(Encoding::Rfc8187) => format!("UTF-8''{}", percent()),
        }
    }
}

/// `value` as JSON in visible ASCII; members in the order of their names.
pub(super) fn ascii_json(value: &Value) -> String {
    let mut ascii = Vec::new();
    for c in value.to_string().chars() {
        match u8::try_from(c) {
            Ok(byte @ b' '..=b'~') => ascii.push(byte),
            Ok(_) | Err(_) => write_escape(c, &mut ascii),
        }
    }
    String::from_utf8(ascii).unwrap_or_default()
}
