//! Paths in one canonical form. A path that is not canonical is refused, not repaired: every component between the caller
//! and the upstream may repair differently, and each difference is a way around a rule (P19-P23).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::limits::{MAX_PATH_BYTES, MAX_PATH_SEGMENTS};
use crate::reason::{Reason, Rejection};
use crate::request::Text;

/// A path whose segments mean the same to every reader.
///
/// Absolute; no empty segment but a last one (a trailing slash is kept and significant), no `.` or `..`, no `;`
/// parameters, no `\`, no fragment, no control characters; percent-encoding only where it is needed, decoding to UTF-8,
/// and never hiding a separator, a dot segment or another percent-encoding.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalPath {
    text: Text,
    segments: Vec<Text>,
    leniency: PathLeniency,
}

/// Ways of writing a path that have more than one reading, and are refused unless the policy says how the upstream reads
/// them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathLeniency {
    /// `%2F` is part of a segment: the upstream splits before it decodes.
    pub encoded_slashes: bool,
    /// `;a=b` at the end of a segment is nothing: the upstream removes it before it looks (RFC 3986 section 3.3).
    pub parameters: bool,
    /// `//` is `/` to the upstream.
    pub empty_segments: bool,
}

impl CanonicalPath {
    /// Reads a path without its query. The default of `allowed` accepts what is canonical and nothing else.
    ///
    /// # Errors
    /// `path_not_canonical` with the rule that is broken.
    pub fn parse(path: impl Into<Text>, allowed: PathLeniency) -> Result<Self, Rejection> {
        let text = path.into();
        let path = text.as_str();
        if path.len() > MAX_PATH_BYTES {
            return Err(Reason::RequestTooLarge.because("path is over the size limit"));
        }
        let rest = path.strip_prefix('/').ok_or_else(|| refuse("does not start with `/`"))?;
        let count = rest.split('/').count();
        if count > MAX_PATH_SEGMENTS {
            return Err(refuse("has too many segments"));
        }
        // Split first, decode after: an escaped `/` must never become a separator (P20).
        let last = count.saturating_sub(1);
        let mut segments = Vec::with_capacity(count);
        let mut leniency = PathLeniency::default();
        for (at, segment) in rest.split('/').enumerate() {
            if segment.is_empty() && at != last {
                leniency.empty_segments = true;
                continue;
            }
            segments.push(match decode_segment(segment, allowed, &mut leniency)? {
                Cow::Borrowed(segment) => text.within(segment),
                Cow::Owned(decoded) => decoded.into(),
            });
        }
        let refusal = leniency.refusal().filter(|_| !allowed.covers(leniency));
        refusal.map_or(Ok(()), Err)?;
        Ok(Self { text, segments, leniency })
    }

    /// The parts that were accepted and are not canonical.
    pub const fn leniency(&self) -> PathLeniency {
        self.leniency
    }

    /// The path as sent.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The decoded segments; the last one is empty where the path ends with a slash.
    pub fn segments(&self) -> &[Text] {
        &self.segments
    }
}

impl PathLeniency {
    /// Everything that can be accepted.
    pub const ALL: Self = Self { encoded_slashes: true, parameters: true, empty_segments: true };

    /// Why a path is refused that needs it; nothing where it needs nothing.
    pub fn refusal(self) -> Option<Rejection> {
        let rule = match self {
            Self { empty_segments: true, .. } => "has an empty segment",
            Self { parameters: true, .. } => "has a `;` parameter",
            Self { encoded_slashes: true, .. } => "hides a separator in a percent-encoding",
            Self { .. } => return None,
        };
        Some(refuse(rule))
    }

    /// True if it accepts everything that `other` accepts.
    pub const fn covers(self, other: Self) -> bool {
        (self.encoded_slashes || !other.encoded_slashes)
            && (self.parameters || !other.parameters)
            && (self.empty_segments || !other.empty_segments)
    }

    /// Everything that either of the two accepts.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            encoded_slashes: self.encoded_slashes || other.encoded_slashes,
            parameters: self.parameters || other.parameters,
            empty_segments: self.empty_segments || other.empty_segments,
        }
    }
}

fn refuse(rule: &'static str) -> Rejection {
    Reason::PathNotCanonical.because(format!("path {rule}"))
}

fn decode_segment<'a>(
    segment: &'a str,
    allowed: PathLeniency,
    leniency: &mut PathLeniency,
) -> Result<Cow<'a, str>, Rejection> {
    if is_plain(segment) {
        return Ok(segment.into());
    }
    decode_unusual_segment(segment, allowed, leniency)
}

/// True if it has nothing but unreserved characters (RFC 3986 section 2.3) and is no dot segment: every reader reads it in
/// the same way.
fn is_plain(segment: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    segment.bytes().all(unreserved) && !matches!(segment, "." | "..")
}

fn decode_unusual_segment<'a>(
    segment: &'a str,
    allowed: PathLeniency,
    leniency: &mut PathLeniency,
) -> Result<Cow<'a, str>, Rejection> {
    let segment = without_parameters(segment, allowed, leniency)?;
    segment.bytes().try_for_each(check_raw_byte)?;
    check_escapes(segment, allowed, leniency)?;
    let decoded = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| refuse("has a percent-encoding that is not UTF-8"))?;
    // A segment with slashes must not lead upwards for a reader that treats them as separators.
    let parts = || decoded.split('/');
    if parts().any(|part| part == "." || part == "..") {
        return Err(refuse("has a `.` or `..` segment"));
    }
    if decoded.contains('/') && parts().any(str::is_empty) {
        return Err(refuse("has an empty segment"));
    }
    if has_escape(&decoded) {
        return Err(refuse("is percent-encoded twice"));
    }
    Ok(decoded)
}

/// A segment without `;a=b` at its end. The rest is a segment: `..;a=b` is none (P21).
fn without_parameters<'a>(
    segment: &'a str,
    allowed: PathLeniency,
    leniency: &mut PathLeniency,
) -> Result<&'a str, Rejection> {
    let Some((name, parameters)) = segment.split_once(';').filter(|_| allowed.parameters) else {
        return Ok(segment);
    };
    leniency.parameters = true;
    if name.is_empty() {
        return Err(refuse("has an empty segment"));
    }
    parameters.bytes().filter(|byte| *byte != b';').try_for_each(check_raw_byte)?;
    check_escapes(parameters, PathLeniency::default(), leniency)?;
    Ok(name)
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
fn check_escapes(
    segment: &str,
    allowed: PathLeniency,
    leniency: &mut PathLeniency,
) -> Result<(), Rejection> {
    for after in segment.split('%').skip(1) {
        let byte = escaped_byte(after).ok_or_else(|| refuse("has a broken percent-encoding"))?;
        match byte {
            b'/' if allowed.encoded_slashes => leniency.encoded_slashes = true,
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

/// True if a decoded text still reads as percent-encoded, so that decoding it once more would change it.
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
            let parsed = CanonicalPath::parse(path, PathLeniency::default()).unwrap();
            assert_eq!(parsed.segments(), segments, "{path}");
            assert_eq!(parsed.as_str(), path);
        }
    }

    /// The short way to a plain segment ends where the long one does.
    #[test]
    fn plain_segments_are_what_they_are() {
        let bytes = (0..=0x7f).map(|byte| char::from(byte).to_string());
        let words = ["", "a", "...", "..", ".", "a.b", "v1", "~me", "-_.~09azAZ"];
        for segment in bytes.chain(words.map(str::to_owned)).filter(|text| is_plain(text)) {
            let mut leniency = PathLeniency::default();
            let decoded = decode_unusual_segment(&segment, PathLeniency::ALL, &mut leniency);
            assert_eq!(decoded.as_deref(), Ok(&*segment));
            assert_eq!(leniency, PathLeniency::default(), "{segment}");
        }
    }

    /// P8, P19, P20, P21, P22, P27: one refusal for each way of writing a path that another reader reads differently.
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
            let refused = CanonicalPath::parse(path, PathLeniency::default()).expect_err(path);
            assert_eq!(refused.reason(), Reason::PathNotCanonical, "{path}");
        }
    }

    /// P19, P20, P21: what is accepted on purpose is read in one way, and never as a way up or into another segment.
    #[test]
    fn what_is_accepted_on_purpose_is_read_in_one_way() {
        let slashes = PathLeniency { encoded_slashes: true, ..PathLeniency::default() };
        let parameters = PathLeniency { parameters: true, ..PathLeniency::default() };
        let empty = PathLeniency { empty_segments: true, ..PathLeniency::default() };
        for (allowed, path, segments) in [
            (slashes, "/projects/group%2Fname/files", &["projects", "group/name", "files"][..]),
            (parameters, "/a;v=1/b;x", &["a", "b"]),
            (parameters, "/a;v=1;w=%20", &["a"]),
            (empty, "//a///b", &["a", "b"]),
            (empty, "/a//", &["a", ""]),
        ] {
            let parsed = CanonicalPath::parse(path, allowed).unwrap();
            assert_eq!(
                (parsed.segments(), parsed.leniency()),
                (
                    &segments.iter().map(|segment| Text::from(*segment)).collect::<Vec<_>>()[..],
                    allowed
                ),
                "{path}"
            );
            assert!(CanonicalPath::parse(path, PathLeniency::default()).is_err(), "{path}");
            let plain = CanonicalPath::parse("/a/b", allowed).unwrap();
            assert_eq!(plain.leniency(), PathLeniency::default());
        }
        let all = slashes.or(parameters).or(empty);
        for path in [
            "/a/..;x/b",
            "/a/.;/b",
            "/;x/a",
            "/a%2f..%2fb",
            "/a/..%2fb",
            "/a%2f",
            "/%2fa",
            "/a%2f%2fb",
            "/a%252fb",
            "/a%5cb",
            "/a%3bx",
            "/a;%2e%2e",
            "/a;x%2fb",
            "/a;x\\",
            "/a;x#",
            "/a//../b",
            "/a\\b",
            "//a/./b",
        ] {
            assert!(CanonicalPath::parse(path, all).is_err(), "{path}");
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let long = format!("/{}", "a".repeat(MAX_PATH_BYTES));
        assert_eq!(
            CanonicalPath::parse(&long, PathLeniency::default()).unwrap_err().reason(),
            Reason::RequestTooLarge
        );
        let deep = "/a".repeat(MAX_PATH_SEGMENTS + 1);
        assert_eq!(
            CanonicalPath::parse(&deep, PathLeniency::default()).unwrap_err().reason(),
            Reason::PathNotCanonical
        );
    }

    /// Invariant 9: the longest path and the most segments are taken, and one more is refused.
    #[test]
    fn the_bounds_of_a_path_are_exact() {
        let parse = |path: String| CanonicalPath::parse(path, PathLeniency::default());
        assert!(parse(format!("/{}", "a".repeat(MAX_PATH_BYTES - 1))).is_ok());
        let long = parse(format!("/{}", "a".repeat(MAX_PATH_BYTES))).unwrap_err();
        assert_eq!(long.reason(), Reason::RequestTooLarge);
        assert!(parse("/a".repeat(MAX_PATH_SEGMENTS)).is_ok());
        let many = parse("/a".repeat(MAX_PATH_SEGMENTS + 1)).unwrap_err();
        assert_eq!(many.reason(), Reason::PathNotCanonical);
    }
}
