//! Conditions on the values of a request header, with every repetition seen (P4, P5).
//!
//! A header's values are the elements of all its lines: each line is split at commas (RFC 9110 section 5.6.1), since a proxy
//! may have joined repeated lines with a comma before they arrive, and both forms must mean the same (P6). A line under a name
//! that some upstream reads as the same name makes the result unknown if it matters (P131).

use crate::policy::model::text::{Reading, ValuesTest};
use crate::policy::model::truth::Truth;
use crate::request::{HeaderValue, Headers};

/// A test of the values of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct HeaderMatcher {
    /// The name, in lower case.
    pub(in crate::policy) name: Box<str>,
    /// The test of its values.
    pub(in crate::policy) test: ValuesTest,
}

impl HeaderMatcher {
    /// The result for `headers`. Unknown where a value is needed that is not text: comparing a repaired value is how
    /// deny rules are got around (P7).
    pub(in crate::policy) fn matches(&self, headers: &Headers) -> Truth {
        let lines = headers.spellings(&self.name);
        let spelled = lines.clone().any(|(name, _)| *name != *self.name);
        self.test.holds_in_every(spelled, |reading: Reading| {
            let read = lines.clone().filter(move |(name, _)| reading.takes(**name == *self.name));
            let sent = read.clone().next().is_some();
            (sent, read.flat_map(|(_, line)| elements(headers, line)))
        })
    }
}

/// The elements of a line; one that cannot be read for a line that is not text, or may not be the text that was sent.
fn elements<'h>(headers: &Headers, line: &'h HeaderValue) -> impl Iterator<Item = Option<&'h str>> {
    let (text, unreadable) = match line.as_str() {
        Ok(text) if !headers.may_be_replaced(text) => (text, None),
        Ok(_) | Err(_) => ("", Some(None)),
    };
    let elements = text.split(',').map(|element| element.trim_matches([' ', '\t']));
    unreadable.into_iter().chain(elements.filter(|element| !element.is_empty()).map(Some))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::model::text::TextMatcher;
    use Truth::{Fails, Holds, Unknown};

    fn headers(lines: &[&[u8]]) -> Headers {
        let mut headers = Headers::default();
        for line in lines {
            headers.push("X-Role", HeaderValue::new(line.to_vec()));
        }
        headers
    }

    fn any_and_all(lines: &[&[u8]]) -> (Truth, Truth) {
        let admin = || TextMatcher::OneOf(["admin".into()].into());
        let holds = |test| HeaderMatcher { name: "x-role".into(), test }.matches(&headers(lines));
        (holds(ValuesTest::Any(admin())), holds(ValuesTest::All(admin())))
    }

    /// P4, P5, P6: every value counts, in either encoding, and no line is special.
    #[test]
    fn repeated_and_joined_values_mean_the_same() {
        for (lines, expected) in [
            (&[b"admin".as_slice()][..], (Holds, Holds)),
            (&[b"user"], (Fails, Fails)),
            (&[b"user", b"admin"], (Holds, Fails)),
            (&[b"admin", b"user"], (Holds, Fails)),
            (&[b"user,admin"], (Holds, Fails)),
            (&[b"admin, \tuser"], (Holds, Fails)),
            (&[b"admin,,admin"], (Holds, Holds)),
            (&[b"administrator"], (Fails, Fails)),
            (&[b"Admin"], (Fails, Fails)),
            (&[b""], (Fails, Fails)),
            (&[], (Fails, Fails)),
        ] {
            assert_eq!(any_and_all(lines), expected, "{lines:?}");
        }
    }

    /// P7: bytes that are not text make the answer unknown, unless another value settles it.
    #[test]
    fn a_value_that_is_not_text_is_unknown() {
        assert_eq!(any_and_all(&[b"ad\xffmin"]), (Unknown, Unknown));
        assert_eq!(any_and_all(&[b"\xff", b"admin"]), (Holds, Unknown));
        assert_eq!(any_and_all(&[b"\xff", b"user"]), (Unknown, Fails));
    }

    #[test]
    fn presence_is_about_lines() {
        let exists = HeaderMatcher { name: "x-role".into(), test: ValuesTest::Exists(true) };
        assert_eq!(exists.matches(&headers(&[b"\xff"])), Holds);
        assert_eq!(exists.matches(&headers(&[])), Fails);
    }

    /// P131: a line under a name that some upstream reads as the same one may count, for deny rules and for allow rules.
    #[test]
    fn other_spellings_of_the_name_count_in_doubt() {
        let holds = |test: ValuesTest, lines: &[(&str, &str)]| {
            let mut headers = Headers::default();
            for (name, value) in lines {
                headers.push(*name, HeaderValue::new(value.as_bytes().to_vec()));
            }
            HeaderMatcher { name: "x-debug".into(), test }.matches(&headers)
        };
        let one = || TextMatcher::OneOf(["1".into()].into());
        for (lines, any, all, exists) in [
            (&[("x-debug", "1")][..], Holds, Holds, Holds),
            (&[("x_debug", "1")], Unknown, Unknown, Unknown),
            (&[("x.debug", "0")], Fails, Fails, Unknown),
            (&[("x-debug", "0"), ("x_debug", "1")], Unknown, Unknown, Holds),
            (&[("x-debug", "1"), ("x_debug", "0")], Unknown, Unknown, Holds),
            (&[("x-debug", "1"), ("x_debug", "1")], Holds, Holds, Holds),
            (&[("x-debug2", "1")], Fails, Fails, Fails),
        ] {
            assert_eq!(holds(ValuesTest::Any(one()), lines), any, "{lines:?}");
            assert_eq!(holds(ValuesTest::All(one()), lines), all, "{lines:?}");
            assert_eq!(holds(ValuesTest::Exists(true), lines), exists, "{lines:?}");
        }
    }
}
