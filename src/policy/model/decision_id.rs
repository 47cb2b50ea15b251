//! The name of a decision.

use std::fmt;

use crate::secret::Hex;

/// 128 bits that name a decision in the answer, the audit record, the logs of every replica, and wherever a document writes
/// `{decision.id}`. The default is for decisions without an id, as in a suite.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct DecisionId([u8; 16]);

impl DecisionId {
    /// An id that was given out before.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 32 digits.
    pub fn hex(&self) -> Hex {
        Hex::of(&self.0)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_str())
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
