//! The reference of every key, the page `docs/reference.md`. It is made of the schema, so it matches the parser.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use serde_json::Value;

use super::examples::{Examples, found_in, properties, resolve, spec_of};
use super::schema;
use crate::document::Kind;

const HEAD: &str = "\
# Reference of documents

Made from the types that read documents by `countersign schema --output markdown`; a test keeps this page as it is printed. What
the keys of policies mean together is in [policies](policy.md), what trust and tokens are in [peer evidence](peer-evidence.md) and [tokens](tokens.md).

Every document has `apiVersion: countersign.dev/v1alpha1`, a `kind`, `metadata` and a `spec`. Keys that are not listed here are errors. The examples are parts of
whole documents in [examples](examples), which are compiled by a test.

For completion and checks while typing, an editor with a YAML language server takes the schema from the first line of a file:

```yaml
# yaml-language-server: $schema=https://example.com/countersign.schema.json
```

`countersign schema --output-file countersign.schema.json` writes the schema of the version that is installed; a path relative to the document will do, too.
";

/// Longest example on the page, in characters.
const LONGEST: usize = 120;

struct Page<'a> {
    schema: &'a Value,
    examples: &'a Examples,
    text: String,
}

/// A mapping that has keys: where it is first, and its definition.
struct Section {
    path: String,
    definition: String,
}

/// The page.
pub fn reference() -> String {
    let schema = schema();
    let examples = found_in(&schema);
    let mut page = Page { schema: &schema, examples: &examples, text: String::from(HEAD) };
    page.line("\n## Metadata\n");
    let metadata = Section { path: String::from("metadata"), definition: String::from("Metadata") };
    page.section("", &metadata, &[]);
    for kind in Kind::ALL {
        page.kind(kind);
    }
    page.text
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn kind(&mut self, kind: Kind) {
        let name = kind.as_str();
        let file = file_name(name);
        self.line(&format!(
            "\n## {name}\n\n{} A whole example: [{file}](examples/{file}).",
            kind.purpose()
        ));
        let sections = self.sections(name);
        for section in &sections {
            self.line(&format!("\n<a id=\"{}\"></a>\n", anchor(name, &section.path)));
            self.line(&format!("### `{}`\n", section.path));
            self.section(name, section, &sections);
        }
    }

    /// Every mapping below the `spec` of a kind, once, nearest first.
    fn sections(&self, kind: &str) -> Vec<Section> {
        let Some(spec) = spec_of(self.schema, kind) else { return Vec::new() };
        let mut seen = BTreeSet::new();
        let mut sections = Vec::new();
        let mut waiting = VecDeque::from([(String::from("spec"), spec)]);
        while let Some((path, schema)) = waiting.pop_front() {
            let (name, below) = resolve(self.schema, schema, "");
            if let Some(items) = below.get("items") {
                waiting.push_back((format!("{path}[]"), items));
            }
            if let Some(values) = below.get("additionalProperties").filter(|v| v.is_object()) {
                waiting.push_back((format!("{path}.NAME"), values));
            }
            let keys = properties(below);
            if keys.is_empty() || !seen.insert(name.to_owned()) {
                continue;
            }
            sections.push(Section { path: path.clone(), definition: name.to_owned() });
            let below = keys.into_iter().map(|(key, value)| (format!("{path}.{key}"), value));
            waiting.extend(below);
        }
        sections
    }

    fn section(&mut self, kind: &str, section: &Section, all: &[Section]) {
        let Some(schema) = self.schema.pointer(&format!("/$defs/{}", section.definition)) else {
            return;
        };
        if let Some(text) = schema.get("description").and_then(Value::as_str) {
            self.line(&format!("{text}\n"));
        }
        self.line("| key | type | default | meaning | example |\n|---|---|---|---|---|");
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for choice in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            if let Some(Value::String(word)) = choice.get("const") {
                let meaning = text_of(choice);
                self.line(&format!("| `{word}` | | | {meaning} | `{word}` |"));
            }
        }
        let mut keys = properties(schema);
        keys.sort_by_key(|(key, _)| !required.contains(&key.as_str()));
        for (key, value) in keys {
            let default = match value.get("default") {
                _ if required.contains(&key.as_str()) => String::from("required"),
                Some(Value::String(text)) => format!("`{text}`"),
                Some(value) => format!("`{value}`"),
                None => String::new(),
            };
            let kind_of_value = self.type_of(value, kind, all);
            let meaning = self.meaning(value);
            let example = self.example(&section.definition, key);
            self.line(&format!(
                "| `{key}` | {kind_of_value} | {default} | {meaning} | {example} |"
            ));
        }
    }

    /// The meaning of a key, and of each of its words if it has a few.
    fn meaning(&self, schema: &Value) -> String {
        let mut text = text_of(schema);
        let (_, below) = resolve(self.schema, schema, "");
        for (word, meaning) in words(below).unwrap_or_default() {
            let _ = write!(text, " `{word}`: {meaning}");
        }
        text
    }

    fn example(&self, definition: &str, key: &str) -> String {
        let Some(example) = self.examples.get(&(definition.to_owned(), key.to_owned())) else {
            return String::new();
        };
        let text = format!("{key}: {}", example.short()).replace('|', "\\|");
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("`{} ..`", text.get(..end).unwrap_or_default()),
            None => format!("`{text}`"),
        }
    }

    fn type_of(&self, schema: &Value, kind: &str, all: &[Section]) -> String {
        let (name, below) = resolve(self.schema, schema, "");
        if let Some(section) = all.iter().find(|section| section.definition == name) {
            return format!("[mapping](#{})", anchor(kind, &section.path));
        }
        if name == "Duration" {
            return String::from("duration");
        }
        if let Some(words) = words(below) {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            return words.join(" or ");
        }
        let inner = |key: &str| below.get(key).map(|schema| self.type_of(schema, kind, all));
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
            Some(Value::Array(_)) => String::from("text, whole number, `true` or `false`"),
            _ => String::from("any value"),
        }
    }
}

/// The words of a value that is one of a few, each with its meaning.
fn words(schema: &Value) -> Option<Vec<(&str, String)>> {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return words.iter().map(|word| Some((word.as_str()?, String::new()))).collect();
    }
    let choices = schema.get("oneOf")?.as_array()?;
    choices.iter().map(|choice| Some((choice.get("const")?.as_str()?, text_of(choice)))).collect()
}

fn text_of(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.replace("\n\n", " ").replace('|', "\\|")
}

fn anchor(kind: &str, path: &str) -> String {
    let path: String = path.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    format!("{kind}-{}", path.replace('.', "-")).to_ascii_lowercase()
}

/// `TokenIssuer` is in `token-issuer.yaml`.
fn file_name(kind: &str) -> String {
    let mut name = String::new();
    for c in kind.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    format!("{name}.yaml")
}
