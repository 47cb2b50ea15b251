//! The place of a setting in its file: for problems that are found after it was read.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::document::{self, Origin, SourceFile, Span, Spanned};

/// The place of the value at `path`, such as `throttle.ipv4Prefix`.
pub(super) fn place_of(file: &Arc<SourceFile>, path: &str) -> Option<Span> {
    let mut tree: Tree = document::read_settings(file).ok()?;
    let mut found = None;
    for part in path.split('.') {
        let (_, value) = tree.0.into_iter().find(|(key, _)| key == part)?;
        (found, tree) = (Some(value.only_place()), value.value);
    }
    found.map(|place| Origin::of(file).span(&place))
}

/// Mappings within mappings; every other value is an empty one.
#[derive(Default)]
struct Tree(Vec<(String, Spanned<Self>)>);

struct Values;

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

impl<'de> Visitor<'de> for Values {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Tree::default())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::default())
    }
}
