//! Conditions on the values of a request header, with every repetition seen (P4, P5).
//!
//! A header's values are the elements of all its lines: each line is split at commas (RFC 9110 section 5.6.1), since a
//! proxy may have joined repeated lines with a comma before we saw them, and both forms must mean the same (P6).

use super::text::TextMatcher;
use super::truth::Truth;
use crate::request::{HeaderValue, Headers};

/// What the values of a header must be.
#[derive(Clone, Debug)]
pub(super) struct HeaderMatcher {
    /// The name, in lower case.
    pub(super) name: Box<str>,
    /// What its values must be.
    pub(super) test: HeaderTest,
}

/// What the values of a header must be.
#[derive(Clone, Debug)]
pub(super) enum HeaderTest {
    /// One, at least, is like this.
    Any(TextMatcher),
    /// There is one, and every one is like this.
    All(TextMatcher),
    /// Whether a line of it was sent.
    Exists(bool),
}

// === impl HeaderMatcher ===

impl HeaderMatcher {
    /// Whether it holds for `headers`. Unknown where a value is needed that is not text: comparing a repaired value is how
    /// deny rules are got around (P7).
    pub(super) fn holds(&self, headers: &Headers) -> Truth {
        let lines = headers.all(&self.name);
        match &self.test {
            HeaderTest::Exists(expected) => (lines.count() > 0).eq(expected).into(),
            HeaderTest::Any(matcher) => {
                Truth::any(lines.flat_map(|line| line_truths(line, matcher)))
            }
            HeaderTest::All(matcher) => {
                Truth::every(lines.flat_map(|line| line_truths(line, matcher)))
            }
        }
    }
}

/// Whether each element of a line is like `matcher`; one unknown for a line that is not text.
fn line_truths<'a>(
    line: &'a HeaderValue,
    matcher: &'a TextMatcher,
) -> impl Iterator<Item = Truth> + 'a {
    let (text, unreadable) = match line.as_str() {
        Ok(text) => (text, None),
        Err(_) => ("", Some(Truth::Unknown)),
    };
    let elements = text.split(',').map(|element| element.trim_matches([' ', '\t']));
    let truths = elements
        .filter(|element| !element.is_empty())
        .map(|element| matcher.matches(element).into());
    unreadable.into_iter().chain(truths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Truth::{False, True, Unknown};

    fn headers(lines: &[&[u8]]) -> Headers {
        let mut headers = Headers::default();
        for line in lines {
            headers.push("X-Role", HeaderValue::new(line.to_vec()));
        }
        headers
    }

    fn any_and_all(lines: &[&[u8]]) -> (Truth, Truth) {
        let admin = || TextMatcher::OneOf(["admin".into()].into());
        let holds = |test| HeaderMatcher { name: "x-role".into(), test }.holds(&headers(lines));
        (holds(HeaderTest::Any(admin())), holds(HeaderTest::All(admin())))
    }

    /// P4, P5, P6: every value counts, in either encoding, and nobody's first line is special.
    #[test]
    fn repeated_and_joined_values_mean_the_same() {
        for (lines, expected) in [
            (&[b"admin".as_slice()][..], (True, True)),
            (&[b"user"], (False, False)),
            (&[b"user", b"admin"], (True, False)),
            (&[b"admin", b"user"], (True, False)),
            (&[b"user,admin"], (True, False)),
            (&[b"admin, \tuser"], (True, False)),
            (&[b"admin,,admin"], (True, True)),
            (&[b"administrator"], (False, False)),
            (&[b"Admin"], (False, False)),
            (&[b""], (False, False)),
            (&[], (False, False)),
        ] {
            assert_eq!(any_and_all(lines), expected, "{lines:?}");
        }
    }

    /// P7: bytes that are not text make the answer unknown, unless another value settles it.
    #[test]
    fn a_value_that_is_not_text_is_unknown() {
        assert_eq!(any_and_all(&[b"ad\xffmin"]), (Unknown, Unknown));
        assert_eq!(any_and_all(&[b"\xff", b"admin"]), (True, Unknown));
        assert_eq!(any_and_all(&[b"\xff", b"user"]), (Unknown, False));
    }

    #[test]
    fn presence_is_about_lines() {
        let exists = HeaderMatcher { name: "x-role".into(), test: HeaderTest::Exists(true) };
        assert_eq!(exists.holds(&headers(&[b"\xff"])), True);
        assert_eq!(exists.holds(&headers(&[])), False);
    }
}
