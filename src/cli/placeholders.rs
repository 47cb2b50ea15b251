//! The placeholders that `init` writes, as far as they are still in the documents.

use std::fs;
use std::path::Path;

use super::{files, style};
use crate::pdp::{Snapshot, is_document};

/// The mark of one, in a comment.
const MARK: &str = "# REPLACE";

/// The places of placeholders: how many there are, and the first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placeholders {
    count: usize,
    first: String,
}

impl Placeholders {
    /// Those in the documents of `snapshot`.
    pub(super) fn left_in(snapshot: &Snapshot) -> Option<Self> {
        Self::in_files(snapshot.files().filter(|path| is_document(path)))
    }

    fn in_files<'a>(paths: impl Iterator<Item = &'a Path>) -> Option<Self> {
        let mut places = Vec::new();
        for path in paths {
            let text = fs::read_to_string(path).unwrap_or_default();
            let marked = text.lines().enumerate().filter(|(_, line)| line.contains(MARK));
            let shown =
                |(at, _): (usize, &str)| format!("{}:{}", files::shown(path), at.saturating_add(1));
            places.extend(marked.map(shown));
        }
        let count = places.len();
        places.into_iter().next().map(|first| Self { count, first })
    }

    /// Prints that they are there.
    pub(super) fn hint(&self) {
        style::hint(format_args!("note: {self}"));
    }
}

impl std::fmt::Display for Placeholders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, first } = self;
        match count {
            1 => write!(f, "a placeholder of `countersign init` is left: {first}"),
            _ => {
                write!(f, "{count} placeholders of `countersign init` are left, the first: {first}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P776: what `init` left to fill in is found until it is filled in.
    #[test]
    fn placeholders_are_counted_and_the_first_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.yaml"), "kind: Policy\nname: a # not REPLACE\n").unwrap();
        fs::write(path("b.yaml"), "a: 1\nb: 2 # REPLACE: yours\n# REPLACE: an example\n").unwrap();
        let (a, b) = (path("a.yaml"), path("b.yaml"));
        assert_eq!(Placeholders::in_files([a.as_path()].into_iter()), None);
        let found = Placeholders::in_files([a.as_path(), &b].into_iter()).unwrap().to_string();
        let first = format!("{}:2", files::shown(&b));
        assert_eq!(
            found,
            format!("2 placeholders of `countersign init` are left, the first: {first}")
        );
    }
}
