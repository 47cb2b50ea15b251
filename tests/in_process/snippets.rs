//! The parts of documents and settings that the pages show are read as the whole of which they are a part.

use std::collections::BTreeSet;

use countersign::config::{Config, Overrides};
use countersign::document::{self, SourceFile, any_error};
use serde_json::{Value, json};

use crate::docs::pages;

/// A block of YAML that is no whole document: where it stands, and what it holds.
struct Snippet {
    place: String,
    text: String,
}

/// Pages that show files of other programs: `tests/e2e/docs.rs` runs those of Envoy, `tests/deploy/foreign.rs` judges those of
/// meshes, and what people come from is theirs.
const FOREIGN: [&str; 4] =
    ["docs/envoy.md", "docs/envoy-gateway.md", "docs/istio.md", "docs/deploying.md"];

/// Keys of Envoy, Istio, Kubernetes and others, by which a block begins.
const FOREIGN_KEYS: [&str; 2] = ["http_filters", "version"];

fn snippets() -> Vec<Snippet> {
    let mut found = Vec::new();
    for (path, text) in pages() {
        let path = path.to_str().unwrap().to_owned();
        let mut line = 1;
        for (at, part) in text.split("```").enumerate() {
            if at % 2 == 1
                && let Some(text) = part.strip_prefix("yaml\n")
            {
                found.push(Snippet { place: format!("{path}:{line}"), text: text.to_owned() });
            }
            line += part.matches('\n').count();
        }
    }
    found
}

impl Snippet {
    fn page(&self) -> &str {
        self.place.split(':').next().unwrap()
    }

    fn value(&self) -> Value {
        let margin = self.text.len() - self.text.trim_start_matches(' ').len();
        let lines = self.text.lines().map(|line| line.get(margin..).unwrap_or_default());
        let text = lines.collect::<Vec<_>>().join("\n");
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", self.place))
    }

    /// True if it is of another program.
    fn is_foreign(&self) -> bool {
        let first = self.text.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
        if first.is_empty() {
            // Nothing but a comment, such as for an editor.
            return true;
        }
        let other_api = first.starts_with("apiVersion: ") && !first.contains("countersign.dev");
        let begins = |key: &&str| first.starts_with(&format!("{key}:"));
        let shipped = FOREIGN.contains(&self.page()) && !first.starts_with("listener:");
        other_api || shipped || FOREIGN_KEYS.iter().any(begins)
    }

    fn is_whole(&self) -> bool {
        self.text.contains("apiVersion: countersign.dev/")
    }
}

/// The documents in `text`, or what is wrong with them.
fn read(text: &str) -> Result<usize, String> {
    let mut problems = Vec::new();
    let file = SourceFile::new("snippet.yaml", text.to_owned());
    let documents = document::parse(&file, &mut problems);
    match any_error(&problems) {
        true => Err(problems.iter().map(|problem| format!("{problem:?}\n")).collect()),
        false => Ok(documents.len()),
    }
}

fn read_settings(value: &Value) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countersign.yaml");
    let mut settings = json!({ "documents": ["policies"] });
    merge(&mut settings, value);
    std::fs::write(&file, settings.to_string()).unwrap();
    let config = Config::load(Some(&file), &Overrides::default());
    config.map(drop).map_err(|error| error.to_string())
}

/// Puts `part` over `whole`.
fn merge(whole: &mut Value, part: &Value) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, value) in part {
                merge(whole.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (whole, part) => *whole = part.clone(),
    }
}

/// A document of `kind` with `spec`.
fn document(kind: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "countersign.dev/v1alpha1", "kind": kind, "metadata": { "name": "x" }, "spec": spec })
}

/// The least that a document of `kind` needs, key by key: a part may bring another in place of any of them.
fn least(kind: &str) -> Value {
    match kind {
        "TokenIssuer" => json!({
            "issuer": "https://login.example.com",
            "audiences": ["orders"],
            "algorithms": ["ES256"],
            "keys": { "discovery": {} },
        }),
        _ => json!({ "spiffe": "prod.example", "authorities": [{ "file": "ca.pem" }] }),
    }
}

/// A part of an issuer or a trust domain within the rest of one.
fn within_spec(kind: &str, part: &Value) -> Result<(), String> {
    let part = part.get("spec").unwrap_or(part);
    let base = least(kind);
    let keys: Vec<_> = base.as_object().unwrap().keys().cloned().collect();
    let mut last = String::new();
    for without in 0..1_u32 << keys.len() {
        let mut spec = base.clone();
        let gone = keys.iter().enumerate().filter(|(at, _)| without & (1 << at) != 0);
        for (_, key) in gone {
            spec.as_object_mut().unwrap().remove(key);
        }
        merge(&mut spec, part);
        match read(&document(kind, &spec).to_string()) {
            Ok(_) => return Ok(()),
            Err(why) if without == 0 => last = why,
            Err(_) => {}
        }
    }
    Err(last)
}

/// A part of a policy: rules, parts of one rule, and what stands beside them.
fn within_policy(part: &Value) -> Result<(), String> {
    let rule = json!({ "name": "x", "effect": "allow", "public": true });
    let mut policy = document(
        "Policy",
        &json!({ "target": { "hosts": ["orders.example.com"] }, "rules": [rule] }),
    );
    if part.is_array() {
        policy["spec"]["rules"] = part.clone();
        return read(&policy.to_string()).map(drop);
    }
    for (key, value) in part.as_object().unwrap() {
        let place = match key.as_str() {
            "metadata" => &mut policy["metadata"],
            "target" | "deny" => &mut policy["spec"][key],
            key => &mut policy["spec"]["rules"][0][key],
        };
        merge(place, value);
    }
    if policy["spec"]["rules"][0].get("peer").or(policy["spec"]["rules"][0].get("token")).is_some()
    {
        policy["spec"]["rules"][0].as_object_mut().unwrap().remove("public");
    }
    read(&policy.to_string()).map(drop)
}

/// P557: what a page shows can be written as it is shown.
#[test]
fn every_part_that_is_shown_is_read() {
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for snippet in snippets().iter().filter(|own| !own.is_foreign()) {
        let result = if snippet.is_whole() {
            read(&snippet.text).map(drop)
        } else {
            let value = snippet.value();
            let settings = ["listener", "store", "fetch", "admin", "assertion"]
                .iter()
                .any(|key| value.get(key).is_some());
            match snippet.page() {
                _ if settings => read_settings(&value),
                "docs/tokens.md" | "docs/binding.md" => within_spec("TokenIssuer", &value),
                "docs/peer-evidence.md" => within_spec("TrustDomain", &value),
                "docs/policy.md" | "docs/assertion.md" => within_policy(&value),
                // `tests/cli/pages.rs` puts it to the command.
                "docs/explain.md" => Ok(()),
                page => Err(format!("no test reads this part of {page}")),
            }
        };
        seen.insert(snippet.page().to_owned());
        wrong.extend(result.err().map(|why| format!("{}: {why}", snippet.place)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.len() >= 15, "{seen:?}");
}
