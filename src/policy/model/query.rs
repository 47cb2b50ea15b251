//! Tests of the values of a query parameter, with every repetition seen, and unknown where readers disagree (P28, P132).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::policy::model::text::{Reading, ValuesTest};
use crate::policy::model::truth::Truth;
use crate::request::is_spelling_of_parameter;

/// A test of the values of a query parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct QueryMatcher {
    /// The name, compared exactly after decoding. Names that some reader takes for it may count.
    pub(in crate::policy) name: Box<str>,
    /// The test of its values.
    pub(in crate::policy) test: ValuesTest,
}

impl QueryMatcher {
    /// The result for a raw query, without its `?`.
    ///
    /// Some readers split at `;`, too, and some do not decode broken encodings. With either in the query the values that the
    /// upstream sees cannot be determined, and the result is unknown. A `+` is a space to some readers and itself to others, so
    /// a value with one is unknown.
    pub(in crate::policy) fn matches(&self, query: Option<&str>) -> Truth {
        let query = query.unwrap_or_default();
        let pairs: Option<Vec<_>> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((name, decode(name)?, decode(value)?))
            })
            .collect();
        let Some(pairs) = pairs.filter(|_| !query.contains(';')) else { return Truth::Unknown };
        let copies = pairs.iter().filter_map(|(raw, name, value)| {
            let exact = **name == *self.name;
            (exact || is_spelling_of_parameter(raw, &self.name)).then_some((exact, value))
        });
        let spelled = copies.clone().any(|(exact, _)| !exact);
        self.test.holds_in_every(spelled, |reading: Reading| {
            let read = copies.clone().filter(move |(exact, _)| reading.takes(*exact));
            let sent = read.clone().next().is_some();
            (sent, read.map(|(_, value)| Some(value).filter(|value| !value.contains('+'))))
        })
    }
}

/// Decodes well-formed text. Afterwards an encoded `+` looks like a plain one, which is on the safe side.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    let whole = |after: &str| {
        after.as_bytes().get(..2).is_some_and(|d| d.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(whole) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::model::text::TextMatcher;
    use Truth::{Fails, Holds, Unknown};

    fn any_and_all(query: &str) -> (Truth, Truth) {
        let admin = || TextMatcher::OneOf(["admin".into()].into());
        let holds = |test| QueryMatcher { name: "role".into(), test }.matches(Some(query));
        (holds(ValuesTest::Any(admin())), holds(ValuesTest::All(admin())))
    }

    /// P28, P132: repetitions are seen, encodings are decoded, and where readers disagree the answer is unknown.
    #[test]
    fn queries_are_read_as_everybody_reads_them_or_not_at_all() {
        for (query, expected) in [
            ("role=admin", (Holds, Holds)),
            ("a=b&role=admin&", (Holds, Holds)),
            ("role=user&role=admin", (Holds, Fails)),
            ("role=admin&role=user", (Holds, Fails)),
            ("%72ole=%61dmin", (Holds, Holds)),
            ("Role=admin", (Unknown, Unknown)),
            ("Role=user", (Fails, Fails)),
            ("role=admin&Role=user", (Unknown, Unknown)),
            ("role=user&+role=admin", (Unknown, Unknown)),
            ("role=Admin", (Fails, Fails)),
            ("role", (Fails, Fails)),
            ("xrole=admin", (Fails, Fails)),
            ("role[]=admin", (Unknown, Unknown)),
            ("%2572ole=admin", (Unknown, Unknown)),
            ("", (Fails, Fails)),
            ("role=ad+min", (Unknown, Unknown)),
            ("role=admin&role=a+b", (Holds, Unknown)),
            ("x=a+b&role=admin", (Holds, Holds)),
            ("role=admin;x=1", (Unknown, Unknown)),
            ("x=1;role=admin", (Unknown, Unknown)),
            ("x=%&role=admin", (Unknown, Unknown)),
            ("%ff=1&role=admin", (Unknown, Unknown)),
            ("role=%4", (Unknown, Unknown)),
        ] {
            assert_eq!(any_and_all(query), expected, "{query}");
        }
    }

    #[test]
    fn presence_is_about_the_name() {
        let exists = |query| {
            QueryMatcher { name: "debug".into(), test: ValuesTest::Exists(true) }.matches(query)
        };
        assert_eq!(exists(Some("debug")), Holds);
        assert_eq!(exists(Some("debug=a+b")), Holds);
        assert_eq!(exists(Some("Debug")), Unknown);
        assert_eq!(exists(Some("debug&Debug")), Holds);
        assert_eq!(exists(Some("x=1")), Fails);
        assert_eq!(exists(None), Fails);
        assert_eq!(exists(Some("x=1;debug")), Unknown);
    }
}
