//! Generates the JSON Schema of documents from the types that read them.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::examples;
use crate::document::{
    API_VERSION, FragmentsSpec, Kind, Metadata, PolicySpec, PolicySuiteSpec, RevocationListSpec,
    TokenIssuerSpec, TrustDomainSpec,
};

/// The schema of a document of any kind, in JSON Schema draft 2020-12.
pub fn schema() -> Value {
    of(&Kind::ALL)
}

/// The schema of documents of one kind.
pub fn schema_of(kind: Kind) -> Value {
    of(&[kind])
}

fn of(kinds: &[Kind]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let metadata = generator.subschema_for::<Metadata>();
    let specs: Vec<Value> =
        kinds.iter().map(|kind| when_kind(*kind, &spec_of(*kind, &mut generator))).collect();
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let kind = match kinds {
        [only] => json!({ "const": only.as_str(), "description": only.purpose() }),
        _ => json!({ "enum": names, "description": "The kind of the document." }),
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
            "spec": { "description": "The content, by kind.", "type": "object" },
        },
        "allOf": specs,
        "$defs": generator.take_definitions(true),
    });
    let mut whole = tidied(whole);
    examples::add_to(&mut whole);
    whole
}

/// Removes `null` and empty defaults from a schema, and puts each paragraph on one line.
pub(crate) fn tidied(mut schema: Value) -> Value {
    if let Ok(schema) = <&mut Schema>::try_from(&mut schema) {
        RecursiveTransform(tidy).transform(schema);
    }
    schema
}

fn spec_of(kind: Kind, generator: &mut SchemaGenerator) -> Schema {
    match kind {
        Kind::Policy => generator.subschema_for::<PolicySpec>(),
        Kind::Fragments => generator.subschema_for::<FragmentsSpec>(),
        Kind::TrustDomain => generator.subschema_for::<TrustDomainSpec>(),
        Kind::TokenIssuer => generator.subschema_for::<TokenIssuerSpec>(),
        Kind::RevocationList => generator.subschema_for::<RevocationListSpec>(),
        Kind::PolicySuite => generator.subschema_for::<PolicySuiteSpec>(),
    }
}

fn when_kind(kind: Kind, spec: &Schema) -> Value {
    json!({
        "if": { "properties": { "kind": { "const": kind.as_str() } }, "required": ["kind"] },
        "then": { "properties": { "spec": described(spec, kind.purpose()) } },
    })
}

fn described(schema: &Schema, text: &str) -> Value {
    let mut schema = schema.clone();
    schema.insert(String::from("description"), text.into());
    schema.to_value()
}

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

/// Gives the description of a choice to its only key too.
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
