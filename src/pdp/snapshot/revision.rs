//! The name of what is in force.

use std::fmt;
use std::sync::Arc;

use crate::secret::Fingerprint;

/// Names the exact bytes of every file a snapshot was made from; the same on every replica that has the same files.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Revision(Arc<str>);

impl Revision {
    pub(super) fn of(fingerprint: &Fingerprint) -> Self {
        Self(fingerprint.to_string().into())
    }

    /// The name: 16 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
