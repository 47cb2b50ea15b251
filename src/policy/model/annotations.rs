//! Annotations of a rule for readers of decisions: a ticket, an owner, a page to look at.

use std::sync::Arc;

/// Names and values that a rule and its policy note, for the audit record, the proxy's metadata and `explain`; bounded where
/// documents are compiled, and of no part in a decision. A rule without any costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations(Option<Arc<[Note]>>);

/// A name and its value.
pub(in crate::policy) type Note = (Box<str>, Box<str>);

impl Annotations {
    /// These, ordered by name.
    pub(in crate::policy) fn new(mut entries: Vec<Note>) -> Self {
        entries.sort_unstable();
        Self((!entries.is_empty()).then(|| entries.into()))
    }

    /// Each name with its value, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|entries| entries.iter()).map(|(name, value)| (&**name, &**value))
    }

    /// True if nothing is noted.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}
