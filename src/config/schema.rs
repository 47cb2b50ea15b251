//! The JSON Schema of the settings file, made from the types that read it, and the reference `docs/settings.md` that is
//! made of the schema: neither can say anything else than what is read.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::load::PREFIX;
use super::raw::RawConfig;
use crate::document::schema::tidied;

const HEAD: &str = "\
# Settings

Every key of the settings file. Made from the types that read it by `countersign schema --settings --output markdown`; a test keeps this page as it is printed. Why the limits
are what they are, and a file to begin with, is in [operations](operations.md#settings).

Defaults come first, then the file of `--config`, then environment variables, then flags. Keys that are not listed here are errors. Settings are read once, at the start;
files that they name (certificates, keys, passwords, tokens) are read again when they change. Relative paths are relative to the settings file.

Lengths of time have units, largest first: `500ms`, `30s`, `1h30m`. In a variable a list is written `[a, b]`.

For completion and checks while typing, an editor with a YAML language server takes the schema from the first line of the file:
`# yaml-language-server: $schema=settings.schema.json`, where `countersign schema --settings --output-file settings.schema.json` has put it.
";

/// One key.
struct Row {
    /// Its place, such as `listener.connections.maxAge`.
    path: String,
    kind: String,
    default: String,
    meaning: String,
}

/// The schema of the settings file, in JSON Schema draft 2020-12.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    let mut schema = tidied(generator.into_root_schema_for::<RawConfig>().to_value());
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(String::from("title"), json!("countersign settings"));
    }
    schema
}

/// The page.
pub fn reference() -> String {
    let schema = schema();
    let mut text = String::from(HEAD);
    let top = properties(&schema);
    let (mappings, plain): (Vec<_>, Vec<_>) =
        top.into_iter().partition(|(_, below)| !properties(resolved(&schema, below)).is_empty());
    let plain = plain.into_iter().flat_map(|(key, below)| rows(&schema, key, below, "")).collect();
    table(&mut text, "Of the whole server", &plain);
    for (key, below) in mappings {
        table(&mut text, &format!("`{key}`"), &rows(&schema, key, below, ""));
    }
    text
}

fn table(text: &mut String, title: &str, rows: &Vec<Row>) {
    let _ = writeln!(
        text,
        "\n## {title}\n\n| key | type | default | meaning | variable |\n|---|---|---|---|---|"
    );
    for Row { path, kind, default, meaning } in rows {
        let variable =
            if kind == "mapping" { String::new() } else { format!("`{}`", variable(path)) };
        let _ = writeln!(text, "| `{path}` | {kind} | {default} | {meaning} | {variable} |");
    }
}

/// The key at `path` and everything below it.
fn rows(root: &Value, path: &str, schema: &Value, default: &str) -> Vec<Row> {
    let below = resolved(root, schema);
    let keys = properties(below);
    let kind = if keys.is_empty() { type_of(root, below) } else { String::from("mapping") };
    let default = match schema.get("default") {
        Some(Value::String(text)) if text.is_empty() => String::new(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(value) => format!("`{value}`"),
        None => default.to_owned(),
    };
    let mut meaning = text_of(schema);
    if meaning.is_empty() {
        meaning = text_of(below);
    }
    for (word, its) in words(below) {
        let _ = write!(meaning, " `{word}`: {its}");
    }
    let mut rows = vec![Row { path: path.to_owned(), kind, default, meaning }];
    for (key, value) in keys {
        let default = if is_required(below, key) { "required" } else { "" };
        rows.extend(self::rows(root, &format!("{path}.{key}"), value, default));
    }
    rows
}

/// `listener.peerSources.xfcc` is set by `COUNTERSIGN_LISTENER__PEER_SOURCES__XFCC`.
fn variable(path: &str) -> String {
    let mut name = String::from(PREFIX);
    for c in path.chars() {
        match c {
            '.' => name.push_str("__"),
            c if c.is_ascii_uppercase() => name.extend(['_', c]),
            c => name.push(c.to_ascii_uppercase()),
        }
    }
    name
}

/// The definition that `schema` refers to, or itself.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    schema.get("oneOf").and_then(Value::as_array).into_iter().flatten()
}

/// The keys of a mapping; those of each choice where there are several.
fn properties(schema: &Value) -> Vec<(&str, &Value)> {
    let all = std::iter::once(schema).chain(choices(schema));
    let keys = all.filter_map(|schema| schema.get("properties").and_then(Value::as_object));
    keys.flatten().map(|(key, value)| (key.as_str(), value)).collect()
}

fn is_required(schema: &Value, key: &str) -> bool {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().any(|name| name == key)
}

/// The words of a value that is one of a few, each with its meaning.
fn words(schema: &Value) -> Vec<(&str, String)> {
    choices(schema)
        .filter_map(|choice| Some((choice.get("const")?.as_str()?, text_of(choice))))
        .collect()
}

fn type_of(root: &Value, schema: &Value) -> String {
    let words: Vec<_> = words(schema).iter().map(|(word, _)| format!("`{word}`")).collect();
    if !words.is_empty() {
        return words.join(" or ");
    }
    let text = text_of(schema);
    match schema.get("type").and_then(Value::as_str) {
        Some("string") if text.starts_with("A length of time") => String::from("duration"),
        Some("string") => String::from("text"),
        Some("boolean") => String::from("`true` or `false`"),
        Some("integer") => String::from("whole number"),
        Some("number") => String::from("number"),
        Some("object") => String::from("`{}`"),
        Some("array") => match schema.get("items") {
            Some(items) => format!("list: {}", type_of(root, resolved(root, items))),
            None => String::from("list"),
        },
        _ => String::from("any value"),
    }
}

fn text_of(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.replace("\n\n", " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::super::load::setting_name;
    use super::*;
    use figment::value::UncasedStr;

    fn all() -> Vec<Row> {
        let schema = schema();
        properties(&schema).iter().flat_map(|(key, below)| rows(&schema, key, below, "")).collect()
    }

    #[test]
    fn every_setting_says_what_it_means_and_is_set_by_its_variable() {
        let rows = all();
        assert!(rows.len() > 60, "{} keys", rows.len());
        for Row { path, kind, meaning, .. } in rows {
            assert!(!meaning.is_empty() && !meaning.contains("[`"), "`{path}`: {meaning}");
            assert!(!kind.contains("any"), "`{path}` is {kind}");
            let name = variable(&path);
            let name = name.strip_prefix(PREFIX).unwrap();
            assert_eq!(setting_name(UncasedStr::new(name)).as_str(), path);
        }
    }

    /// The defaults in the reference are those in force if nothing is set.
    #[test]
    fn the_defaults_are_those_of_the_types() {
        let shown = |path: &str| all().into_iter().find(|row| row.path == path).unwrap().default;
        let RawConfig { listener, deadline, log, .. } = RawConfig::default();
        assert_eq!(shown("listener.address"), format!("`{}`", listener.address));
        assert_eq!(
            shown("listener.connections.maxAge"),
            format!("`{}`", listener.connections.max_age)
        );
        assert_eq!(shown("listener.socket.mode"), "`0660`");
        assert_eq!(shown("deadline"), format!("`{deadline}`"));
        assert_eq!(shown("log.level"), format!("`{}`", log.level));
        assert_eq!(shown("listener.tls.certificate"), "required");
        assert_eq!(shown("store.redis.onLoss"), "`deny`");
    }
}
