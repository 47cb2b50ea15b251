//! The messages about wrong documents, word for word: `tests/policy-errors/NAME.yaml` and `NAME.stderr`.
//!
//! After a change of words, `COUNTERSIGN_BLESS=1 cargo test --test in_process policy_errors` rewrites the expected texts; read the
//! difference before it is committed.

#![expect(clippy::disallowed_methods, reason = "the switch for rewriting is in the environment")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use countersign::pdp::Load;
use countersign::trust::{KnownLists, StoredCrl};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;

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

/// P733: also of a case that expects a rule of no policy (`suite-unknown-rule`).
#[test]
fn every_wrong_document_has_the_message_a_person_needs() {
    compare_all(&documents(), rendered);
}

/// Compares what `rendered` makes of each of `paths` with the golden file beside it.
pub(crate) fn compare_all(paths: &[PathBuf], rendered: impl Fn(&Path) -> String) {
    let bless = std::env::var("COUNTERSIGN_BLESS").is_ok();
    let mut wrong = Vec::new();
    for path in paths {
        let (found, golden) = (rendered(path), path.with_extension("stderr"));
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

/// Problems that no document has by itself: golden files without a document.
#[test]
fn problems_of_folders_and_of_the_day_have_the_message_a_person_needs() {
    let folder = tempfile::tempdir().unwrap();
    compare("running/no-documents", &rendered_in(folder.path(), folder.path()));
    let (name, until) = ("ca.pem", OffsetDateTime::now_utc() + Duration::from_secs(20 * 86_400));
    fs::write(folder.path().join(name), ending(until)).unwrap();
    let document = "apiVersion: countersign.dev/v1alpha1
kind: TrustDomain
metadata: { name: prod }
spec:
  authorities: [{ file: ca.pem }]
";
    let path = folder.path().join("ending.yaml");
    fs::write(&path, document).unwrap();
    let day = until.date().to_string();
    let found = rendered_in(&path, folder.path());
    let (before, rest) = found.split_once(&day).unwrap();
    let (_, after) = rest.split_once('Z').unwrap();
    compare("running/authority-ending", &format!("{before}2027-01-15T08:00:00Z{after}"));
    let check = Command::new(env!("CARGO_BIN_EXE_countersign")).arg("check").arg(&path).output();
    let found = String::from_utf8(check.unwrap().stderr).unwrap();
    let found = found.replace(&format!("{}/", folder.path().display()), "");
    let problem = found.split("\n\n").find(|own| own.contains("[no-policies]")).unwrap();
    compare("running/no-policies", &format!("{}\n\n", problem.trim()));
}

/// A list that is past its next update, and one that is older than the one before the restart.
#[test]
fn lists_that_are_late_have_the_message_a_person_needs() {
    let data = folder().join("lists");
    let of_list = |name: &str| {
        format!(
            "apiVersion: countersign.dev/v1alpha1
kind: TrustDomain
metadata: {{ name: lists }}
spec:
  authorities: [{{ file: ca.pem }}]
  revocation: {{ crls: [{{ file: {name}.pem }}] }}
"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    for name in ["ca.pem", "stale.pem", "older.pem"] {
        fs::copy(data.join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("lists.yaml");
    fs::write(&path, of_list("stale")).unwrap();
    let found = rendered_in(&path, folder.path());
    let (before, rest) = found.split_once("00:00:00Z, ").unwrap();
    let (_, after) = rest.split_once(" ago").unwrap();
    compare("running/stale-crl", &format!("{before}00:00:00Z, 30d ago{after}"));
    fs::write(&path, of_list("older")).unwrap();
    let current = fs::read(data.join("current.pem")).unwrap();
    let der = CertificateRevocationListDer::from_pem_slice(&current).unwrap();
    let origins = [String::from("current.pem")].into();
    let known = KnownLists::stored(vec![StoredCrl { origins, der: der.to_vec().into() }]);
    let load = Load::after_restart(&[path], &known);
    let problem = load.problems.iter().find(|own| own.code.as_str() == "older-crl").unwrap();
    let found = format!("{}\n\n", problem.render(false));
    compare("running/older-crl", &found.replace(&format!("{}/", folder.path().display()), ""));
}

/// A certificate of an authority that is in the last tenth of its lifetime.
fn ending(until: OffsetDateTime) -> String {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "Ending CA");
    ca.not_before = until - Duration::from_secs(3650 * 86_400);
    ca.not_after = until;
    ca.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

fn rendered_in(path: &Path, folder: &Path) -> String {
    let problems = Load::from_paths(&[path.to_owned()]).problems;
    let text: String = problems.iter().map(|own| format!("{}\n\n", own.render(false))).collect();
    text.replace(&format!("{}/", folder.display()), "")
        .replace(&*folder.display().to_string(), "FOLDER")
}

fn compare(name: &str, found: &str) {
    let golden = folder().join(format!("{name}.stderr"));
    if std::env::var("COUNTERSIGN_BLESS").is_ok() {
        fs::write(&golden, found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&golden).unwrap_or_default(), "{name}");
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
