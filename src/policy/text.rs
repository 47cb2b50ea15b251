//! Comparisons of texts. All are of the whole value or of a stated end of it, and all mind case.

/// What a text must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TextMatcher {
    /// One of these.
    OneOf(Box<[Box<str>]>),
    /// Something that starts with this.
    Prefix(Box<str>),
    /// Something that ends with this.
    Suffix(Box<str>),
}

// === impl TextMatcher ===

impl TextMatcher {
    /// Whether `text` is like this.
    pub(super) fn matches(&self, text: &str) -> bool {
        match self {
            Self::OneOf(texts) => texts.iter().any(|own| **own == *text),
            Self::Prefix(prefix) => text.starts_with(&**prefix),
            Self::Suffix(suffix) => text.ends_with(&**suffix),
        }
    }
}
