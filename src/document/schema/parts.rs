//! The parts of a JSON Schema that a reference of its keys is made of.

use serde_json::Value;

/// The definition that `schema` refers to, with its name; itself under `name` where it refers to none.
pub(crate) fn resolve<'a>(
    root: &'a Value,
    schema: &'a Value,
    name: &'a str,
) -> (&'a str, &'a Value) {
    let reference = schema.get("$ref").and_then(Value::as_str);
    let named = reference.and_then(|reference| reference.strip_prefix("#/$defs/"));
    let found = named.and_then(|named| Some((named, root.get("$defs")?.get(named)?)));
    found.unwrap_or((name, schema))
}

/// The keys of a mapping; those of each choice where there are several.
pub(crate) fn properties(schema: &Value) -> Vec<(&String, &Value)> {
    let choices = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(schema)
        .chain(choices)
        .filter_map(|schema| schema.get("properties").and_then(Value::as_object))
        .flatten()
        .collect()
}

/// True if a mapping must have the key.
pub(crate) fn is_required(schema: &Value, key: &str) -> bool {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().any(|name| name == key)
}

/// The words among the choices of a value, each with its meaning.
pub(crate) fn words(schema: &Value) -> Vec<(&str, String)> {
    let choices = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let word = |choice| Some((Value::as_str(Value::get(choice, "const")?)?, text_of(choice)));
    choices.filter_map(word).collect()
}

/// The same of a value that is nothing else than one of a few words.
pub(super) fn only_words(schema: &Value) -> Option<Vec<(&str, String)>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().map(|word| Some((word.as_str()?, String::new()))).collect();
    }
    let count = schema.get("oneOf")?.as_array()?.len();
    Some(words(schema)).filter(|words| words.len() == count)
}

/// The meaning of a value on one line of a table, with that of each of its words.
pub(crate) fn meaning(text: &str, words: Vec<(&str, String)>) -> String {
    let words = words.into_iter().map(|(word, meaning)| format!(" `{word}`: {meaning}"));
    std::iter::once(text.to_owned()).chain(words).collect()
}

/// The description of a value.
pub(crate) fn text_of(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.replace("\n\n", " ").replace('|', "\\|")
}

/// The default of a value, in backticks.
pub(crate) fn default_of(schema: &Value) -> Option<String> {
    let default = schema.get("default")?;
    let text = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
    Some(format!("`{text}`"))
}

/// The type of a value, in words; `link` knows the definitions that have a section of their own.
pub(crate) fn type_of(
    root: &Value,
    schema: &Value,
    link: &dyn Fn(&str) -> Option<String>,
) -> String {
    let (name, below) = resolve(root, schema, "");
    if let Some(link) = link(name) {
        return link;
    }
    if name == "Duration" {
        return String::from("duration");
    }
    if name == "ClaimType" {
        return String::from("type or members");
    }
    if let Some(words) = only_words(below) {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        return words.join(" or ");
    }
    let inner = |key: &str| below.get(key).map(|schema| type_of(root, schema, link));
    match below.get("type") {
        Some(Value::String(name)) => match name.as_str() {
            "string" => String::from("text"),
            "boolean" => String::from("`true` or `false`"),
            "integer" => String::from("whole number"),
            "array" => format!("list: {}", inner("items").unwrap_or_default()),
            "object" if below.get("additionalProperties") == Some(&Value::Bool(false)) => {
                String::from("`{}`")
            }
            "object" => {
                format!("by name: {}", inner("additionalProperties").unwrap_or_default())
            }
            other => other.to_owned(),
        },
        Some(Value::Array(types)) if types.iter().any(|name| name == "array") => {
            String::from("text, or list: text")
        }
        Some(Value::Array(_)) => String::from("text, whole number, `true` or `false`"),
        _ => String::from("any value"),
    }
}
