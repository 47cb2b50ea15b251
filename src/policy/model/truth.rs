//! Three-valued logic (Kleene's): what cannot be evaluated is neither true nor false, and never allows (P74).

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}

// === impl Truth ===

impl Truth {
    /// Whether at least one holds: a true one settles it, and without any the answer is no.
    pub(in crate::policy) fn any(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::False;
        for truth in truths {
            match truth {
                Self::True => return Self::True,
                Self::Unknown => all = Self::Unknown,
                Self::False => {}
            }
        }
        all
    }

    /// Whether there is at least one and every one holds: a false one settles it. "All of none" is no, or a header that
    /// was not sent would meet every demand on its values.
    pub(in crate::policy) fn every(truths: impl IntoIterator<Item = Self>) -> Self {
        let mut all = None;
        for truth in truths {
            match truth {
                Self::False => return Self::False,
                Self::Unknown => all = Some(Self::Unknown),
                Self::True => all = all.or(Some(Self::True)),
            }
        }
        all.unwrap_or(Self::False)
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{self, False, True, Unknown};

    /// P74: an unknown is overruled only by what settles the question.
    #[test]
    fn unknown_is_contagious_unless_something_settles_it() {
        for (truths, any, every) in [
            (&[][..], False, False),
            (&[True], True, True),
            (&[False], False, False),
            (&[Unknown], Unknown, Unknown),
            (&[Unknown, True], True, Unknown),
            (&[Unknown, False], Unknown, False),
            (&[False, True], True, False),
            (&[True, True], True, True),
        ] {
            assert_eq!(Truth::any(truths.iter().copied()), any, "{truths:?}");
            assert_eq!(Truth::every(truths.iter().copied()), every, "{truths:?}");
        }
    }
}
