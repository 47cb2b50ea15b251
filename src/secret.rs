//! Values that must not be seen, and fingerprints to speak of them by.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use aws_lc_rs::digest;
use bytes::Bytes;
use bytestring::ByteString;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use zeroize::{Zeroize, Zeroizing};

/// A value that no formatter, log line or serializer can print; its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

/// Secret text within the bytes that it arrived in: shared instead of copied, since copies are what leaks. No formatter
/// prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedText(ByteString);

/// SHA-256 of something secret or long: names it in caches, logs and audit records.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself. Every call is a place for a reviewer to look at.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl SealedText {
    /// The text `part` of `whole`, which it lies in.
    pub fn within(whole: &Bytes, part: &str) -> Self {
        // It is text, as `part` is.
        Self(whole.slice_ref(part.as_bytes()).try_into().unwrap_or_default())
    }

    /// The text itself. Every call is a place for a reviewer to look at.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its bytes, of which the same is to be said.
    pub fn expose_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.0.as_bytes())
    }
}

impl From<&str> for SealedText {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for SealedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Fingerprint {
    /// The fingerprint of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Self(out)
    }

    /// A fingerprint of nothing, and of nothing else.
    pub fn random() -> Self {
        let mut out = [0; 32];
        // The library's generator ends the process rather than fail.
        let _ = aws_lc_rs::rand::fill(&mut out);
        Self(out)
    }

    /// A fingerprint that was computed elsewhere, as its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A fingerprint that was computed elsewhere, as 64 hexadecimal digits in any case.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// All of it in lower-case hexadecimal, as Envoy writes XFCC `Hash`.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// The same, for who only writes it down.
    pub fn hex(&self) -> Hex {
        Hex::of(&self.0)
    }
}

impl fmt::Display for Fingerprint {
    /// The first eight bytes in hexadecimal: enough to find a record by, too little to guess from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Hex::of(self.0.get(..8).unwrap_or_default()).as_str())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Up to 32 bytes in lower-case hexadecimal, without memory of its own.
#[derive(Clone, Copy)]
pub struct Hex {
    digits: [u8; 64],
    len: usize,
}

impl Hex {
    /// The first 32 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.get(..32).unwrap_or(bytes);
        let (mut digits, len) = ([0; 64], HEXLOWER.encode_len(bytes.len()));
        if let Some(room) = digits.get_mut(..len) {
            HEXLOWER.encode_mut(bytes, room);
        }
        Self { digits, len }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        let digits = self.digits.get(..self.len).unwrap_or_default();
        // Digits are text.
        std::str::from_utf8(digits).unwrap_or_default()
    }
}

/// `bytes` in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// The text in the place of something secret; always of the same length, so that it does not tell the length of the secret.
pub const HIDDEN: &str = "<hidden>";

/// Shortest token that is hidden, and shortest line that goes on with one: hardly a word or the name of a file is as long.
const LEAST: usize = 20;

/// The name of a file that cannot be read, or that it is hidden where it is no file and may be an opaque token that was given in its
/// place: long, with neither a folder nor an ending, or behind `Bearer`.
pub fn unread_file(path: &Path) -> Cow<'_, str> {
    let name = path.to_string_lossy();
    if may_be_credential(&name) && !path.exists() { Cow::Borrowed(HIDDEN) } else { name }
}

/// True if `text`, which was given as an argument, may be an opaque token.
pub fn may_be_credential(text: &str) -> bool {
    let bare = !text.starts_with('-') && !text.contains(['/', '.']) && text.len() >= LEAST;
    let scheme = text.split_once(' ').map(|(scheme, _)| scheme.to_ascii_lowercase());
    bare || scheme.is_some_and(|own| matches!(&*own, "bearer" | "dpop"))
}

/// `text` without the tokens in it, such as one that was given where the name of a file belongs.
pub fn without_tokens(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for token in tokens_in(text) {
        shown.push_str(text.get(done..token.start).unwrap_or_default());
        shown.push_str(HIDDEN);
        done = token.end;
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    shown
}

/// The places of tokens in `text`, in order: of all that begins as the header of a JWT does (RFC 7515 section 3.1), with what follows
/// it. Its parts may be joined in another way, as `%2E` or `/` for its dots, and be on several lines.
pub fn tokens_in(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0_usize;
    std::iter::from_fn(move || {
        loop {
            let at = from.saturating_add(text.get(from..)?.find("eyJ")?);
            let before = text.get(..at)?;
            let is_inside = before.ends_with(is_of_token)
                && !before.ends_with(['=', '/'])
                && !ends_in_colour(before);
            let length = length(text.get(at..)?);
            let end = at.saturating_add(length);
            from = end;
            if !is_inside && length >= LEAST {
                return Some(at..end);
            }
        }
    })
}

/// True if `text` ends with a sequence that colours what follows it on a terminal.
fn ends_in_colour(text: &str) -> bool {
    let sequence = text.rfind("\u{1b}[").and_then(|at| text.get(at.saturating_add(2)..));
    let codes = sequence.and_then(|sequence| sequence.strip_suffix('m'));
    codes.is_some_and(|codes| codes.bytes().all(|b| b.is_ascii_digit() || b == b';'))
}

const fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=' | '%' | '/' | '+')
}

/// The length of the token that `text` begins with, over line breaks with enough of it behind them.
fn length(text: &str) -> usize {
    let run = |text: &str| text.find(|c| !is_of_token(c)).unwrap_or(text.len());
    let mut end = run(text);
    while let Some(rest) = text.get(end..) {
        let next = rest.trim_start_matches(['\r', '\n', ' ', '\t']);
        let gap = rest.len().saturating_sub(next.len());
        let is_broken = rest.get(..gap).is_some_and(|gap| gap.contains('\n'));
        if !is_broken || run(next) < LEAST {
            break;
        }
        end = end.saturating_add(gap).saturating_add(run(next));
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P765: what is given where a file belongs, and is none, may be an opaque token.
    #[test]
    fn an_opaque_token_in_place_of_a_file_is_hidden() {
        let shown = |name: &str| unread_file(Path::new(name)).into_owned();
        for token in ["hunter2SECRETopaque0123456789", "Bearer abc", "DPoP abc"] {
            assert_eq!(shown(token), HIDDEN);
        }
        for file in [
            "token",
            "admin.token",
            "folder/hunter2SECRETopaque0123456789",
            "a-file.which-is-not-there",
        ] {
            assert_eq!(shown(file), file);
        }
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("hunter2SECRETopaque0123456789");
        assert_eq!(shown(&there.to_string_lossy()), there.to_string_lossy());
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new(String::from("hunter2"));
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.expose(), "hunter2");
        let whole = Bytes::from_static(b"Bearer hunter2");
        let part = std::str::from_utf8(&whole).unwrap().split_once(' ').unwrap().1;
        let sealed = SealedText::within(&whole, part);
        assert_eq!((format!("{sealed:?}").as_str(), sealed.expose()), ("[redacted]", "hunter2"));
    }

    #[test]
    fn a_fingerprint_is_the_sha256() {
        // FIPS 180-2 appendix B.1.
        let print = Fingerprint::of(b"abc");
        assert_eq!(
            print.to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(print.hex().as_str(), print.to_hex());
        assert_eq!(print.to_string(), "ba7816bf8f01cfea");
        assert_eq!(Fingerprint::from_hex(&print.to_hex().to_uppercase()), Some(print));
        for wrong in
            ["", "ba", print.to_hex().trim_start_matches('b'), &print.to_hex().replace('a', "+")]
        {
            assert_eq!(Fingerprint::from_hex(wrong), None, "{wrong}");
        }
    }

    /// P648: a token that stands where the name of a file belongs is in no message.
    #[test]
    fn tokens_are_in_no_message() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln_-A";
        for (text, shown) in [
            (format!("cannot read `{token}`: no"), "cannot read `<hidden>`: no"),
            (token.to_owned(), "<hidden>"),
            (format!("'Bearer {token}' and {token}"), "'Bearer <hidden>' and <hidden>"),
            (
                String::from("eyJ is short, and monkeyJarAndALongerWordBehindIt no token"),
                "eyJ is short, and monkeyJarAndALongerWordBehindIt no token",
            ),
            (format!("/{}?", token.replace('.', "/")), "/<hidden>?"),
            (format!("`{}`", token.replace('.', "%2E")), "`<hidden>`"),
            (format!("\u{1b}[33m{token}\u{1b}[0m"), "\u{1b}[33m<hidden>\u{1b}[0m"),
            (format!("?access_token={token}&a"), "?access_token=<hidden>&a"),
            (format!("{}\n  {token}x\nhelp: no", token.split_at(30).0), "<hidden>\nhelp: no"),
            (format!("{token}\nhelp: write its name"), "<hidden>\nhelp: write its name"),
        ] {
            assert_eq!(without_tokens(&text), shown);
        }
    }
}
