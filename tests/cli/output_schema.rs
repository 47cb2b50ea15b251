//! Everything that a command prints with `--output json` is as `countersign schema --of COMMAND` says.
//!
//! After a change of a report, `COUNTERSIGN_BLESS=1 cargo test --test cli output_schema` writes the schemas in `docs/schema/output` again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::program::Props;

static VALIDATORS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let validator = |path: PathBuf| {
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, jsonschema::draft202012::new(&schema).unwrap())
    };
    files.map(validator).collect()
});

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/output")
}

/// `keys verify` is in `keys-verify.schema.json`.
fn file_name(command: &str) -> String {
    format!("{}.schema.json", command.replace("--", "").replace(' ', "-"))
}

/// The command in `arguments`, as `countersign schema --list` names it; none where its output has no schema.
fn command(arguments: &[&str]) -> Option<String> {
    let has = |word: &str| arguments.contains(&word);
    let asks = arguments.windows(2).any(|pair| *pair == ["--output", "json"]);
    let (first, _) = arguments.split_first().filter(|_| asks)?;
    match *first {
        "decisions" if has("--by") => Some(String::from("decisions --by")),
        "keys" if has("verify") => Some(String::from("keys verify")),
        "serve" => Some(String::from("serve --check")),
        "schema" => None,
        other => Some(other.to_owned()),
    }
}

/// Holds what was printed to the schema of the command in `arguments`.
#[track_caller]
pub(crate) fn check(arguments: &[&str], stdout: &str) {
    let Some(command) = command(arguments) else { return };
    let Some(validator) = VALIDATORS.get(&file_name(&command)) else {
        panic!("`{command}` has no schema")
    };
    // Records are one in each line. Nothing is printed where an argument cannot be read.
    let printed = serde_json::Deserializer::from_str(stdout).into_iter::<Value>();
    let printed: Vec<_> = printed.map(Result::unwrap).collect();
    let wrong = printed.iter().flat_map(|printed| validator.iter_errors(printed));
    let wrong: Vec<_> = wrong.map(|own| own.to_string()).collect();
    assert!(
        wrong.is_empty(),
        "`{command}` prints something else than its schema says: {wrong:?}\n{stdout}"
    );
}

/// P689: the schema of a command's output is another than what it prints.
#[test]
fn the_shipped_schemas_are_those_of_the_program() {
    let props = Props::new();
    let listed = props.run("schema --list", "");
    let mut files = Vec::new();
    for command in listed.stdout.lines() {
        let schema = props.run_with(&["schema", "--of", command], "").stdout;
        let path = folder().join(file_name(command));
        if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
            std::fs::write(&path, &schema).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == schema,
            "{}: `COUNTERSIGN_BLESS=1 cargo test --test cli output_schema` writes it",
            path.display()
        );
        files.push(file_name(command));
    }
    files.sort();
    let mut shipped: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|own| own.unwrap().file_name().into_string().unwrap())
        .collect();
    shipped.sort();
    assert_eq!(shipped, files);
    assert!(files.len() > 10, "{files:?}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json-output.md");
    let page = std::fs::read_to_string(page).unwrap();
    for file in files {
        assert!(page.contains(&format!("(schema/output/{file})")), "{file} is not on the page");
    }
}

/// P689: a report that lacks a key, or has another kind of value, does not pass.
#[test]
fn a_schema_tells_reports_apart() {
    let who_can = VALIDATORS.get("who-can.schema.json").unwrap();
    let cel = VALIDATORS.get("cel.schema.json").unwrap();
    let report = serde_json::json!({
        "condition": "true", "result": "holds", "operands": [], "token": null, "at": "2027-01-15T08:00:00Z", "costly": false,
    });
    assert!(cel.is_valid(&report) && !who_can.is_valid(&report));
    let mut lacking = report.clone();
    lacking.as_object_mut().unwrap().remove("result");
    let mut odd = report;
    odd["result"] = "maybe".into();
    assert!(!cel.is_valid(&lacking) && !cel.is_valid(&odd));
    assert!(cel.is_valid(&serde_json::json!([{ "severity": "error", "message": "no such file" }])));
}
