//! The keys of documents, and the words that a key takes, by the schema: which of them a world writes.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../docs/schema/countersign.schema.json")).unwrap_or_default());

/// The alternatives of a schema.
const CHOICES: [&str; 3] = ["oneOf", "anyOf", "allOf"];

/// The schema of each kind's spec.
fn kinds() -> impl Iterator<Item = (&'static str, &'static Value)> {
    let all = SCHEMA["allOf"].as_array().into_iter().flatten();
    all.filter_map(|one| Some((one["if"]["properties"]["kind"]["const"].as_str()?, &one["then"]["properties"]["spec"])))
}

fn name_of(schema: &Value) -> Option<&'static str> {
    let name = schema["$ref"].as_str()?.strip_prefix("#/$defs/")?;
    SCHEMA["$defs"].as_object()?.keys().find(|own| *own == name).map(String::as_str)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    CHOICES.iter().flat_map(|kind| schema[*kind].as_array().into_iter().flatten())
}

fn words(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["enum"].as_array().into_iter().flatten().chain(schema.get("const"))
}

/// Everything that documents can write: `RuleSpec.when`, `ScopeForm: whole`.
pub fn all() -> BTreeSet<String> {
    let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (_, schema) in kinds() {
        possible(schema, "", &mut seen, &mut names);
    }
    names
}

fn possible(schema: &'static Value, of: &str, seen: &mut BTreeSet<&'static str>, names: &mut BTreeSet<String>) {
    if let Some(name) = name_of(schema) {
        if seen.insert(name) {
            possible(&SCHEMA["$defs"][name], name, seen, names);
        }
        return;
    }
    names.extend(words(schema).filter_map(|word| Some(format!("{of}: {}", word.as_str()?))));
    for (key, own) in members(&schema["properties"]) {
        names.insert(format!("{of}.{key}"));
        possible(own, of, seen, names);
    }
    let inner = ["items", "additionalProperties"].iter().filter_map(|key| schema.get(*key));
    for own in choices(schema).chain(inner) {
        possible(own, of, seen, names);
    }
}

/// The keys and words that a document has.
pub fn written(document: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let schema = kinds().find(|(kind, _)| document["kind"] == *kind).map(|(_, schema)| schema);
    schema.into_iter().for_each(|schema| found(schema, "", &document["spec"], &mut names));
    names
}

fn found(schema: &'static Value, of: &str, value: &Value, names: &mut BTreeSet<String>) {
    if let Some(name) = name_of(schema) {
        return found(&SCHEMA["$defs"][name], name, value, names);
    }
    names.extend(words(schema).filter(|word| *word == value).filter_map(|word| Some(format!("{of}: {}", word.as_str()?))));
    for (key, own) in members(value) {
        match schema["properties"].get(key) {
            Some(schema) => {
                names.insert(format!("{of}.{key}"));
                found(schema, of, own, names);
            }
            None => found(&schema["additionalProperties"], of, own, names),
        }
    }
    value.as_array().into_iter().flatten().for_each(|own| found(&schema["items"], of, own, names));
    choices(schema).for_each(|choice| found(choice, of, value, names));
}
