//! The closed table of diagnostic codes: each has a test, and `docs/diagnostics.md` is made of the table and the golden files.
//!
//! After a change of the table, `COUNTERSIGN_BLESS=1 cargo test --test in_process diagnostics` rewrites the page.

#![expect(clippy::disallowed_methods, reason = "the switch for rewriting is in the environment")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use countersign::document::{Code, Severity};

const HEAD: &str = "\
# Diagnostics

`countersign check`, `countersign lint-mesh`, and a server that loads documents, report problems with these codes. An error keeps the documents from
being used; a warning does not. `countersign check --output json` and `--output sarif` have the same codes.

This page is made of the table in `src/document/code.rs` and of the golden files in `tests/policy-errors` and `tests/mesh-errors`; a test keeps it so.
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The shortest golden diagnostic of each code, and the severities that it has.
fn golden() -> BTreeMap<String, (String, BTreeSet<Severity>)> {
    let mut golden: BTreeMap<String, (String, BTreeSet<Severity>)> = BTreeMap::new();
    let folders = ["tests/policy-errors", "tests/mesh-errors"];
    for path in folders.iter().flat_map(|folder| files(&root().join(folder), "stderr")) {
        let text = fs::read_to_string(path).unwrap();
        for problem in text.split("\n\n").filter(|problem| !problem.trim().is_empty()) {
            let (head, _) = problem.split_once("]: ").unwrap();
            let (severity, code) = head.split_once('[').unwrap();
            let severity = match severity {
                "error" => Severity::Error,
                "warning" => Severity::Warning,
                other => panic!("{other}"),
            };
            let known = golden.entry(code.to_owned()).or_default();
            known.1.insert(severity);
            if known.0.is_empty() || problem.len() < known.0.len() {
                known.0 = problem.trim_end().to_owned();
            }
        }
    }
    golden
}

#[test]
fn codes_and_texts_are_distinct_and_well_formed() {
    let codes: BTreeSet<_> = Code::all().map(Code::as_str).collect();
    let meanings: BTreeSet<_> = Code::all().map(Code::meaning).collect();
    assert_eq!((codes.len(), meanings.len()), (Code::all().count(), Code::all().count()));
    for code in Code::all() {
        let (text, remedy) = (code.as_str(), code.remedy());
        assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{text}");
        assert!(!code.meaning().ends_with('.') && !remedy.ends_with('.'), "{text}");
    }
}

/// P440: a code has a golden diagnostic, so that its message is read whenever it changes.
#[test]
fn every_code_has_a_golden_diagnostic_of_the_severity_of_the_table() {
    let golden = golden();
    let mut wrong = Vec::new();
    for code in Code::all() {
        match golden.get(code.as_str()) {
            Some((_, severities)) if !severities.contains(&code.severity()) => {
                wrong.push(format!("{code} is {severities:?} in the golden files"));
            }
            Some(_) => {}
            None => wrong.push(format!("no golden file has {code}")),
        }
    }
    let known: BTreeSet<_> = Code::all().map(Code::as_str).collect();
    wrong.extend(golden.keys().filter(|code| !known.contains(&***code)).cloned());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_is_made_of_the_table() {
    let golden = golden();
    let mut page = String::from(HEAD);
    for (group, codes) in Code::GROUPS {
        writeln!(page, "\n## {group}").unwrap();
        for code in *codes {
            let (severity, meaning, remedy) = (code.severity(), code.meaning(), code.remedy());
            let severity = if severity == Severity::Error { "Error" } else { "Warning" };
            writeln!(page, "\n### `{code}`\n\n{severity}: {meaning}. To fix it: {remedy}.")
                .unwrap();
            if let Some((example, _)) = golden.get(code.as_str()) {
                writeln!(page, "\n```text\n{example}\n```").unwrap();
            }
        }
    }
    let path = root().join("docs/diagnostics.md");
    if std::env::var("COUNTERSIGN_BLESS").is_ok() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "run `COUNTERSIGN_BLESS=1 cargo test --test in_process diagnostics`");
}
