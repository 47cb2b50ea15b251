//! A record as JSON, written member by member: a record is some thirty short texts, and an object for each would be as many
//! allocations.

use std::io::Write as _;
use std::net::SocketAddr;

use crate::json::write_text;
use crate::limits::{MAX_AUDIT_LIST_BYTES, MAX_AUDIT_TEXT_BYTES};

/// The value of a member.
#[derive(Clone, Copy)]
pub(super) enum JsonScalar<'a> {
    Text(&'a str),
    /// `IP:PORT`.
    Address(SocketAddr),
    Number(u64),
    Fraction(f64),
    Flag(bool),
}

/// Writes one object to the end of a buffer. A member without a value is omitted, as in the schema; one that is longer than a
/// record has room for is cut.
pub(super) struct Json {
    out: Vec<u8>,
    is_empty: bool,
    /// The members that were cut.
    truncated: Vec<String>,
}

impl Json {
    /// The object with the members that `write` writes, in a buffer with room for `usual` bytes.
    pub(super) fn object_of(usual: usize, write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let out = Vec::with_capacity(usual);
        let mut json = Self { out, is_empty: true, truncated: Vec::new() };
        json.braces(write);
        json.out
    }

    pub(super) fn put(&mut self, name: &str, value: JsonScalar<'_>) {
        if value.is_empty() {
            return;
        }
        if let JsonScalar::Text(value) = value {
            let value = self.cut(name, value);
            return text(value, self.name(name));
        }
        let out = self.name(name);
        match value {
            JsonScalar::Text(value) => text(value, out),
            JsonScalar::Address(value) => address(value, out),
            JsonScalar::Number(value) => digits(value, out),
            // Writing to memory does not fail, and a fraction has a JSON form.
            JsonScalar::Fraction(value) => drop(serde_json::to_writer(out, &value)),
            JsonScalar::Flag(value) => {
                out.extend_from_slice(if value { b"true" } else { b"false" })
            }
        }
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.put(name, JsonScalar::Text(value));
    }

    pub(super) fn texts<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        self.items(name, values, |value, json| {
            let value = json.cut(name, value);
            text(value, &mut json.out);
        });
    }

    /// Writes a list of objects.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(T, &mut Self),
    ) {
        self.items(name, items, |item, json| json.braces(|own| write(item, own)));
    }

    /// Writes an object, which may be empty.
    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.name(name);
        self.braces(write);
    }

    /// Writes a member of a map, which may be empty.
    pub(super) fn entry(&mut self, name: &str, value: &str) {
        self.comma();
        text(name, &mut self.out);
        self.out.push(b':');
        let value = self.cut(name, value);
        text(value, &mut self.out);
    }

    /// Writes the list of the members that were cut.
    pub(super) fn truncated(&mut self) {
        let truncated = std::mem::take(&mut self.truncated);
        self.texts("truncated", truncated.iter().map(String::as_str));
    }

    fn braces(&mut self, write: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        self.is_empty = true;
        write(self);
        self.is_empty = false;
        self.out.push(b'}');
    }

    /// Begins a member. The names in the schema need no escapes.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        &mut self.out
    }

    fn comma(&mut self) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
    }

    /// The beginning of `value` that a record has room for.
    fn cut<'a>(&mut self, name: &str, value: &'a str) -> &'a str {
        if value.len() <= MAX_AUDIT_TEXT_BYTES {
            return value;
        }
        self.note(name);
        let end = value.floor_char_boundary(MAX_AUDIT_TEXT_BYTES);
        value.get(..end).unwrap_or_default()
    }

    fn note(&mut self, name: &str) {
        if !self.truncated.iter().any(|known| known == name) {
            self.truncated.push(name.to_owned());
        }
    }

    /// Writes a list that is not empty, of what `write` writes of each of `items` that there is room for.
    fn items<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(T, &mut Self),
    ) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        let begin = self.name(name).len();
        let mut before = b'[';
        for item in items {
            if self.out.len().saturating_sub(begin) > MAX_AUDIT_LIST_BYTES {
                self.note(name);
                break;
            }
            self.out.push(before);
            write(item, self);
            before = b',';
        }
        self.out.push(b']');
    }
}

impl JsonScalar<'_> {
    fn is_empty(self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Address(_) => false,
            Self::Number(number) => number == 0,
            Self::Fraction(fraction) => fraction == 0.0,
            Self::Flag(flag) => !flag,
        }
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    if has_escapes(text.as_bytes()) {
        return write_text(text, out);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// As it is shown everywhere else. By the formatting machinery two IPv4 addresses, which most are, took a seventh of what
/// a record took.
fn address(address: SocketAddr, out: &mut Vec<u8>) {
    let SocketAddr::V4(v4) = address else {
        // Writing to memory does not fail.
        return drop(write!(out, "\"{address}\""));
    };
    let mut before = b'"';
    for octet in v4.ip().octets() {
        out.push(before);
        digits(octet.into(), out);
        before = b'.';
    }
    out.push(b':');
    digits(v4.port().into(), out);
    out.push(b'"');
}

fn digits(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// True if there is a byte that JSON cannot have as it is (RFC 8259 section 7), or one of a character that may have to be escaped
/// to be seen.
fn has_escapes(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let escaped = |byte: &u8| !(b' '..=b'~').contains(byte) || *byte == b'"' || *byte == b'\\';
    words.iter().any(|word| word_has_escapes(u64::from_ne_bytes(*word))) || rest.iter().any(escaped)
}

/// The same of eight bytes at a time. Subtracting borrows from the next byte only where there is something to be found.
const fn word_has_escapes(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (quote, backslash) = (word ^ 0x2222_2222_2222_2222, word ^ 0x5c5c_5c5c_5c5c_5c5c);
    let delete = word ^ 0x7f7f_7f7f_7f7f_7f7f;
    let control = word.wrapping_sub(0x2020_2020_2020_2020) & !word;
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    let delete = delete.wrapping_sub(ONES) & !delete;
    (word | control | quote | backslash | delete) & HIGH != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let long = "é\u{7f}\u{2028} ".repeat(40);
        for value in ["plain", "\"", "a\\b", "\u{0}\u{1f}\n", "é\u{10ffff}", &long] {
            let out = Json::object_of(0, |object| {
                object.text("text", value);
                object.texts("texts", [value, ""]);
                object
                    .object("object", |object| object.put("number", JsonScalar::Number(u64::MAX)));
                object.object("map", |map| map.entry(value, value));
                object.put("fraction", JsonScalar::Fraction(0.01));
                object.put("flag", JsonScalar::Flag(true));
            });
            let expected = serde_json::json!({
                "text": value, "texts": [value, ""], "object": { "number": u64::MAX }, "map": { value: value }, "fraction": 0.01, "flag": true,
            });
            assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected, "{value:?}");
        }
    }

    #[test]
    fn a_byte_that_needs_an_escape_is_found_wherever_it_is() {
        for byte in 0..=u8::MAX {
            let needs_escape = !(0x20..0x7f).contains(&byte) || byte == b'"' || byte == b'\\';
            for at in 0..17 {
                let mut text = [b'a'; 17];
                text[at] = byte;
                assert_eq!(has_escapes(&text), needs_escape, "{byte:#x} at {at}");
            }
            assert_eq!(has_escapes(&[byte; 16]), needs_escape, "{byte:#x}");
        }
    }

    #[test]
    fn an_address_is_written_as_it_is_shown() {
        for shown in ["0.0.0.0:0", "10.0.3.17:48172", "255.255.255.255:65535", "[::1]:80"] {
            let mut out = Vec::new();
            address(shown.parse().unwrap(), &mut out);
            assert_eq!(out, format!("\"{shown}\"").as_bytes());
        }
    }

    #[test]
    fn empty_members_are_omitted() {
        let out = Json::object_of(0, |object| {
            object.text("text", "");
            object.texts("texts", []);
            object.put("number", JsonScalar::Number(0));
            object.put("fraction", JsonScalar::Fraction(0.0));
            object.put("flag", JsonScalar::Flag(false));
        });
        assert_eq!(out, b"{}");
    }
}
