//! The names of the headers that an allow removes.
//!
//! If Envoy may not show every header, they are some two hundred, the same for every allow of a set. Then they are in the
//! form of the answer that is sent already, and are copied around the few that the answer sets.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Names of headers, each once and in order.
#[derive(Clone, Debug, Default)]
pub struct RemovedHeaders {
    names: Arc<[String]>,
    /// Only of names that many answers share.
    encoded: Option<Arc<OnceLock<EncodedNames>>>,
}

/// The names in the form of the answer, one after another.
#[derive(Debug)]
struct EncodedNames {
    bytes: Vec<u8>,
    /// The end of each name.
    ends: Box<[usize]>,
}

impl RemovedHeaders {
    /// Names that one answer has.
    pub(in crate::policy) fn of<S: Borrow<str> + Ord>(names: &BTreeSet<S>) -> Self {
        Self { names: names.iter().map(|name| name.borrow().to_owned()).collect(), encoded: None }
    }

    /// Names that many answers have.
    pub(in crate::policy) fn shared<S: Borrow<str> + Ord>(names: &BTreeSet<S>) -> Self {
        Self { encoded: Some(Arc::default()), ..Self::of(names) }
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Writes every name to `out` but those that are `set`, each as `encode` writes it, which is the same for every call.
    pub fn write<'a>(
        &self,
        set: impl Iterator<Item = &'a str>,
        encode: fn(&str, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let mut set: Vec<usize> = set.filter_map(|name| self.position(name)).collect();
        set.sort_unstable();
        let mut next = 0;
        for at in set.into_iter().chain([self.names.len()]) {
            self.write_range(next..at, encode, out);
            next = at.saturating_add(1);
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|own| own.as_str().cmp(name)).ok()
    }

    /// Writes the names at these positions; nothing for an empty range, or one that ends before it starts.
    fn write_range(&self, range: Range<usize>, encode: fn(&str, &mut Vec<u8>), out: &mut Vec<u8>) {
        let Some(shared) = &self.encoded else {
            let names = self.names.get(range).unwrap_or_default();
            return names.iter().for_each(|name| encode(name, out));
        };
        let shared = shared.get_or_init(|| EncodedNames::of(&self.names, encode));
        let bytes = shared.start_of(range.start)..shared.start_of(range.end);
        out.extend_from_slice(shared.bytes.get(bytes).unwrap_or_default());
    }
}

impl EncodedNames {
    fn of(names: &[String], encode: fn(&str, &mut Vec<u8>)) -> Self {
        let mut bytes = Vec::new();
        let end = |name: &String| {
            encode(name, &mut bytes);
            bytes.len()
        };
        let ends = names.iter().map(end).collect();
        Self { bytes, ends }
    }

    /// The place where the name at `position` starts.
    fn start_of(&self, position: usize) -> usize {
        let before = position.checked_sub(1).and_then(|before| self.ends.get(before));
        before.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(name: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(name.as_bytes());
        out.push(b',');
    }

    /// P642: names that are set are not removed, wherever they stand and however often they are named; all others are, in both forms.
    #[test]
    fn all_but_those_that_are_set_are_written() {
        let names = ["a", "b", "cc", "d"];
        for bits in 0..16_u32 {
            let is_set = |at: &usize| bits & (1 << at) != 0;
            let set: Vec<&str> = (0..4).filter(is_set).map(|at| names[at]).collect();
            let rest = (0..4).filter(|at| !is_set(at)).map(|at| format!("{},", names[at]));
            let wanted: String = rest.collect();
            let own = BTreeSet::from(names);
            for removed in [RemovedHeaders::of(&own), RemovedHeaders::shared(&own)] {
                for _ in 0..2 {
                    let mut out = Vec::new();
                    let twice = set.iter().rev().chain(&set).copied().chain(["zz"]);
                    removed.write(twice, encode, &mut out);
                    assert_eq!(String::from_utf8(out).unwrap(), wanted, "{set:?}");
                }
            }
        }
        let mut out = Vec::new();
        RemovedHeaders::default().write(["a"].into_iter(), encode, &mut out);
        assert!(out.is_empty());
    }
}
