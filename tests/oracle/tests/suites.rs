//! The suites of `policies/` and of `docs/examples`, which are documents: the oracle decides every case as they say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::fs;
use std::path::Path;

fn all_pass(folders: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "yaml") {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let runs = common::run(&common::world(&texts));
    let faults: Vec<String> = runs.iter().filter_map(|r| Some(format!("{}: {}", r.name, common::differs(r)?))).collect();
    assert!(!runs.is_empty() && faults.is_empty(), "{} of {} differ:\n{}", faults.len(), runs.len(), faults.join("\n"));
}

#[test]
fn the_patterns_decide_as_their_suites_say() {
    all_pass(&["policies", "policies/trust", "policies/suites"]);
}

#[test]
fn the_examples_decide_as_their_suite_says() {
    all_pass(&["docs/examples"]);
}

/// Cases that the differential test found: `tests/cli` has the program run them, too.
#[test]
fn differences_stay_settled() {
    all_pass(&["tests/data/differences"]);
}
