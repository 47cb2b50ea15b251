//! JSON, written member by member: a record is some thirty short texts, and an object for each would be as many allocations.

use std::io::Write as _;
use std::net::SocketAddr;

use serde_json::Value;

use crate::json::write_text;

/// An object that is being written at the end of a buffer. What is empty is left out, as in the schema.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

/// Writes an object with the members that `write` writes.
pub(super) fn object(out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    write(&mut Object { out, is_empty: true });
    out.push(b'}');
}

// === impl Object ===

impl Object<'_> {
    pub(super) fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.member(name, |out| text(value, out));
        }
    }

    /// `IP:PORT`.
    pub(super) fn address(&mut self, name: &str, value: Option<SocketAddr>) {
        if let Some(value) = value {
            self.member(name, |out| address(value, out));
        }
    }

    /// A member of a map, which may well be empty.
    pub(super) fn entry(&mut self, name: &str, value: &str) {
        self.comma();
        text(name, self.out);
        self.out.push(b':');
        text(value, self.out);
    }

    pub(super) fn number(&mut self, name: &str, value: u64) {
        if value > 0 {
            self.member(name, |out| digits(value, out));
        }
    }

    pub(super) fn fraction(&mut self, name: &str, value: f64) {
        if value != 0.0 {
            self.member(name, |out| json(&Value::from(value), out));
        }
    }

    pub(super) fn flag(&mut self, name: &str, value: bool) {
        if value {
            self.member(name, |out| out.extend_from_slice(b"true"));
        }
    }

    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.member(name, |out| object(out, write));
    }

    pub(super) fn texts<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        self.list(name, values, text);
    }

    pub(super) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(T, &mut Vec<u8>),
    ) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        self.member(name, |out| {
            let mut before = b'[';
            for item in items {
                out.push(before);
                write(item, out);
                before = b',';
            }
            out.push(b']');
        });
    }

    /// A member whose name needs no escapes, as all in the schema.
    fn member(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        write(self.out);
    }

    fn comma(&mut self) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
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

/// Whether there is a byte that JSON cannot have as it is (RFC 8259 section 7), or one of a character that may have to be escaped
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

/// A fraction.
fn json<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    // Writing to memory does not fail, and these have a JSON form.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let long = "é\u{7f}\u{2028} ".repeat(40);
        for value in ["plain", "\"", "a\\b", "\u{0}\u{1f}\n", "é\u{10ffff}", &long] {
            let mut out = Vec::new();
            object(&mut out, |object| {
                object.text("text", value);
                object.texts("texts", [value, ""]);
                object.object("object", |object| object.number("number", u64::MAX));
                object.object("map", |map| map.entry(value, value));
                object.fraction("fraction", 0.01);
                object.flag("flag", true);
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
    fn what_is_empty_is_left_out() {
        let mut out = Vec::new();
        object(&mut out, |object| {
            object.text("text", "");
            object.texts("texts", []);
            object.number("number", 0);
            object.fraction("fraction", 0.0);
            object.flag("flag", false);
        });
        assert_eq!(out, b"{}");
    }
}
