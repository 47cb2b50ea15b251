//! Strict JSON (RFC 8259): one value, no member twice, bounded nesting.
//!
//! A parser that keeps the last of two members lets two readers of one signed text see two different claims, so
//! everything that comes from a token or a key set is read here (RFC 7515 section 4, RFC 7519 section 4, P72).

use std::cell::Cell;
use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Why a text is not strict JSON. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// RFC 8259: the text is not one JSON value in UTF-8, or has a number out of range.
    #[error("is not JSON")]
    Syntax,
    /// RFC 8259 section 4: the names within an object should be unique; here they must be.
    #[error("has an object with the same member twice")]
    DuplicateMember,
    /// Nested deeper than the bound.
    #[error("is nested too deeply")]
    TooDeep,
}

/// Reads one JSON value of at most `max_depth` levels of objects and arrays.
///
/// # Errors
/// The rule that is broken.
pub fn parse(text: &[u8], max_depth: usize) -> Result<Value, JsonError> {
    let fault = Cell::new(JsonError::Syntax);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Strict { levels: max_depth, fault: &fault }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|_| fault.get())
}

/// A document without the mark that some editors and servers put before it (RFC 8259 section 8.1 permits to ignore it).
pub fn unmarked(document: &[u8]) -> &[u8] {
    document.strip_prefix("\u{feff}".as_bytes()).unwrap_or(document)
}

/// Reads one JSON object, as [`parse`] does.
///
/// # Errors
/// The rule that is broken; `None` where the text is JSON and not an object.
pub fn parse_object(
    text: &[u8],
    max_depth: usize,
) -> Result<Map<String, Value>, Option<JsonError>> {
    match parse(text, max_depth).map_err(Some)? {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(None)
        }
    }
}

/// True if `c` may appear in a line that people or their tools read. Characters that could move the cursor, colour, hide,
/// break or reorder text may not: control and format characters, separators of lines and paragraphs, blanks other than the
/// plain one, marks that change the character before them, and unassigned code points.
pub fn is_shown(c: char) -> bool {
    match c {
        ' '..='~' => true,
        // Letters, by Unicode's table, that are invisible.
        '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' => false,
        other => !other.is_ascii() && other.escape_debug().len() == 1,
    }
}

/// Writes `c` as an escape of JSON (RFC 8259 section 7).
pub fn write_escape(c: char, out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        for shift in [12, 8, 4, 0] {
            let digit = usize::from((*unit >> shift) & 0xf);
            out.extend(DIGITS.get(digit));
        }
    }
}

/// Text from outside, for a terminal: characters that could move the cursor, colour, hide or reorder text are shown as
/// `\u{..}`.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            c if is_shown(c) => out.push(c),
            c if c.is_ascii() => out.extend(c.escape_debug()),
            other => out.extend(other.escape_unicode()),
        }
    }
    out
}

/// `value` as JSON over several lines, in which everything can be seen, and which programs read as the same.
///
/// # Errors
/// The value is no JSON.
pub fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    if text.bytes().all(|b| b == b'\n' || matches!(b, b' '..=b'~')) {
        return Ok(text);
    }
    let mut escaped = Vec::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || is_shown(c) {
            escaped.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            write_escape(c, &mut escaped);
        }
    }
    Ok(String::from_utf8(escaped).unwrap_or_default())
}

/// Writes `text` as a JSON text in which everything can be seen ([`is_shown`]).
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend([b'\\', u8::try_from(c).unwrap_or_default()]),
            c if is_shown(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            c => write_escape(c, out),
        }
    }
    out.push(b'"');
}

/// The name of the type of `value` for a message, never its content.
pub const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The first float that stands for more than one whole number: 2^53.
const FIRST_SHARED_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// True if a float is exactly the number that was written or worked out, as far as whole numbers go.
///
/// A float of 2^53 or more stands for several whole numbers, and an integer beyond 64 bits is read as one (RFC 8259 section 6):
/// what digits it had is not known any more.
pub fn is_exact_double(double: f64) -> bool {
    double.abs() < FIRST_SHARED_DOUBLE
}

/// True if `number` is exactly what its text said, as far as whole numbers go.
pub fn is_exact_number(number: &serde_json::Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(is_exact_double)
}

/// True if every number in `value` is exactly what its text said, as far as whole numbers go.
pub fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => is_exact_number(number),
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// Reads a value with `levels` levels left. serde's errors are text, so the kind of fault goes around them.
#[derive(Clone, Copy)]
struct Strict<'a> {
    levels: usize,
    fault: &'a Cell<JsonError>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(self, fault: JsonError) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }

    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, ..self }),
            None => Err(self.refuse(JsonError::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(self.refuse(JsonError::DuplicateMember));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_json_reads_is_read_the_same() {
        let text = br#"{"a":[1,-2,3.5,1e3,true,null,"\u00e9"],"b":{"c":18446744073709551615}}"#;
        let strict = parse(text, 16).unwrap();
        assert_eq!(strict, serde_json::from_slice::<Value>(text).unwrap());
    }

    #[test]
    fn what_is_ambiguous_or_not_one_value_is_refused() {
        for (text, fault) in [
            (r#"{"a":1,"a":1}"#, JsonError::DuplicateMember),
            (r#"{"a":1,"\u0061":2}"#, JsonError::DuplicateMember),
            (r#"[{"b":{"a":1,"a":2}}]"#, JsonError::DuplicateMember),
            ("", JsonError::Syntax),
            ("{} {}", JsonError::Syntax),
            ("\u{feff}{}", JsonError::Syntax),
            ("{'a':1}", JsonError::Syntax),
            (r#"{"a":1,}"#, JsonError::Syntax),
            (r#"{"a":NaN}"#, JsonError::Syntax),
            (r#"{"a":1e400}"#, JsonError::Syntax),
            (r#"{"a":01}"#, JsonError::Syntax),
            (r#""\ud800""#, JsonError::Syntax),
            ("[[[[[]]]]]", JsonError::TooDeep),
        ] {
            assert_eq!(parse(text.as_bytes(), 4), Err(fault), "{text}");
        }
        assert_eq!(parse(b"\"\xff\"", 4), Err(JsonError::Syntax));
        assert!(parse(b"[[[[]]]]", 4).is_ok());
    }

    #[test]
    fn only_an_object_is_an_object() {
        assert_eq!(parse_object(b"[]", 4), Err(None));
        assert_eq!(parse_object(b"[", 4), Err(Some(JsonError::Syntax)));
        assert!(parse_object(b"{}", 4).unwrap().is_empty());
    }

    /// P168: nothing that moves a cursor or turns text round stands in a text as it is, and all of it is read back.
    #[test]
    fn everything_in_a_written_text_can_be_seen() {
        let hostile = "\u{0}\u{7}\u{1b}[2J\u{7f}\u{85}\u{9b}\u{a0}\u{ad}\u{61c}\u{115f}\u{180e}\u{200b}\u{200f}\u{2028}\u{2029}\u{202e}\u{2066}\u{2800}\u{3000}\u{e000}\u{feff}\u{fff9}\u{ffff}\u{1d173}\u{e0001}\u{10ffff}\"\\/é漢🦀";
        let mut out = Vec::new();
        write_text(hostile, &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), hostile);
        let shown = String::from_utf8(out).unwrap();
        assert!(shown.chars().all(is_shown), "{shown}");
        assert!(shown.ends_with("\\\"\\\\/é漢🦀\""), "{shown}");
        assert!(shown.contains("\\u202e") && shown.contains("\\udb40\\udc01"), "{shown}");
    }
}
