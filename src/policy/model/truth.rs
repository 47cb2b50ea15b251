//! Three-valued logic (Kleene's): a result that cannot be determined is neither true nor false, and never allows (P74).
//!
//! Documents, `explain` and its JSON call the three values `holds`, `fails` and `unknown`, as the code does.

use schemars::JsonSchema;
use serde::Serialize;

use crate::words::words;

words! {
    /// The three-valued result of a requirement, or of anything else that may be unknown.
    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Truth {
        /// It holds.
        Holds "holds",
        /// It does not hold.
        Fails "fails",
        /// It cannot be determined.
        Unknown "unknown",
    }
}

impl Truth {
    /// Holds if at least one holds: one that holds settles it, and of none it fails.
    pub(in crate::policy) fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::Fails;
        for truth in truths {
            match truth {
                Self::Holds => return Self::Holds,
                Self::Unknown => all = Self::Unknown,
                Self::Fails => {}
            }
        }
        all
    }

    /// True if it counts rather than `other` where one is enough.
    pub(in crate::policy) fn is_better_than(self, other: Self) -> bool {
        Self::any([self, other]) != other
    }

    /// True if there is at least one and every one holds: one that fails settles it. Of none it fails, or a header that was not
    /// sent would meet every test of its values.
    pub(in crate::policy) fn every(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut all = None;
        for truth in truths {
            match truth {
                Self::Fails => return Self::Fails,
                Self::Unknown => all = Some(Self::Unknown),
                Self::Holds => all = all.or(Some(Self::Holds)),
            }
        }
        all.unwrap_or(Self::Fails)
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{self, Fails, Holds, Unknown};

    /// P74: an unknown is overruled only by what settles the question.
    #[test]
    fn unknown_is_contagious_unless_something_settles_it() {
        for (truths, any, every) in [
            (&[][..], Fails, Fails),
            (&[Holds], Holds, Holds),
            (&[Fails], Fails, Fails),
            (&[Unknown], Unknown, Unknown),
            (&[Unknown, Holds], Holds, Unknown),
            (&[Unknown, Fails], Unknown, Fails),
            (&[Fails, Holds], Holds, Fails),
            (&[Holds, Holds], Holds, Holds),
        ] {
            assert_eq!(Truth::any(truths.iter().copied()), any, "{truths:?}");
            assert_eq!(Truth::every(truths.iter().copied()), every, "{truths:?}");
        }
    }
}
