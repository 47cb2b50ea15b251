//! Comparisons of texts, and of all the values that something has. All are of the whole value or of a stated end of it, and all are case-sensitive.

use std::fmt;

use crate::policy::model::truth::Truth;

/// A test of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum TextMatcher {
    /// One of these.
    OneOf(Box<[Box<str>]>),
    /// Something that starts with this.
    Prefix(Box<str>),
    /// Something that ends with this.
    Suffix(Box<str>),
}

/// A test of the values of a header or a query parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum ValuesTest {
    /// One, at least, is like this.
    Any(TextMatcher),
    /// There is one, and every one is like this.
    All(TextMatcher),
    /// True if it was sent.
    Exists(bool),
}

/// Which of the names that some reader takes for one name are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Reading {
    /// The name as rules write it.
    Exact,
    /// All of them.
    Every,
    /// All but that one.
    Others,
}

impl Reading {
    /// True if a name is read that is spelled as rules write it, or another way.
    pub(in crate::policy) const fn takes(self, exact: bool) -> bool {
        match self {
            Self::Exact => exact,
            Self::Every => true,
            Self::Others => !exact,
        }
    }
}

impl fmt::Display for TextMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(texts) => {
                let quoted: Vec<_> = texts.iter().map(|text| format!("`{text}`")).collect();
                f.write_str(&quoted.join(" or "))
            }
            Self::Prefix(prefix) => write!(f, "something that starts with `{prefix}`"),
            Self::Suffix(suffix) => write!(f, "something that ends with `{suffix}`"),
        }
    }
}

impl fmt::Display for ValuesTest {
    /// Completes "the header has to be ..".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(matcher) => write!(f, "in one of its values {matcher}"),
            Self::All(matcher) => write!(f, "in each of its values {matcher}"),
            Self::Exists(true) => f.write_str("there"),
            Self::Exists(false) => f.write_str("absent"),
        }
    }
}

impl ValuesTest {
    /// True if it holds in every reading of a request that has the name in other spellings as well (`spelled`). If the readings
    /// disagree, the values that the upstream sees cannot be determined (P131, P132).
    pub(in crate::policy) fn holds_in_every<T: AsRef<str>, V: Iterator<Item = Option<T>>>(
        &self,
        spelled: bool,
        read: impl Fn(Reading) -> (bool, V),
    ) -> Truth {
        let holds = |reading| {
            let (sent, values) = read(reading);
            self.holds(sent, values)
        };
        let exact = holds(Reading::Exact);
        let same = !spelled || [Reading::Every, Reading::Others].map(holds) == [exact; 2];
        if same { exact } else { Truth::Unknown }
    }

    /// True if it holds for something that was `sent` or not, and has these values; `None` for one that cannot be read.
    pub(in crate::policy) fn holds<T: AsRef<str>>(
        &self,
        sent: bool,
        values: impl Iterator<Item = Option<T>>,
    ) -> Truth {
        let like = |matcher: &TextMatcher, value: Option<T>| {
            value.map_or(Truth::Unknown, |value| matcher.matches(value.as_ref()).into())
        };
        match self {
            Self::Exists(expected) => (sent == *expected).into(),
            Self::Any(matcher) => Truth::any(values.map(|value| like(matcher, value))),
            Self::All(matcher) => Truth::every(values.map(|value| like(matcher, value))),
        }
    }
}

impl ValuesTest {
    /// True if nothing that was sent meets both.
    pub(in crate::policy) fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exists(one), Self::Exists(other)) => one != other,
            (Self::Exists(there), _) | (_, Self::Exists(there)) => !there,
            (Self::All(one), Self::All(other) | Self::Any(other))
            | (Self::Any(other), Self::All(one)) => one.excludes(other),
            (Self::Any(_), Self::Any(_)) => false,
        }
    }
}

impl TextMatcher {
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::OneOf(texts), test) | (test, Self::OneOf(texts)) => {
                !texts.iter().any(|text| test.matches(text))
            }
            (Self::Prefix(one), Self::Prefix(other)) => {
                !one.starts_with(&**other) && !other.starts_with(&**one)
            }
            (Self::Suffix(one), Self::Suffix(other)) => {
                !one.ends_with(&**other) && !other.ends_with(&**one)
            }
            (Self::Prefix(_), Self::Suffix(_)) | (Self::Suffix(_), Self::Prefix(_)) => false,
        }
    }

    /// True if `text` is like this.
    pub(in crate::policy) fn matches(&self, text: &str) -> bool {
        match self {
            Self::OneOf(texts) => texts.iter().any(|own| **own == *text),
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::Suffix(suffix) => text.ends_with(&**suffix),
        }
    }
}
