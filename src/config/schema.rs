//! The JSON Schema of the settings file, made from the types that read it, and the reference `docs/settings.md` that is
//! made of the schema: neither can say anything else than what is read.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::load::PREFIX;
use super::raw::RawConfig;
use crate::document::schema::{
    default_of, is_required, meaning, properties, resolve, text_of, tidied, type_of, words,
};

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
struct SettingRow {
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
    let (mappings, plain): (Vec<_>, Vec<_>) = top
        .into_iter()
        .partition(|(_, below)| !properties(resolve(&schema, below, "").1).is_empty());
    let plain = plain.into_iter().flat_map(|(key, below)| rows(&schema, key, below, "")).collect();
    table(&mut text, "Of the whole server", &plain);
    for (key, below) in mappings {
        table(&mut text, &format!("`{key}`"), &rows(&schema, key, below, ""));
    }
    text
}

fn table(text: &mut String, title: &str, rows: &Vec<SettingRow>) {
    let _ = writeln!(
        text,
        "\n## {title}\n\n| key | type | default | meaning | variable |\n|---|---|---|---|---|"
    );
    for SettingRow { path, kind, default, meaning } in rows {
        let variable =
            if kind == "mapping" { String::new() } else { format!("`{}`", variable(path)) };
        let _ = writeln!(text, "| `{path}` | {kind} | {default} | {meaning} | {variable} |");
    }
}

/// The key at `path` and everything below it.
fn rows(root: &Value, path: &str, schema: &Value, default: &str) -> Vec<SettingRow> {
    let (_, below) = resolve(root, schema, "");
    let keys = properties(below);
    let kind = match keys.is_empty() {
        true => type_of(root, schema, &|_| None),
        false => String::from("mapping"),
    };
    let own = default_of(schema).map(|text| if text == "``" { String::new() } else { text });
    let default = own.unwrap_or_else(|| default.to_owned());
    let text = Some(text_of(schema)).filter(|text| !text.is_empty());
    let meaning = meaning(&text.unwrap_or_else(|| text_of(below)), words(below));
    let mut rows = vec![SettingRow { path: path.to_owned(), kind, default, meaning }];
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

#[cfg(test)]
mod tests {
    use super::super::load::setting_name;
    use super::*;
    use figment::value::UncasedStr;

    fn all() -> Vec<SettingRow> {
        let schema = schema();
        properties(&schema).iter().flat_map(|(key, below)| rows(&schema, key, below, "")).collect()
    }

    #[test]
    fn every_setting_says_what_it_means_and_is_set_by_its_variable() {
        let rows = all();
        assert!(rows.len() > 60, "{} keys", rows.len());
        for SettingRow { path, kind, meaning, .. } in rows {
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
