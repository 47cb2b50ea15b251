//! The load harness still runs: one quick round of every suite, which measures nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// The tables and how many rows each has.
const TABLES: [(&str, usize); 9] = [
    ("direct-full", 4),
    ("direct-hash", 4),
    ("direct-leaf", 4),
    ("envoy", 7),
    ("footprint", 8),
    ("itself", 11),
    ("machine", 8),
    ("scaling", 12),
    ("targets", 12),
];

/// The harness, built by the cargo that runs this test: a test of one file alone would find an old one, or none.
fn harness() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--example", "load"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success(), "the harness does not compile");
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().parent().unwrap().join("examples/load")
}

/// A wrong answer to any check ends the harness with an error.
#[test]
fn every_suite_runs_and_every_check_is_answered_as_it_has_to_be() {
    let beside = ["--beside", env!("CARGO_BIN_EXE_countersign")];
    let run = Command::new(harness()).args(["--quick", "--output", "json"]).args(beside).output();
    let run = run.unwrap();
    let log = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{log}");
    let mut rows = BTreeMap::<String, usize>::new();
    for line in String::from_utf8(run.stdout).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let table = row.get("table").and_then(Value::as_str).unwrap();
        *rows.entry(table.to_owned()).or_default() += 1;
        let empty = row.as_object().unwrap().values().any(|cell| cell == "" || cell == "NaN");
        assert!(!empty, "{row}");
    }
    let expected = TABLES.map(|(table, count)| (table.to_owned(), count));
    assert_eq!(rows, BTreeMap::from(expected), "{log}");
}
