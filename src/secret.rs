//! Values that must not be seen, and fingerprints to speak of them by.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
