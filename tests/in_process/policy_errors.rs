//! The messages about wrong documents, word for word: `tests/policy-errors/NAME.yaml` and `NAME.stderr`.
//!
//! After a change of words, `COUNTERSIGN_BLESS=1 cargo test --test in_process policy_errors` rewrites the expected texts; read the
//! difference before it is committed.

#![expect(clippy::disallowed_methods, reason = "the switch for rewriting is in the environment")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use countersign::pdp::Load;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policy-errors")
}

fn documents() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    paths.sort();
    paths
}

/// The file with the documents of `policies/trust` beside it, so that `prod` and `corp` are known.
fn load(path: &Path) -> Load {
    let trust = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/trust");
    Load::from_paths(&[path.to_owned(), trust])
}

/// The output of `check` for one file, with its name without the folder.
fn rendered(path: &Path) -> String {
    let load = load(path);
    let mut text = String::new();
    for problem in &load.problems {
        writeln!(text, "{}\n", problem.render(false)).unwrap();
    }
    text.replace(&format!("{}/", folder().display()), "")
}

#[test]
fn every_wrong_document_has_the_message_a_person_needs() {
    let bless = std::env::var("COUNTERSIGN_BLESS").is_ok();
    let mut wrong = Vec::new();
    for path in documents() {
        let (found, golden) = (rendered(&path), path.with_extension("stderr"));
        if bless {
            fs::write(&golden, &found).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- found\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_document_is_wrong_and_there_are_plenty() {
    let paths = documents();
    assert!(paths.len() >= 50, "{} documents", paths.len());
    for path in paths {
        assert!(!rendered(&path).is_empty(), "{} has no problem", path.display());
    }
}

/// House rule: lower case, no full stop, no control characters; the place, a code and the line.
#[test]
fn messages_follow_the_house_style() {
    for path in documents() {
        for problem in load(&path).problems {
            let message = problem.message.as_str();
            let mut start = message.chars().map(char::is_uppercase);
            // An abbreviation may begin a message.
            let starts_low = !matches!((start.next(), start.next()), (Some(true), Some(false)));
            assert!(starts_low && !message.ends_with('.'), "{}: {message}", path.display());
            for word in ["struct", "enum", "serde", "Spanned", "Option<", "u16", "usize"] {
                assert!(!message.contains(word), "{}: {message}", path.display());
            }
            assert!(problem.code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        }
    }
}
