//! A worked example for every key, taken from the whole documents in `docs/examples`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use super::super::yaml;
use super::parts::{properties, resolve};

/// The documents, each file with its path as the reference links to it.
pub(super) const FILES: [(&str, &str); 6] = [
    ("Policy", include_str!("../../../docs/examples/policy.yaml")),
    ("Fragments", include_str!("../../../docs/examples/fragments.yaml")),
    ("TrustDomain", include_str!("../../../docs/examples/trust-domain.yaml")),
    ("TokenIssuer", include_str!("../../../docs/examples/token-issuer.yaml")),
    ("RevocationList", include_str!("../../../docs/examples/revocation-list.yaml")),
    ("PolicySuite", include_str!("../../../docs/examples/policy-suite.yaml")),
];

/// A value of a document with its keys in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Scalar(Value),
    List(Vec<Self>),
    Mapping(Vec<(String, Self)>),
}

/// The first example of each key, by the name of the definition that has the key.
pub(super) type Examples = BTreeMap<(String, String), Tree>;

/// Adds to every key in `schema` its example.
pub(super) fn add_to(schema: &mut Value) {
    for ((definition, key), example) in found_in(schema) {
        let definition = match definition.as_str() {
            "" => Some(&mut *schema),
            name => schema.get_mut("$defs").and_then(|all| all.get_mut(name)),
        };
        let Some(definition) = definition else { continue };
        give(definition, &key, &example);
        let choices = definition.get_mut("oneOf").and_then(Value::as_array_mut);
        choices.into_iter().flatten().for_each(|choice| give(choice, &key, &example));
    }
}

/// Gives the key of a mapping its example.
fn give(mapping: &mut Value, key: &str, example: &Tree) {
    let property = mapping.get_mut("properties").and_then(|all| all.get_mut(key));
    if let Some(Value::Object(property)) = property {
        property.insert(String::from("examples"), json!([example.short().value()]));
    }
}

/// The first example of each key that `schema` knows.
pub(super) fn found_in(schema: &Value) -> Examples {
    let mut examples = Examples::new();
    for (kind, text) in FILES {
        let spec = spec_of(schema, kind);
        for tree in yaml::split(text).iter().filter_map(|(_, text)| Tree::read(text)) {
            let Tree::Mapping(entries) = tree else { continue };
            for (key, value) in entries {
                let below = match key.as_str() {
                    "spec" => spec,
                    key => schema.get("properties").and_then(|all| all.get(key)),
                };
                if let Some(below) = below {
                    ExampleWalk { schema, examples: &mut examples }.value(below, &value, "");
                }
            }
        }
    }
    examples
}

/// The schema of the `spec` of a kind.
pub(super) fn spec_of<'a>(schema: &'a Value, kind: &str) -> Option<&'a Value> {
    let rules = schema.get("allOf")?.as_array()?.iter();
    let mut of_kind =
        rules.filter(|rule| rule.pointer("/if/properties/kind/const") == Some(&kind.into()));
    of_kind.next()?.pointer("/then/properties/spec")
}

struct ExampleWalk<'a> {
    schema: &'a Value,
    examples: &'a mut Examples,
}

impl ExampleWalk<'_> {
    fn value(&mut self, schema: &Value, tree: &Tree, name: &str) {
        let (name, schema) = resolve(self.schema, schema, name);
        match tree {
            Tree::Scalar(_) => {}
            Tree::List(items) => {
                let Some(of) = schema.get("items") else { return };
                items.iter().for_each(|item| self.value(of, item, name));
            }
            Tree::Mapping(entries) => {
                let known = properties(schema);
                for (key, value) in entries {
                    let own = known.iter().find(|(name, _)| *name == key);
                    if let Some((_, below)) = own {
                        let place = (name.to_owned(), key.clone());
                        self.examples.entry(place).or_insert_with(|| value.clone());
                        self.value(below, value, name);
                    } else if let Some(below) = schema.get("additionalProperties") {
                        self.value(below, value, name);
                    }
                }
            }
        }
    }
}

impl Tree {
    fn read(text: &str) -> Option<Self> {
        serde_saphyr::from_str(text).ok()
    }

    /// The same with only the first of several mappings in a list.
    pub(super) fn short(&self) -> Self {
        match self {
            Self::List(items) if matches!(items.first(), Some(Self::Mapping(_))) => {
                Self::List(items.iter().take(1).map(Self::short).collect())
            }
            Self::Mapping(entries) => Self::Mapping(
                entries.iter().map(|(key, value)| (key.clone(), value.short())).collect(),
            ),
            Self::List(_) | Self::Scalar(_) => self.clone(),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(items) => items.iter().map(Self::value).collect(),
            Self::Mapping(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), value.value())).collect()
            }
        }
    }
}

impl fmt::Display for Tree {
    /// YAML on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Scalar(Value::String(text)) => f.write_str(&quoted(text)),
            Self::Scalar(value) => write!(f, "{value}"),
            Self::List(items) => {
                write!(f, "[{}]", joined(items.iter().map(ToString::to_string).collect()))
            }
            Self::Mapping(entries) if entries.is_empty() => f.write_str("{}"),
            Self::Mapping(entries) => {
                let entry = |(key, value): &(String, Self)| format!("{}: {value}", quoted(key));
                write!(f, "{{ {} }}", joined(entries.iter().map(entry).collect()))
            }
        }
    }
}

/// A text as YAML, in quotes where it would mean something else without.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=".contains(c);
    let same = || Tree::read(text) == Some(Tree::Scalar(text.into()));
    if text.chars().all(plain) && same() {
        return text.to_owned();
    }
    Value::from(text).to_string()
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TreeVisitor;

        impl<'de> Visitor<'de> for TreeVisitor {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Tree::Mapping(entries))
            }
        }

        deserializer.deserialize_any(TreeVisitor)
    }
}
