//! Paths in one canonical form. What is not canonical is refused, not repaired: every component between the
//! caller and the upstream may repair differently, and each difference is a way around a rule (P19-P23).

use percent_encoding::percent_decode_str;

use crate::limits::{MAX_PATH_BYTES, MAX_PATH_SEGMENTS};
use crate::reason::{Reason, Rejection};

/// A path whose segments mean the same to everybody who reads it.
///
/// Absolute; no empty segment but a last one (a trailing slash is kept and significant), no `.` or `..`, no `;`
/// parameters, no `\`, no fragment, no control characters; percent-encoding only where it is needed, decoding to UTF-8,
/// and never hiding a separator, a dot segment or another percent-encoding.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalPath {
    text: String,
    segments: Vec<String>,
}

// === impl CanonicalPath ===

impl CanonicalPath {
    /// Reads a path without its query.
    ///
    /// # Errors
    /// `path_not_canonical` with the rule that is broken.
    pub fn parse(path: &str) -> Result<Self, Rejection> {
        if path.len() > MAX_PATH_BYTES {
            return Err(Reason::RequestTooLarge.because("path is over the size limit"));
        }
        let rest = path.strip_prefix('/').ok_or_else(|| refuse("does not start with `/`"))?;
        let raw: Vec<&str> = rest.split('/').collect();
        if raw.len() > MAX_PATH_SEGMENTS {
            return Err(refuse("has too many segments"));
        }
        // Split first, decode after: an escaped `/` must never become a separator (P20).
        let last = raw.len().saturating_sub(1);
        let segments = raw
            .iter()
            .enumerate()
            .map(|(at, segment)| decode_segment(segment, at == last))
            .collect::<Result<_, _>>()?;
        Ok(Self { text: path.to_owned(), segments })
    }

    /// The path as sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The decoded segments; the last one is empty where the path ends with a slash.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }
}

fn refuse(rule: &'static str) -> Rejection {
    Reason::PathNotCanonical.because(format!("path {rule}"))
}

fn decode_segment(segment: &str, is_last: bool) -> Result<String, Rejection> {
    if segment.is_empty() && !is_last {
        return Err(refuse("has an empty segment"));
    }
    segment.bytes().try_for_each(check_raw_byte)?;
    check_escapes(segment)?;
    let decoded = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| refuse("has a percent-encoding that is not UTF-8"))?;
    if decoded == "." || decoded == ".." {
        return Err(refuse("has a `.` or `..` segment"));
    }
    if has_escape(&decoded) {
        return Err(refuse("is percent-encoded twice"));
    }
    Ok(decoded.into_owned())
}

fn check_raw_byte(byte: u8) -> Result<(), Rejection> {
    match byte {
        b'\\' => Err(refuse("has a backslash")),
        b';' => Err(refuse("has a `;` parameter")),
        b'#' => Err(refuse("has a fragment")),
        0..=0x20 | 0x7f..=0xff => Err(refuse("has a byte that must be percent-encoded")),
        b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
            Err(refuse("has a character that must be percent-encoded"))
        }
        _ => Ok(()),
    }
}

/// Every `%` starts two hexadecimal digits, and what they stand for neither needs no encoding nor hides something.
fn check_escapes(segment: &str) -> Result<(), Rejection> {
    for after in segment.split('%').skip(1) {
        let byte = escaped_byte(after).ok_or_else(|| refuse("has a broken percent-encoding"))?;
        match byte {
            b'/' | b'\\' | b';' | b'#' | b'?' => {
                return Err(refuse("hides a separator in a percent-encoding"));
            }
            0..=0x1f | 0x7f => {
                return Err(refuse("hides a control character in a percent-encoding"));
            }
            b'-' | b'.' | b'_' | b'~' => {
                return Err(refuse("percent-encodes what needs no encoding"));
            }
            _ if byte.is_ascii_alphanumeric() => {
                return Err(refuse("percent-encodes what needs no encoding"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a decoded text still reads as percent-encoded, so that decoding it once more would change it.
fn has_escape(text: &str) -> bool {
    text.split('%').skip(1).any(|after| escaped_byte(after).is_some())
}

/// The byte that the two hexadecimal digits at the start of `text` stand for.
fn escaped_byte(text: &str) -> Option<u8> {
    let digits = text.get(..2).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_paths_are_kept_and_split() {
        for (path, segments) in [
            ("/", vec![""]),
            ("/a", vec!["a"]),
            ("/a/", vec!["a", ""]),
            ("/v1/orders/17", vec!["v1", "orders", "17"]),
            ("/caf%C3%A9/a%20b", vec!["café", "a b"]),
            ("/100%25", vec!["100%"]),
            ("/a+b,c=d:e@f!$&'()*", vec!["a+b,c=d:e@f!$&'()*"]),
            ("/~me/...", vec!["~me", "..."]),
        ] {
            let parsed = CanonicalPath::parse(path).unwrap();
            assert_eq!(parsed.segments(), segments, "{path}");
            assert_eq!(parsed.as_str(), path);
        }
    }

    /// P8, P19, P20, P21, P22, P27: one refusal per way of writing a path that somebody else reads differently.
    #[test]
    fn what_could_be_read_differently_is_refused() {
        for path in [
            "",
            "*",
            "a/b",
            "example.com:443",
            "http://example.com/a",
            "/a/../b",
            "/a/..",
            "/./a",
            "/a/%2e%2e/b",
            "/a/%2E./b",
            "//a",
            "/a//b",
            "/a/./b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "\\a",
            "/%252e%252e/a",
            "/%25%32%65",
            "/a%2525",
            "/admin;x",
            "/a;x/b",
            "/a%3bx",
            "/a#b",
            "/a%23b",
            "/a%3fb",
            "/a%00",
            "/a%0d%0ab",
            "/a%7f",
            "/a\0b",
            "/a b",
            "/a\tb",
            "/é",
            "/\u{7f}",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%+1",
            "/%41",
            "/%7Euser",
            "/a%2d",
            "/%ff",
            "/%c3",
            "/%c0%af",
            "/{id}",
            "/a|b",
            "/<a>",
            "/a\"b",
            "/a^b",
            "/a`b",
        ] {
            let refused = CanonicalPath::parse(path).expect_err(path);
            assert_eq!(refused.reason(), Reason::PathNotCanonical, "{path}");
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let long = format!("/{}", "a".repeat(MAX_PATH_BYTES));
        assert_eq!(CanonicalPath::parse(&long).unwrap_err().reason(), Reason::RequestTooLarge);
        let deep = "/a".repeat(MAX_PATH_SEGMENTS + 1);
        assert_eq!(CanonicalPath::parse(&deep).unwrap_err().reason(), Reason::PathNotCanonical);
    }
}
