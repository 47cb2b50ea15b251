//! Header fields with every repetition kept: which value counts is the reader's decision, made in the open.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reason::{Reason, Rejection};
use crate::request::{Text, is_spelling_of_header};
use crate::secret::SealedText;

/// The value of one header line, as bytes: RFC 9110 section 5.5 allows more than UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderValue(Bytes);

/// Header fields in the order of arrival; names in lower case, repetitions kept.
///
/// A proxy may have joined repeated lines with `,` before we saw them, as Envoy does in its `headers` map, so a
/// value that means something only once is read with [`Headers::only`], or with [`Headers::single`] *and* by a parser to
/// which a joined value makes no sense (P4, P86).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    pub(super) lines: Vec<(Text, HeaderValue)>,
    form: HeaderForm,
    shown: Shown,
}

/// How the proxy wrote the lines down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderForm {
    /// Each line by itself, as it came.
    #[default]
    Lines,
    /// Lines of one name joined by commas, and bytes that are not UTF-8 replaced by `!`.
    Joined,
}

/// Which of a request's headers Envoy sends with a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ShownHeaders")]
pub enum Shown {
    /// There may be others: each allow lists every header that must not go upstream, in every mixture of `-` and `_`.
    #[default]
    Some,
    /// All of them (neither `allowed_headers` nor `disallowed_headers` is set): an allow lists those that were sent.
    Every,
}

/// Headers with one value by definition in which a comma is part of the value (RFC 9110).
const ONE_VALUE: [&str; 5] =
    ["date", "if-modified-since", "if-range", "if-unmodified-since", "referer"];

/// The same, and Envoy keeps it as one line in either form and sends that line on, so that what is read here is what the
/// upstream gets.
const ONE_LINE: &str = "user-agent";

/// The headers whose values with a comma can be recognized, in at least one form.
pub fn headers_of_one_value() -> impl Iterator<Item = &'static str> {
    ONE_VALUE.into_iter().chain([ONE_LINE])
}

impl HeaderValue {
    /// Wraps the bytes of a header value.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
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
    pub fn to_text(&self) -> Option<Text> {
        Text::new(self.0.clone())
    }

    /// The part `part` of its text, sealed.
    pub fn seal(&self, part: &str) -> SealedText {
        SealedText::within(&self.0, part)
    }
}

impl Headers {
    /// The same lines, which the proxy wrote down in this `form`.
    #[must_use]
    pub fn in_form(self, form: HeaderForm) -> Self {
        Self { form, ..self }
    }

    /// The same lines, which are those that the proxy shows.
    #[must_use]
    pub fn with_shown(self, shown: Shown) -> Self {
        Self { shown, ..self }
    }

    /// None yet, of a request whose headers are written down and shown as `self` are.
    pub(super) fn none_like(&self) -> Self {
        Self { lines: Vec::new(), ..*self }
    }

    /// Adds a header line; the name is put into lower case.
    pub fn push(&mut self, name: impl Into<Text>, value: HeaderValue) {
        self.lines.push((name.into().into_lowercase(), value));
    }

    /// Every line of `name`, which is given in lower case, in the order of arrival.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a HeaderValue> {
        self.lines.iter().filter(move |(own, _)| *own == *name).map(|(_, value)| value)
    }

    /// Every line that some reader takes for one of `name`, which is given in lower case, with the name that it has.
    pub fn spellings<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a HeaderValue)> + Clone {
        self.iter().filter(move |(own, _)| is_spelling_of_header(own, name))
    }

    /// The only value of `name`, which is given in lower case: none where there is none, where there may be several in
    /// either form (P130), where it may not be what was sent, or where another spelling of the name was sent as well (P131).
    pub fn only<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut lines = self.spellings(name);
        let (own, line) = lines.next()?;
        let text = line.as_str().ok().filter(|text| !self.may_be_replaced(text))?;
        let is_one = own == name && lines.next().is_none();
        let is_one_value = match name {
            ONE_LINE => true,
            _ => {
                !text.contains(',') || (self.form == HeaderForm::Lines && ONE_VALUE.contains(&name))
            }
        };
        (is_one && is_one_value).then_some(text)
    }

    /// True if `name`, given in lower case, was sent; `None` where only another spelling of it was.
    pub fn is_there(&self, name: &str) -> Option<bool> {
        let mut lines = self.spellings(name).peekable();
        let any = lines.peek().is_some();
        let exact = lines.any(|(own, _)| own == name);
        (exact || !any).then_some(exact)
    }

    /// True if `text` may stand for bytes that were not UTF-8.
    pub fn may_be_replaced(&self, text: &str) -> bool {
        self.form == HeaderForm::Joined && text.contains('!')
    }

    /// Which headers of the request are among these.
    pub const fn shown(&self) -> Shown {
        self.shown
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
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> + Clone {
        self.lines.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl FromIterator<(Text, HeaderValue)> for Headers {
    fn from_iter<I: IntoIterator<Item = (Text, HeaderValue)>>(lines: I) -> Self {
        let lines = lines.into_iter().map(|(name, value)| (name.into_lowercase(), value)).collect();
        Self { lines, ..Self::default() }
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

    /// P130: a value with a comma may be several values. A header that has one value by definition has one if its lines are
    /// separate.
    #[test]
    fn a_value_that_may_be_several_is_not_the_only_one() {
        for (lines, name, apart, joined) in [
            (&[("x-debug", &b"1"[..])][..], "x-debug", Some("1"), Some("1")),
            (&[("x-debug", b"1,1")], "x-debug", None, None),
            (&[("x-debug", b"1"), ("x-debug", b"1")], "x-debug", None, None),
            (&[("x-debug", b"")], "x-debug", Some(""), Some("")),
            (&[("x-debug", b",")], "x-debug", None, None),
            (&[("date", b"Sun, 06 Nov")], "date", Some("Sun, 06 Nov"), None),
            (&[("user-agent", b"a, b")], "user-agent", Some("a, b"), Some("a, b")),
            (&[("x-debug", b"a!")], "x-debug", Some("a!"), None),
            (&[("x-debug", b"\xff")], "x-debug", None, None),
            (&[("x-debug", b"1"), ("x_debug", b"1")], "x-debug", None, None),
            (&[("x_debug", b"1")], "x-debug", None, None),
        ] {
            let headers = headers(lines);
            assert_eq!(headers.only(name), apart, "{lines:?}");
            assert_eq!(headers.in_form(HeaderForm::Joined).only(name), joined, "{lines:?}");
        }
    }

    /// P131: whether a header was sent cannot be determined if only another spelling of its name was sent.
    #[test]
    fn presence_in_another_spelling_is_unknown() {
        assert_eq!(headers(&[("x-debug", b"1")]).is_there("x-debug"), Some(true));
        assert_eq!(headers(&[("x_debug", b"1"), ("x-debug", b"")]).is_there("x-debug"), Some(true));
        assert_eq!(headers(&[("x.debug", b"1")]).is_there("x-debug"), None);
        assert_eq!(headers(&[("debug", b"1")]).is_there("x-debug"), Some(false));
    }
}
