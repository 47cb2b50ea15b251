//! Text within the bytes that it arrived in: shared instead of copied.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;

/// Text of a request. A copy of it costs a count, so that what is taken out of a message needs no memory of its own; the
/// message is kept for as long as any text of it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(ByteString);

impl Text {
    /// `bytes` as text, where they are UTF-8.
    pub fn new(bytes: Bytes) -> Option<Self> {
        ByteString::try_from(bytes).ok().map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// `part` of it, which lies in it.
    pub fn within(&self, part: &str) -> Self {
        Self(self.0.slice_ref(part))
    }

    /// The text with the letters A to Z as a to z.
    #[must_use]
    pub fn into_lowercase(self) -> Self {
        if self.as_bytes().iter().any(u8::is_ascii_uppercase) {
            return self.to_ascii_lowercase().into();
        }
        self
    }

    /// Its bytes.
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        *self.as_str() == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf8_and_shares_its_bytes() {
        assert_eq!(Text::new(Bytes::from_static(b"\xff")), None);
        let whole = Text::new(Bytes::from_static(b"/a/b?c")).unwrap();
        let part = whole.within(whole.split_once('?').unwrap().0);
        assert_eq!((part.as_bytes().as_ptr(), &*part), (whole.as_bytes().as_ptr(), "/a/b"));
        let lower = whole.clone().into_lowercase();
        assert_eq!(lower.as_bytes().as_ptr(), whole.as_bytes().as_ptr());
        assert_eq!(Text::from("A-b").into_lowercase(), "a-b");
    }
}
