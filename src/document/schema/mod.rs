//! The JSON Schema of documents, made from the types that read them: editors complete with it, and the reference in
//! `docs/` is made of it.
//!
//! Its words are the doc comments of the types. Its examples are taken from `docs/examples`, whole documents that a test
//! compiles.

mod examples;
mod reference;
#[cfg(test)]
mod tests;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{
    API_VERSION, FragmentsSpec, Metadata, PolicySpec, PolicySuiteSpec, RevocationListSpec,
    TokenIssuerSpec, TrustDomainSpec,
};

pub use reference::reference;

/// One kind of document.
pub(super) struct Kind {
    /// The word after `kind:`.
    pub(super) name: &'static str,
    /// What documents of it are for.
    pub(super) purpose: &'static str,
    spec: fn(&mut SchemaGenerator) -> Schema,
}

/// Every kind, in the order in which one meets them.
pub(super) const KINDS: [Kind; 6] = [
    Kind {
        name: "Policy",
        purpose: "Who may do what.",
        spec: SchemaGenerator::subschema_for::<PolicySpec>,
    },
    Kind {
        name: "Fragments",
        purpose: "What several rules ask for, written once.",
        spec: SchemaGenerator::subschema_for::<FragmentsSpec>,
    },
    Kind {
        name: "TrustDomain",
        purpose: "Whose certificates are believed.",
        spec: SchemaGenerator::subschema_for::<TrustDomainSpec>,
    },
    Kind {
        name: "TokenIssuer",
        purpose: "Whose tokens are believed.",
        spec: SchemaGenerator::subschema_for::<TokenIssuerSpec>,
    },
    Kind {
        name: "RevocationList",
        purpose: "What is believed no longer.",
        spec: SchemaGenerator::subschema_for::<RevocationListSpec>,
    },
    Kind {
        name: "PolicySuite",
        purpose: "Cases that policies are tried with.",
        spec: SchemaGenerator::subschema_for::<PolicySuiteSpec>,
    },
];

/// The schema of a document of any kind, in JSON Schema draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    of(&KINDS)
}

/// The schema of documents of one kind, if there is such a kind.
#[must_use]
pub fn schema_of(kind: &str) -> Option<Value> {
    let at = KINDS.iter().position(|known| known.name == kind)?;
    KINDS.get(at..=at).map(of)
}

/// The words after `kind:`.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

fn of(kinds: &[Kind]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let metadata = generator.subschema_for::<Metadata>();
    let specs: Vec<Value> =
        kinds.iter().map(|kind| when_kind(kind, &(kind.spec)(&mut generator))).collect();
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    let kind = match kinds {
        [only] => json!({ "const": only.name, "description": only.purpose }),
        _ => json!({ "enum": names, "description": "What the document is." }),
    };
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "countersign documents",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": { "const": API_VERSION, "description": "The version that the document is written in." },
            "kind": kind,
            "metadata": described(&metadata, "Its name and labels."),
            "spec": { "description": "What it says.", "type": "object" },
        },
        "allOf": specs,
        "$defs": generator.take_definitions(true),
    });
    let mut whole = tidied(whole);
    examples::add_to(&mut whole);
    whole
}

/// A schema as people and editors like it: without `null`, without empty defaults, a paragraph on one line.
pub(crate) fn tidied(mut schema: Value) -> Value {
    if let Ok(schema) = <&mut Schema>::try_from(&mut schema) {
        RecursiveTransform(tidy).transform(schema);
    }
    schema
}

fn when_kind(kind: &Kind, spec: &Schema) -> Value {
    json!({
        "if": { "properties": { "kind": { "const": kind.name } }, "required": ["kind"] },
        "then": { "properties": { "spec": described(spec, kind.purpose) } },
    })
}

fn described(schema: &Schema, text: &str) -> Value {
    let mut schema = schema.clone();
    schema.insert(String::from("description"), text.into());
    schema.to_value()
}

/// A key that may be left out is left out and not set to nothing; and lines of a comment are one paragraph.
fn tidy(schema: &mut Schema) {
    let Some(schema) = schema.as_object_mut() else { return };
    without_null(schema);
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace("\n\n", "\u{0}").replace('\n', " ").replace('\u{0}', "\n\n");
    }
    for choice in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        describe_only_key(choice);
    }
    let no_default =
        |default: &Value| *default == json!([]) || *default == json!({}) || *default == Value::Null;
    if schema.get("default").is_some_and(no_default) {
        schema.remove("default");
    }
}

/// What is said of a choice is said of the only key that it has.
fn describe_only_key(choice: &mut Value) {
    let Some(description) = choice.get("description").cloned() else { return };
    let keys = choice.get_mut("properties").and_then(Value::as_object_mut);
    let Some(keys) = keys.filter(|keys| keys.len() == 1) else { return };
    for key in keys.values_mut().filter_map(Value::as_object_mut) {
        key.entry("description").or_insert_with(|| description.clone());
    }
}

fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert(String::from("type"), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                schema.entry(key).or_insert(value);
            }
        }
    }
}
