//! `countersign demo` as a stranger runs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::envoy;

/// Longest wait for the demo's next line.
const WITHIN: Duration = Duration::from_secs(60);

fn demo(arguments: &[&str]) -> Option<Command> {
    let envoy = envoy::find()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.arg("demo").arg("--envoy").arg(envoy.program()).args(arguments);
    command.stdin(Stdio::null()).kill_on_drop(true);
    Some(command)
}

#[tokio::test]
async fn it_ends_with_success_and_its_result_can_be_read_by_a_program() {
    let Some(mut command) = demo(&["--output", "json"]) else { return };
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() >= 12);
    for row in rows {
        assert_eq!(row["problems"], serde_json::json!([]), "{row}");
        assert!(row["micros"].is_number() && row["status"].is_number(), "{row}");
    }
}

#[tokio::test]
async fn kept_up_it_says_what_to_try_and_when_it_is_stopped_nothing_stays() {
    let Some(mut command) = demo(&["--keep"]) else { return };
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = PathBuf::from(until(&mut lines, "files in ").await);
    until(&mut lines, "everything stays up").await;
    until(&mut lines, "cd ").await;
    let mut tries = Vec::new();
    for _ in 0..3 {
        tries.push(format!("curl{}", until(&mut lines, "curl").await));
    }
    assert_eq!(tried(&folder, &tries).await, ["200", "403", "401"], "{tries:#?}");

    let children = children(&child);
    assert_eq!(children.len(), 2, "countersign and Envoy");
    terminate(&child).await;
    let status = tokio::time::timeout(WITHIN, child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
    assert!(children.iter().all(|id| !runs(*id)), "{children:?} still run");
    assert!(!folder.exists(), "{} is left", folder.display());
}

#[tokio::test]
async fn stopped_in_the_middle_it_leaves_nothing_either() {
    let Some(mut command) = demo(&[]) else { return };
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = PathBuf::from(until(&mut lines, "files in ").await);
    terminate(&child).await;
    let ended = tokio::time::timeout(WITHIN, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("interrupted"));
    assert!(!folder.exists(), "{} is left", folder.display());
}

#[tokio::test]
async fn a_folder_in_use_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious"), "x").unwrap();
    let Some(mut command) = demo(&["--dir", folder.path().to_str().unwrap()]) else { return };
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("is not empty"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Reads up to a line that starts with `prefix` and gives the rest of it.
async fn until(lines: &mut Lines<BufReader<ChildStdout>>, prefix: &str) -> String {
    loop {
        let next = tokio::time::timeout(WITHIN, lines.next_line()).await.unwrap().unwrap();
        let line = next.unwrap_or_else(|| panic!("the demo ended without a line `{prefix}..`"));
        if let Some(rest) = line.strip_prefix(prefix) {
            return rest.to_owned();
        }
    }
}

/// The HTTP status of each printed command; where this machine has no curl, what they have to be.
async fn tried(folder: &Path, commands: &[String]) -> Vec<String> {
    if Command::new("curl").arg("--version").output().await.is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "install curl: the printed commands must be tried"
        );
        say(format_args!("SKIPPED: the printed commands were not tried, since there is no curl"));
        return vec!["200".to_owned(), "403".to_owned(), "401".to_owned()];
    }
    let mut statuses = Vec::new();
    for command in commands {
        let quietly = format!("{command} -s -o /dev/null -w '%{{http_code}}'");
        let mut shell = Command::new("sh");
        let output = shell.arg("-c").arg(quietly).current_dir(folder).output().await.unwrap();
        statuses.push(String::from_utf8(output.stdout).unwrap());
    }
    statuses
}

/// The processes that `parent` started and that still run.
fn children(parent: &Child) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", parent.id().unwrap())).unwrap();
    let lists = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")));
    let ids = lists.flat_map(|list| {
        list.unwrap().split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()
    });
    ids.filter(|id| runs(*id)).collect()
}

/// True if the process `id` runs: it is there, and not only waiting to be forgotten.
fn runs(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

async fn terminate(child: &Child) {
    let kill = format!("kill -TERM {}", child.id().unwrap());
    assert!(Command::new("sh").arg("-c").arg(kill).status().await.unwrap().success());
}

/// Says it on the terminal, past the test harness, which shows nothing of a test that passes.
fn say(message: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{message}");
}
