//! A list whose end is missing.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;

/// A hash of a list up to the end of each of its lines: 8 bytes a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineEnds(Arc<[u64]>);

impl LineEnds {
    /// Of a text whose last line ends.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        let ends = text.split_inclusive(|byte| *byte == b'\n').map(|line| {
            hasher.write(line);
            hasher.finish()
        });
        Self(ends.collect())
    }

    /// True if these are the first lines of `other`, and not all.
    pub fn are_cut_from(&self, other: &Self) -> bool {
        let lines = self.0.len();
        lines < other.0.len() && self.0.last() == other.0.get(..lines).and_then(<[_]>::last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P767: a cut behind each line is found, and no edit is taken for one.
    #[test]
    fn a_list_that_was_cut_is_found() {
        let whole = LineEnds::of(b"one\ntwo\n# three\nfour\n");
        for cut in ["", "one\n", "one\ntwo\n", "one\ntwo\n# three\n"] {
            assert!(LineEnds::of(cut.as_bytes()).are_cut_from(&whole), "{cut:?}");
        }
        for edited in [
            "one\ntwo\n# three\nfour\n",
            "one\ntwo\n# three\nfour\nfive\n",
            "one\n# three\nfour\n",
            "two\n",
            "one\ntwo\n# another end\n",
        ] {
            assert!(!LineEnds::of(edited.as_bytes()).are_cut_from(&whole), "{edited:?}");
        }
    }
}
