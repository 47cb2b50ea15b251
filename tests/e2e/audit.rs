//! Records in files that others move away, and decisions while no program reads the records.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::testbed::http1::Request;
use crate::testbed::pki::HOST;
use crate::testbed::{Folder, Props};
use countersign::audit::DecisionRecord;
use countersign::clock::Stopwatch;
use serde_json::Value;

use crate::envoy;
use crate::listeners::settings;
use crate::stopping::signal;

const AUDIT: &str = "audit: { file: ./audit.jsonl }";

fn props(audit: &str) -> Option<Props> {
    let mut props = envoy::props()?;
    props.files = vec![settings(AUDIT, audit)];
    Some(props)
}

/// The decision ids in a file, whose every line is a whole record.
fn ids(path: &Path) -> Vec<String> {
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    let id = |line: &str| {
        let record: DecisionRecord = serde_json::from_str(line).unwrap();
        assert!(record.tokens.iter().all(|token| !token.key_id.is_empty()), "{line}");
        record.decision_id
    };
    text.lines().map(id).collect()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !holds() {
        assert!(watch.elapsed() < Duration::from_secs(30), "{what} does not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// As logrotate does it, and by ourselves: every decision is in some file, and `explain` finds it there.
#[tokio::test]
async fn records_outlive_rotation_by_others_and_by_ourselves() {
    let rotated = "audit: { file: ./audit.jsonl, rotation: { maxBytes: 65536, keep: 9 } }";
    let Some(props) = props(rotated) else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let (path, moved) = (folder.join("audit.jsonl"), folder.join("moved.jsonl"));
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    let mut connection = client.connect().await.unwrap();
    let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    let denied = Request::get(HOST, "/nowhere");
    let answer = connection.send(&denied).await.unwrap();
    let first = answer.header("x-decision-id").unwrap().to_owned();
    until("the first record", || ids(&path).len() == 1).await;

    std::fs::rename(&path, &moved).unwrap();
    signal("HUP", stage.server_id().unwrap());
    let log = folder.join("countersign.log");
    until("the signal", || std::fs::read_to_string(&log).unwrap().contains("opened again")).await;
    let mut sent = 1;
    while !folder.join("audit.jsonl.2").exists() {
        assert_eq!(connection.send(&request).await.unwrap().status, 200);
        sent += 1;
        assert!(sent < 1000, "no file is ever put aside");
    }
    let answer = connection.send(&denied).await.unwrap();
    let last = answer.header("x-decision-id").unwrap().to_owned();
    until("the last record", || ids(&path).last() == Some(&last)).await;
    assert_eq!(ids(&moved), [first]);
    let mut all = ids(&moved);
    for file in ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"] {
        all.extend(ids(&folder.join(file)));
    }
    assert_eq!(all.len(), sent + 1, "none is lost and none is there twice");

    let oldest = ids(&folder.join("audit.jsonl.2")).remove(0);
    let explained = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["explain", "--config", "countersign.yaml", "--decision", &oldest])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&explained.stdout);
    assert!(text.contains("allow"), "{text}{}", String::from_utf8_lossy(&explained.stderr));
    let server = stage.take_server().unwrap();
    signal("INT", server.id().unwrap());
    assert_eq!(server.ended().await.unwrap().code(), Some(0));
    stage.strike().await.unwrap();
}

/// P81, invariant 2: the sink is a pipe without a reader; with `onFull: deny` nothing is allowed then, and once a program
/// reads, everything that was allowed is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_allowed_that_cannot_be_recorded() {
    let Some(props) = props("audit: { file: ./audit.jsonl, queue: 4, onFull: deny }") else {
        return;
    };
    let folder = Folder::temporary().unwrap();
    let pipe = folder.join("audit.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let held = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    let mut connection = client.connect().await.unwrap();
    let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    let mut allowed = 0;
    let refused = loop {
        let answer = connection.send(&request).await.unwrap();
        if answer.status != 200 {
            break answer;
        }
        allowed += 1;
        assert!(allowed < 1000, "a pipe holds 64 KiB");
    };
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(allowed > 4, "what the pipe and the queue hold");
    let log = std::fs::read_to_string(folder.join("countersign.log")).unwrap();
    assert!(!log.contains("panicked"), "{log}");

    let reading = std::thread::spawn(move || {
        let allows = |line: String| {
            let record: Value = serde_json::from_str(&line).unwrap();
            record["decision"] == "allow"
        };
        let lines = BufReader::new(File::open(pipe).unwrap()).lines();
        lines.map(Result::unwrap).filter(|line| allows(line.clone())).take(allowed).count()
    });
    let watch = Stopwatch::start();
    while connection.send(&request).await.unwrap().status != 200 {
        assert!(watch.elapsed() < Duration::from_secs(30), "it stays refused");
    }
    assert_eq!(reading.join().unwrap(), allowed);
    stage.strike().await.unwrap();
    drop(held);
}
