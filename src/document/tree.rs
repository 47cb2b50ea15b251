//! YAML and JSON of other programs, as a tree with places: nothing is known of its keys.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Location;

use super::{Diagnostic, Origin, SourceFile, Span, Spanned, yaml};

/// A document of another program.
#[derive(Debug)]
pub struct Tree {
    /// Its value.
    pub root: Node,
    origin: Origin,
}

/// The values that may still be read: aliases make many of few bytes.
#[derive(Debug)]
pub struct NodeBudget {
    left: usize,
    /// The values of a document beyond its bytes: without aliases there are at most as many values as bytes.
    repeated: usize,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) kind: NodeKind,
    pub(super) place: Location,
}

#[derive(Clone, Debug)]
pub(super) enum NodeKind {
    /// Nothing, a truth value, a number or a text.
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

/// A value that has no parts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    /// `null`, or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

impl NodeBudget {
    /// Room for `most` values, and in each document for `repeated` values beyond those of its bytes.
    pub const fn new(most: usize, repeated: usize) -> Self {
        Self { left: most, repeated }
    }
}

impl Tree {
    /// Reads every document in `file`. One that is no YAML, or for which `budget` has no room, becomes a diagnostic in `problems`.
    pub fn read(
        file: &Arc<SourceFile>,
        budget: &mut NodeBudget,
        problems: &mut Vec<Diagnostic>,
    ) -> Vec<Self> {
        let mut trees = Vec::new();
        for (base, text) in yaml::split(file.text()) {
            let origin = Origin { file: Arc::clone(file), base };
            let most = budget.left.min(text.len().saturating_add(budget.repeated));
            match yaml::read_foreign::<Node>(text, &origin, most) {
                Ok(root) => {
                    budget.left = budget.left.saturating_sub(root.count());
                    trees.push(Self { root, origin });
                }
                Err(problem) => problems.push(problem),
            }
        }
        trees
    }

    /// This tree with each mapping as `rule` makes it, from the innermost to the root.
    #[must_use]
    pub fn rewritten(self, rule: &dyn Fn(Node) -> Node) -> Self {
        Self { root: self.root.rewritten(rule), origin: self.origin }
    }

    /// True if it begins at `origin` in its file.
    pub(super) fn is_at(&self, origin: &Origin) -> bool {
        self.origin.base == origin.base
    }

    /// The span of a value that was read from the same document.
    pub(super) fn span<T>(&self, value: &Spanned<T>) -> Span {
        self.origin.span(value)
    }

    /// The place of `node`, which is in this tree.
    pub fn place(&self, node: &Node) -> Span {
        self.origin.locate(node.place)
    }

    /// The place of the key `name` of `node`, or of `node` if it has none.
    pub fn key_place(&self, node: &Node, name: &str) -> Span {
        let key = node.entries().find(|(key, _)| is_called(&key.value, name));
        key.map_or_else(|| self.place(node), |(key, _)| self.origin.span(key))
    }

    /// The file.
    pub fn file(&self) -> &Arc<SourceFile> {
        self.origin.file()
    }
}

impl Node {
    /// The value of the key `name`, in whichever of `snake_case` and `camelCase` it is written: both are JSON of one protobuf message.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entries().find(|(key, _)| is_called(&key.value, name)).map(|(_, value)| value)
    }

    /// The value at the keys `path`, one below the other.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    /// The text here.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar(Scalar::Text(text)) => Some(text),
            NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Map(_) => None,
        }
    }

    /// The whole number here.
    pub const fn number(&self) -> Option<i64> {
        match &self.kind {
            NodeKind::Scalar(Scalar::Number(number)) => Some(*number),
            NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Map(_) => None,
        }
    }

    /// True if `true` stands here, also in quotes, as JSON of a protobuf message may have it.
    pub fn is_true(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar(Scalar::Bool(true))) || self.text() == Some("true")
    }

    /// True if `false` stands here, also in quotes.
    pub fn is_false(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar(Scalar::Bool(false))) || self.text() == Some("false")
    }

    /// The word of `words` here: in any case, or by its number, as JSON of a protobuf enumeration may have it.
    pub fn word<'w>(&self, words: &[&'w str]) -> Option<&'w str> {
        let number = self.number().or_else(|| self.text()?.parse().ok());
        let by_number = || words.get(usize::try_from(number?).ok()?).copied();
        let is_here = |word: &&&str| self.text().is_some_and(|own| own.eq_ignore_ascii_case(word));
        words.iter().find(is_here).copied().or_else(by_number)
    }

    /// True if the key `name` is `true`.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(Self::is_true)
    }

    /// The text of the key `name`.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name)?.text()
    }

    /// The entries of the list here; of anything else none.
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            NodeKind::List(items) => items,
            NodeKind::Scalar(_) | NodeKind::Map(_) => &[],
        }
    }

    /// The entries of the list at the key `name`.
    pub fn items_of(&self, name: &str) -> &[Self] {
        self.get(name).map_or(&[], Self::items)
    }

    /// The keys and values of the mapping here; of anything else none.
    pub fn entries(&self) -> impl Iterator<Item = (&Spanned<String>, &Self)> {
        let entries: &[(Spanned<String>, Self)] = match &self.kind {
            NodeKind::Map(entries) => entries,
            NodeKind::Scalar(_) | NodeKind::List(_) => &[],
        };
        entries.iter().map(|(key, value)| (key, value))
    }

    /// True if a mapping or list is here that has nothing in it.
    pub fn is_empty(&self) -> bool {
        self.items().is_empty() && self.entries().next().is_none()
    }

    /// The number of values here, this one included.
    fn count(&self) -> usize {
        self.parts().fold(1, |count, part| count.saturating_add(part.count()))
    }

    fn rewritten(self, rule: &dyn Fn(Self) -> Self) -> Self {
        let place = self.place;
        let kind = match self.kind {
            NodeKind::List(items) => {
                NodeKind::List(items.into_iter().map(|item| item.rewritten(rule)).collect())
            }
            NodeKind::Map(entries) => {
                let entries = entries.into_iter().map(|(key, value)| (key, value.rewritten(rule)));
                return rule(Self { kind: NodeKind::Map(entries.collect()), place });
            }
            scalar @ NodeKind::Scalar(_) => scalar,
        };
        Self { kind, place }
    }

    /// This value at the keys `path`, one below the other, all in the place of this one.
    #[must_use]
    pub fn below<'p>(self, path: impl DoubleEndedIterator<Item = &'p str>) -> Self {
        path.rev().fold(self, |value, key| {
            let place = value.place;
            let key = Spanned { value: key.to_owned(), place };
            Self { kind: NodeKind::Map(vec![(key, value)]), place }
        })
    }

    /// A text in the place of this value.
    #[must_use]
    pub fn with_text(&self, text: &str) -> Self {
        let kind = NodeKind::Scalar(Scalar::Text(text.to_owned()));
        Self { kind, place: self.place }
    }

    /// This mapping with the entries of `other` before its own; anything else as it is.
    #[must_use]
    pub fn with_entries_of(self, other: Self) -> Self {
        match (self.kind, other.kind) {
            (NodeKind::Map(own), NodeKind::Map(mut entries)) => {
                entries.extend(own);
                Self { kind: NodeKind::Map(entries), place: self.place }
            }
            (kind, _) => Self { kind, place: self.place },
        }
    }

    /// The values in this one, mappings and lists alike.
    pub fn parts(&self) -> impl Iterator<Item = &Self> {
        self.items().iter().chain(self.entries().map(|(_, value)| value))
    }
}

/// True if `key` is `name`, in `snake_case` or in `camelCase`.
fn is_called(key: &str, name: &str) -> bool {
    key == name || plain(key).eq(plain(name))
}

/// The bytes of `key` in which both spellings agree.
fn plain(key: &str) -> impl Iterator<Item = u8> {
    key.bytes().filter(|byte| *byte != b'_').map(|byte| byte.to_ascii_lowercase())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = serde_saphyr::Spanned::<NodeKind>::deserialize(deserializer)?;
        Ok(Self { kind: read.value, place: read.referenced })
    }
}

impl<'de> Deserialize<'de> for NodeKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = NodeKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(Scalar::Null))
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<NodeKind, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<NodeKind, D::Error> {
        NodeKind::deserialize(value)
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(Scalar::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(Scalar::Number(value)))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<NodeKind, E> {
        self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
    }

    fn visit_f64<E>(self, value: f64) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(Scalar::Text(value.to_string())))
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeKind, E> {
        Ok(NodeKind::Scalar(Scalar::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<NodeKind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(NodeKind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NodeKind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(NodeKind::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Code;

    #[test]
    fn values_are_found_in_both_spellings_and_know_their_place() {
        let text =
            "# of Envoy\na_bC: [1, {x: true}]\n---\n{\"failureModeAllow\": true, \"t\": \"1\"}\n";
        let file = SourceFile::new("envoy.yaml", text);
        let mut problems = Vec::new();
        let mut budget = NodeBudget::new(1000, 0);
        let trees = Tree::read(&file, &mut budget, &mut problems);
        assert_eq!(problems, []);
        let [first, second] = trees.as_slice() else { panic!("{trees:?}") };
        let list = first.root.get("aBc").unwrap();
        assert_eq!(first.place(list).line_column(), (2, 7));
        assert!(list.items()[1].has("x") && list.items()[0].number() == Some(1));
        assert!(second.root.has("failure_mode_allow"));
        assert_eq!(second.root.text_of("t"), Some("1"));
        assert_eq!(second.key_place(&second.root, "t").line_column(), (4, 28));
        Tree::read(&SourceFile::new("x", "a: [}"), &mut budget, &mut problems);
        assert_eq!(problems.len(), 1);
    }

    /// P600: aliases of aliases make thousands of values of a few bytes. All documents share one budget.
    #[test]
    fn aliases_count_as_the_values_that_they_repeat() {
        let layer = |own: char, below: &str| format!("{own}: &{own} [{}]\n", [below; 9].join(", "));
        let bomb = layer('a', "1") + &layer('b', "*a") + &layer('c', "*b") + &layer('d', "*c");
        let read = |text: &str, most, repeated| {
            let (mut problems, mut budget) = (Vec::new(), NodeBudget::new(most, repeated));
            let file = SourceFile::foreign("bomb.yaml", text);
            let trees = Tree::read(&file, &mut budget, &mut problems);
            (trees.len(), problems.iter().map(|own| own.code).collect::<Vec<_>>())
        };
        let twice = format!("{bomb}---\n{bomb}");
        assert_eq!(read(&bomb, 1_000_000, 10_000), (1, vec![]));
        assert_eq!(read(&bomb, 1_000_000, 1_000), (0, vec![Code::YamlBudget]));
        assert_eq!(read(&twice, 1_000_000, 10_000), (2, vec![]));
        assert_eq!(read(&twice, 10_000, 10_000), (1, vec![Code::YamlBudget]));
        assert_eq!(read("a: &a [1]\nb: *a\n", 100, 0), (1, vec![]));
        // The densest text without aliases.
        assert_eq!(read("[1,1,1,1]", 100, 0), (1, vec![]));
        assert_eq!(read("{a,b,c}", 100, 1), (1, vec![]));
    }
}
