//! The reference of every key, the page `docs/reference.md`. It is made of the schema, so it matches the parser.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use super::examples::{Examples, found_in, on_one_line, short, spec_of};
use super::parts::{
    default_of, is_required, meaning, only_words, properties, resolve, text_of, type_of,
};
use super::schema;
use crate::document::Kind;

const HEAD: &str = "\
# Reference of documents

Made from the types that read documents by `countersign schema --output markdown`; a test keeps this page as it is printed. What
the keys of policies mean together is in [policies](policy.md), what trust and tokens are in [peer evidence](peer-evidence.md) and [tokens](tokens.md).

Every document has `apiVersion: countersign.dev/v1alpha1`, a `kind`, `metadata` and a `spec`. Keys that are not listed here are errors. The examples are parts of
whole documents in [examples](examples/README.md), which are compiled by a test.

For completion and checks while typing, an editor with a YAML language server takes the schema from the first line of a file:

```yaml
# yaml-language-server: $schema=https://example.com/countersign.schema.json
```

`countersign schema --output-file countersign.schema.json` writes the schema of the version that is installed; a path relative to the document will do, too.
";

/// Longest example on the page, in characters.
const LONGEST: usize = 120;

struct ReferencePage<'a> {
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
    let mut page = ReferencePage { schema: &schema, examples: &examples, text: String::from(HEAD) };
    page.line("\n## Metadata\n");
    let metadata = Section { path: String::from("metadata"), definition: String::from("Metadata") };
    page.section("", &metadata, &[]);
    for kind in Kind::ALL {
        page.kind(kind);
    }
    page.text
}

impl ReferencePage<'_> {
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
        for choice in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            if let Some(Value::String(word)) = choice.get("const") {
                let meaning = text_of(choice);
                self.line(&format!("| `{word}` | | | {meaning} | `{word}` |"));
            }
        }
        let mut keys = properties(schema);
        keys.sort_by_key(|(key, _)| !is_required(schema, key));
        let link = |name: &str| {
            let section = all.iter().find(|section| section.definition == name)?;
            Some(format!("[mapping](#{})", anchor(kind, &section.path)))
        };
        for (key, value) in keys {
            let default = match is_required(schema, key) {
                true => String::from("required"),
                false => default_of(value).unwrap_or_default(),
            };
            let kind_of_value = type_of(self.schema, value, &link);
            let words = only_words(resolve(self.schema, value, "").1).unwrap_or_default();
            let meaning = meaning(&text_of(value), words);
            let example = self.example(&section.definition, key);
            self.line(&format!(
                "| `{key}` | {kind_of_value} | {default} | {meaning} | {example} |"
            ));
        }
    }

    fn example(&self, definition: &str, key: &str) -> String {
        let Some(example) = self.examples.get(&(definition.to_owned(), key.to_owned())) else {
            return String::new();
        };
        let text = format!("{key}: {}", on_one_line(&short(example))).replace('|', "\\|");
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("`{} ..`", text.get(..end).unwrap_or_default()),
            None => format!("`{text}`"),
        }
    }
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
