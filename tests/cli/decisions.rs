//! `countersign decisions` as an operator meets it: filters, counts, files that were put aside, and a log that goes on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use crate::program::Props;
use serde_json::{Value, json};

/// A record of the minute `minute` after 2027-01-15T08:00:00Z.
fn record(minute: u32, reason: &str, path: &str) -> Value {
    let decision = if reason.is_empty() { "allow" } else { "deny" };
    let mut record = json!({
        "decision_id": format!("{minute:032x}"),
        "time": format!("2027-01-15T08:{minute:02}:00.000Z"),
        "decision": decision,
        "policy": "orders",
        "rule": "read",
        "request": { "method": "GET", "host": "orders.example.com", "path": path },
        "peer": { "spiffe": format!("spiffe://prod.example/ns/web/sa/{minute}") },
        "tokens": [{ "subject": "alice" }],
    });
    if !reason.is_empty() {
        record["reason"] = reason.into();
    }
    record
}

fn props() -> Props {
    let props = Props::new();
    let lines =
        |records: &[Value]| records.iter().map(|own| format!("{own}\n")).collect::<String>();
    props.write("audit.jsonl.2", lines(&[record(1, "", "/v1/orders")]));
    props.write("audit.jsonl.1", lines(&[record(2, "scope_missing", "/v1/orders/2")]));
    let last = lines(&[record(3, "scope_missing", "/v1/x"), record(4, "no_rule", "/v2")]);
    // A crash tore the one between them.
    props.write("audit.jsonl", last.replacen('\n', "\n{\"decision_id\":\"torn\n", 1));
    props
}

/// The last digits of the ids that are listed.
fn listed(props: &Props, filters: &str) -> Vec<u64> {
    let run = props.run(&format!("decisions --audit audit.jsonl --output json {filters}"), "");
    assert_eq!(run.code, 0, "{}", run.stderr);
    let id = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        u64::from_str_radix(record["decision_id"].as_str().unwrap(), 16).unwrap()
    };
    run.stdout.lines().map(id).collect()
}

#[test]
fn decisions_are_listed_by_what_they_are_about() {
    let props = props();
    for (filters, expected) in [
        ("", vec![1, 2, 3, 4]),
        ("--limit 2", vec![3, 4]),
        ("--denied", vec![2, 3, 4]),
        ("--allowed", vec![1]),
        ("--reason scope_missing", vec![2, 3]),
        ("--since 2027-01-15T08:02:00Z", vec![2, 3, 4]),
        ("--until 2027-01-15T08:02:00Z", vec![1]),
        ("--path /v1/orders", vec![1, 2]),
        ("--host orders.example.com --denied --path /v2", vec![4]),
        ("--host other.example.com", vec![]),
        ("--peer sa/3", vec![3]),
        ("--rule read --limit 0", vec![1, 2, 3, 4]),
        ("--rule orders/read --allowed", vec![1]),
        ("--rule write", vec![]),
        ("--subject alice --limit 1", vec![4]),
        ("--subject bob", vec![]),
    ] {
        assert_eq!(listed(&props, filters), expected, "{filters}");
    }
    let counted = props.run("decisions --audit audit.jsonl --by reason --denied --output json", "");
    let expected = json!([
        { "name": "scope_missing", "count": 2 },
        { "name": "no_rule", "count": 1 },
    ]);
    assert_eq!(counted.json(), expected);
    let text = props.run("decisions --audit audit.jsonl --denied", "");
    text.shows(
        0,
        &[
            "2027-01-15T08:02:00.000Z deny scope_missing orders/read spiffe://prod.example/ns/web/sa/2 GET orders.example.com/v1/orders/2 000000000000",
            "3 decisions, 3 denied",
        ],
    );
}

#[test]
fn mistakes_are_told() {
    let props = props();
    for (arguments, code, part) in [
        ("decisions", 2, "--audit"),
        ("decisions --audit gone.jsonl", 2, "cannot read `gone.jsonl`"),
        ("decisions --audit audit.jsonl --since yesterday", 2, "such as `10m`"),
        ("decisions --audit audit.jsonl --reason scope_mising", 2, "did you mean `scope_missing`?"),
        ("decisions --audit audit.jsonl --denied --allowed", 2, "cannot be used with"),
    ] {
        let run = props.run(arguments, "");
        assert!(run.code == code && run.stderr.contains(part), "{arguments}: {}", run.stderr);
    }
}

/// The log is put aside and made again, and emptied, while it is watched.
#[test]
fn a_log_is_watched_through_its_rotation() {
    let props = props();
    let path = props.folder.join("audit.jsonl");
    let mut watching = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["decisions", "--audit", "audit.jsonl", "--tail", "--output", "json"])
        .current_dir(props.folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let mut next = || {
        let record: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        record["time"].as_str().unwrap().get(14..16).unwrap().parse::<u32>().unwrap()
    };
    assert_eq!([next(), next(), next(), next()], [1, 2, 3, 4]);
    let append_long = |minute, path_of_request: &str| {
        let mut log = std::fs::File::options().create(true).append(true).open(&path).unwrap();
        writeln!(log, "{}", record(minute, "", path_of_request)).unwrap();
    };
    let append = |minute| append_long(minute, "/");
    append(5);
    assert_eq!(next(), 5);
    std::fs::rename(&path, props.folder.join("audit.old")).unwrap();
    append_long(6, &"/long".repeat(1000));
    assert_eq!(next(), 6);
    // Emptied: it is shorter than what was read, also with what comes at once.
    std::fs::File::create(&path).unwrap();
    append(7);
    append(8);
    assert_eq!(next(), 7);
    assert_eq!(next(), 8);
    watching.kill().unwrap();
    watching.wait().unwrap();
}
