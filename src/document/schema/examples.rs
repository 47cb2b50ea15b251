//! A worked example for every key, taken from the whole documents in `docs/examples`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::tree::{Node, NodeKind, Scalar};
use super::super::{Spanned, yaml};
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

/// The first example of each key, by the name of the definition that has the key.
pub(super) type Examples = BTreeMap<(String, String), Node>;

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
fn give(mapping: &mut Value, key: &str, example: &Node) {
    let property = mapping.get_mut("properties").and_then(|all| all.get_mut(key));
    if let Some(Value::Object(property)) = property {
        property.insert(String::from("examples"), json!([value(&short(example))]));
    }
}

/// The first example of each key that `schema` knows.
pub(super) fn found_in(schema: &Value) -> Examples {
    let mut examples = Examples::new();
    for (kind, text) in FILES {
        let spec = spec_of(schema, kind);
        for tree in yaml::split(text).iter().filter_map(|(_, text)| read(text)) {
            for (key, value) in tree.entries() {
                let below = match key.value.as_str() {
                    "spec" => spec,
                    key => schema.get("properties").and_then(|all| all.get(key)),
                };
                if let Some(below) = below {
                    ExampleWalk { schema, examples: &mut examples }.value(below, value, "");
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
    fn value(&mut self, schema: &Value, tree: &Node, name: &str) {
        let (name, schema) = resolve(self.schema, schema, name);
        if let Some(of) = schema.get("items") {
            tree.items().iter().for_each(|item| self.value(of, item, name));
        }
        let known = properties(schema);
        for (key, value) in tree.entries() {
            let own = known.iter().find(|(name, _)| **name == key.value);
            if let Some((_, below)) = own {
                let place = (name.to_owned(), key.value.clone());
                self.examples.entry(place).or_insert_with(|| value.clone());
                self.value(below, value, name);
            } else if let Some(below) = schema.get("additionalProperties") {
                self.value(below, value, name);
            }
        }
    }
}

fn read(text: &str) -> Option<Node> {
    serde_saphyr::from_str(text).ok()
}

/// The same with only the first of several mappings in a list.
pub(super) fn short(example: &Node) -> Node {
    let kind = match &example.kind {
        NodeKind::List(items) => {
            let is_of_mappings = matches!(items.first(), Some(Node { kind: NodeKind::Map(_), .. }));
            let most = if is_of_mappings { 1 } else { items.len() };
            NodeKind::List(items.iter().take(most).map(short).collect())
        }
        NodeKind::Map(entries) => {
            NodeKind::Map(entries.iter().map(|(key, value)| (key.clone(), short(value))).collect())
        }
        NodeKind::Scalar(value) => NodeKind::Scalar(value.clone()),
    };
    Node { kind, ..*example }
}

fn value(example: &Node) -> Value {
    match &example.kind {
        NodeKind::Scalar(Scalar::Null) => Value::Null,
        NodeKind::Scalar(Scalar::Bool(value)) => (*value).into(),
        NodeKind::Scalar(Scalar::Number(number)) => (*number).into(),
        NodeKind::Scalar(Scalar::Text(text)) => text.as_str().into(),
        NodeKind::List(items) => items.iter().map(value).collect(),
        NodeKind::Map(entries) => {
            entries.iter().map(|(key, own)| (key.value.clone(), value(own))).collect()
        }
    }
}

/// YAML on one line.
pub(super) fn on_one_line(example: &Node) -> String {
    match &example.kind {
        NodeKind::Scalar(Scalar::Text(text)) => quoted(text),
        NodeKind::Scalar(_) => value(example).to_string(),
        NodeKind::List(items) => {
            format!("[{}]", items.iter().map(on_one_line).collect::<Vec<_>>().join(", "))
        }
        NodeKind::Map(entries) if entries.is_empty() => String::from("{}"),
        NodeKind::Map(entries) => {
            let entry = |(key, value): &(Spanned<String>, Node)| {
                format!("{}: {}", quoted(&key.value), on_one_line(value))
            };
            format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text as YAML, in quotes where it would mean something else without.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+=".contains(c);
    let same =
        || text.parse::<f64>().is_err() && read(text).is_some_and(|own| own.text() == Some(text));
    if text.chars().all(plain) && same() {
        return text.to_owned();
    }
    Value::from(text).to_string()
}
