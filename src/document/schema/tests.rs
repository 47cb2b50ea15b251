//! The shipped copies of the schema and the reference, and what every key owes a reader.
//!
//! After a change of types or examples, `COUNTERSIGN_BLESS=1 cargo test --lib schema` rewrites the copies.

#![expect(clippy::disallowed_methods, reason = "the switch for rewriting is in the environment")]

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::{reference, schema};

fn is_kept(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var("COUNTERSIGN_BLESS").is_ok() {
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let hint = "run `COUNTERSIGN_BLESS=1 cargo test --lib schema` and read the difference";
    assert!(kept == text, "{} is out of date: {hint}", path.display());
}

#[test]
fn the_shipped_schema_is_that_of_the_types() {
    is_kept("docs/schema/countersign.schema.json", &format!("{:#}\n", schema()));
}

#[test]
fn the_reference_is_made_of_the_types() {
    is_kept("docs/reference.md", &reference());
}

/// Every key of every mapping, as `definition.key`.
fn keys(schema: &Value) -> Vec<(String, Map<String, Value>)> {
    let mut keys = Vec::new();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        let choices = definition["oneOf"].as_array().into_iter().flatten();
        for mapping in std::iter::once(definition).chain(choices) {
            for (key, value) in mapping["properties"].as_object().into_iter().flatten() {
                let value = value.as_object().cloned().unwrap_or_default();
                keys.push((format!("{name}.{key}"), value));
            }
        }
    }
    keys
}

#[test]
fn every_key_says_what_it_means_and_has_a_worked_example() {
    let keys = keys(&schema());
    assert!(keys.len() > 100, "{} keys", keys.len());
    for (name, key) in keys {
        let meaning = key.get("description").and_then(Value::as_str).unwrap_or_default();
        assert!(!meaning.is_empty(), "`{name}` has no doc comment");
        assert!(key.contains_key("examples"), "`{name}` is in no document of docs/examples");
    }
}
