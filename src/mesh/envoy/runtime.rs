//! Envoy's runtime: a value in it stands above the one of the settings that name its key.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::kind::{is_type, word_of};
use super::parts::{ConfigParts, Part};
use crate::document::Node;
use crate::mesh::filler::FILLER;

/// The values that files show, by key.
#[derive(Debug, Default)]
pub(super) struct Runtime<'a> {
    /// Those of layers in the bootstrap of a tree: the uppermost one of each key.
    of_tree: BTreeMap<(usize, String), Value<'a>>,
    /// Those of every bootstrap: the lowest share of each key that is below all.
    of_any: HashMap<String, Value<'a>>,
    /// Those that a proxy gets later.
    later: HashMap<String, Value<'a>>,
    /// The trees with a runtime of their own.
    trees: HashSet<usize>,
}

/// A value, and its place.
#[derive(Clone, Copy, Debug)]
struct Value<'a> {
    part: Part<'a>,
    /// True if no layer above can hide another value.
    is_last: bool,
}

/// The share of requests that a key of the runtime stands for.
pub(super) enum Share<'a> {
    All,
    Part(Part<'a>),
    Unknown,
}

impl<'a> Runtime<'a> {
    pub(super) fn of(parts: &ConfigParts<'a>) -> Self {
        let mut runtime = Self::default();
        for part in &parts.runtimes {
            if is_type(part.node, ".Runtime") {
                let own = part.node.get("layer").map(|node| Part { node, ..*part });
                let values = own.map(|own| Value { part: own, is_last: true });
                each(values, "", &mut |key, value| keep_lowest(&mut runtime.later, key, value));
                continue;
            }
            runtime.trees.insert(part.of);
            let layers = part.node.items_of("layers");
            let hidden = layers.iter().rposition(|own| own.get("static_layer").is_none());
            for (at, layer) in layers.iter().enumerate() {
                let is_last = hidden.is_none_or(|hidden| at > hidden);
                let own = layer.get("static_layer").map(|node| Part { node, ..*part });
                let values = own.map(|own| Value { part: own, is_last });
                each(values, "", &mut |key, value| {
                    runtime.of_tree.insert((part.of, key), value);
                });
            }
        }
        for ((_, key), value) in &runtime.of_tree {
            keep_lowest(&mut runtime.of_any, key.clone(), *value);
        }
        runtime
    }

    /// The share that `key` stands for in the proxy of the tree `of`: where that has no runtime, in any.
    pub(super) fn share(&self, key: &str, of: usize) -> Share<'a> {
        let own = match self.trees.contains(&of) {
            true => self.of_tree.get(&(of, key.to_owned())),
            false => self.of_any.get(key),
        };
        let mut found = own.into_iter().chain(self.later.get(key));
        let is_part = |own: &&Value<'_>| !is_whole_value(own.part.node);
        match found.clone().find(is_part) {
            Some(value) => Share::Part(value.part),
            None if found.any(|own| own.is_last) => Share::All,
            None => Share::Unknown,
        }
    }

    /// The value of `key` that is not zero, for the proxy of the tree `of`.
    pub(super) fn value(&self, key: &str, of: usize) -> Option<Part<'a>> {
        let own = match self.trees.contains(&of) {
            true => self.of_tree.get(&(of, key.to_owned())),
            false => self.of_any.get(key),
        };
        let mut found = own.into_iter().chain(self.later.get(key)).map(|own| own.part);
        found.find(|own| {
            own.node.is_true()
                || number(own.node).is_some_and(|own| own > 0)
                || own.node.get("numerator").is_some()
        })
    }
}

/// True if `share`, a fraction, is all of it.
pub(super) fn is_whole(share: &Node) -> bool {
    let denominators = ["HUNDRED", "TEN_THOUSAND", "MILLION"];
    let most = match word_of(share, "denominator", &denominators) {
        Some("MILLION") => 1_000_000,
        Some("TEN_THOUSAND") => 10_000,
        Some(_) | None => 100,
    };
    share.get("numerator").and_then(number).is_some_and(|own| own >= most)
}

/// Keeps `value`, unless a value of the same key is below all already.
fn keep_lowest<'a>(values: &mut HashMap<String, Value<'a>>, key: String, value: Value<'a>) {
    let kept = values.entry(key).or_insert(value);
    if is_whole_value(kept.part.node) && (!is_whole_value(value.part.node) || !value.is_last) {
        *kept = value;
    }
}

/// Does `act` for each value of a layer. Keys of mappings in mappings are joined by dots.
fn each<'a>(layer: Option<Value<'a>>, before: &str, act: &mut impl FnMut(String, Value<'a>)) {
    let Some(Value { part, is_last }) = layer else { return };
    for (key, node) in part.node.entries() {
        let key = format!("{before}{}", key.value);
        let value = Value { part: Part { node, ..part }, is_last };
        let is_fraction = node.get("numerator").or(node.get("denominator")).is_some();
        if node.entries().next().is_some() && !is_fraction {
            each(Some(value), &format!("{key}."), act);
        } else if !node.text().is_some_and(|text| text.contains(FILLER)) {
            act(key, value);
        }
    }
}

/// True if a value of the runtime, a fraction or a number of percents, is all. Envoy passes over `true`, which is neither.
fn is_whole_value(value: &Node) -> bool {
    value.is_true() || number(value).is_some_and(|own| own >= 100) || is_whole(value)
}

/// The number here, also in quotes.
fn number(node: &Node) -> Option<i64> {
    node.number().or_else(|| node.text()?.parse().ok())
}
