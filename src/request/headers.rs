//! Header fields with every repetition kept: which value counts is the reader's decision, made in the open.

use bytes::Bytes;

use crate::reason::{Reason, Rejection};
use crate::request::Text;
use crate::secret::SealedText;

/// The value of one header line, as bytes: RFC 9110 section 5.5 allows more than UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderValue(Bytes);

/// Header fields in the order of arrival; names in lower case, repetitions kept.
///
/// A proxy may have joined repeated lines with `,` before we saw them, as Envoy does in its `headers` map, so a
/// value that means something only once is read with [`Headers::single`] *and* by a parser to which a joined value
/// makes no sense (P4, P86).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub(super) Vec<(Text, HeaderValue)>);

// === impl HeaderValue ===

impl HeaderValue {
    /// Wraps the bytes of a header value.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as text.
    ///
    /// # Errors
    /// `encoding_invalid` where it is not UTF-8, so that a rule never compares a repaired value (P7).
    pub fn as_str(&self) -> Result<&str, Rejection> {
        std::str::from_utf8(&self.0)
            .map_err(|_| Reason::EncodingInvalid.because("a header value is not UTF-8"))
    }

    /// The value as text that shares its bytes, where it is UTF-8.
    #[must_use]
    pub fn to_text(&self) -> Option<Text> {
        Text::new(self.0.clone())
    }

    /// The part `part` of its text, sealed.
    #[must_use]
    pub fn seal(&self, part: &str) -> SealedText {
        SealedText::within(&self.0, part)
    }
}

// === impl Headers ===

impl Headers {
    /// Adds a header line; the name is put into lower case.
    pub fn push(&mut self, name: impl Into<Text>, value: HeaderValue) {
        self.0.push((name.into().into_lowercase(), value));
    }

    /// Every line of `name`, which is given in lower case, in the order of arrival.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a HeaderValue> {
        self.0.iter().filter(move |(own, _)| *own == *name).map(|(_, value)| value)
    }

    /// The only value of `name`.
    ///
    /// # Errors
    /// `header_duplicate` where there are several lines, `encoding_invalid` where it is not UTF-8.
    pub fn single<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Rejection> {
        let mut lines = self.all(name);
        let Some(first) = lines.next() else { return Ok(None) };
        if lines.next().is_some() {
            return Err(
                Reason::HeaderDuplicate.because(format!("header `{name}` was sent more than once"))
            );
        }
        first.as_str().map(Some)
    }

    /// Every line, in the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Text, HeaderValue)> for Headers {
    fn from_iter<I: IntoIterator<Item = (Text, HeaderValue)>>(lines: I) -> Self {
        Self(lines.into_iter().map(|(name, value)| (name.into_lowercase(), value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &[u8])]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in lines {
            headers.push(*name, HeaderValue::new(value.to_vec()));
        }
        headers
    }

    /// P4: a repeated header is never read as its first line.
    #[test]
    fn a_repeated_header_is_not_single() {
        let headers = headers(&[("X-Role", b"user"), ("x-role", b"admin")]);
        assert_eq!(headers.single("x-role").unwrap_err().reason(), Reason::HeaderDuplicate);
        assert_eq!(headers.all("x-role").count(), 2);
    }

    /// P7: bytes that are not text are an error, not a repaired text.
    #[test]
    fn a_value_that_is_not_utf8_is_not_text() {
        let headers = headers(&[("x-role", b"\xff")]);
        assert_eq!(headers.single("x-role").unwrap_err().reason(), Reason::EncodingInvalid);
        assert_eq!(headers.single("absent"), Ok(None));
    }
}
