//! `countersign doctor`: a start of `init` is well, and each fault is found with its remedy.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::init::{run, started};

/// A start whose addresses are free.
fn start() -> TempDir {
    let folder = started(&["--dev"]);
    change(folder.path(), "countersign.yaml", "127.0.0.1:9001", "127.0.0.1:0");
    change(folder.path(), "countersign.yaml", "127.0.0.1:9002", "127.0.0.1:0");
    folder
}

fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file}: {from}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

/// The exit code, and each finding as its check, severity, detail and remedy.
fn findings(folder: &Path, more: &[&str]) -> (i32, Vec<[String; 4]>) {
    let arguments =
        [&["doctor", "--config", "countersign.yaml", "--output", "json"], more].concat();
    let (code, out, told) = run(folder, &arguments);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{told}"));
    let text = |own: &Value| own.as_str().unwrap_or_default().to_owned();
    let all = report["findings"].as_array().unwrap().iter();
    let all = all.map(|own| ["check", "severity", "detail", "remedy"].map(|name| text(&own[name])));
    (code, all.collect())
}

/// That exactly the finding of `check` has `severity`, with `part` in its detail, and that the exit code says so.
#[track_caller]
fn assert_found(folder: &Path, more: &[&str], (check, severity, part): (&str, &str, &str)) {
    let (code, all) = findings(folder, more);
    let wrong: Vec<_> = all.iter().filter(|own| own[1] != "ok").collect();
    let [own] = wrong.as_slice() else { panic!("{check}: {wrong:#?}") };
    assert_eq!((own[0].as_str(), own[1].as_str()), (check, severity), "{own:?}");
    assert!(own[2].contains(part) && !own[3].is_empty(), "{own:?}");
    assert_eq!(code, i32::from(severity == "error"));
}

/// P593: what `init` writes is well, and everything that a server needs was looked at.
#[test]
fn a_start_is_well() {
    let folder = start();
    let (code, all) = findings(folder.path(), &["--envoy", "envoy.yaml"]);
    assert!(code == 0 && all.iter().all(|own| own[1] == "ok" && own[3].is_empty()), "{all:#?}");
    let checks: Vec<_> = all.iter().map(|own| own[0].as_str()).collect();
    assert_eq!(
        checks,
        [
            "documents",
            "peers",
            "authorities",
            "audit",
            "keys",
            "store",
            "admin",
            "listener",
            "envoy"
        ]
    );
    let (code, out, _) = run(folder.path(), &["doctor", "--config", "countersign.yaml"]);
    assert!(
        code == 0 && out.contains("ok       documents      4 files: no problems; 2 rules"),
        "{out}"
    );
    assert!(out.ends_with("\n0 errors, 0 warnings\n"), "{out}");
    assert!(!folder.path().join("audit.jsonl").exists(), "nothing is left");
}

/// P593: each kind of fault, alone.
#[test]
fn each_fault_is_found_with_its_remedy() {
    let settings = "countersign.yaml";
    let sources = "{ sourceCertificate: true, xfcc: true }";
    let audit = "audit: { file: ./audit.jsonl }";
    let token = "127.0.0.1:0, revocations: { tokenFile: dev/alice.jwt } }";
    for (file, from, to, found) in [
        (settings, sources, "{}", ("peers", "error", "1 rule with `peer` allow")),
        (settings, audit, "", ("audit", "warning", "no decision is recorded")),
        (settings, "./audit.jsonl", "gone/a.jsonl", ("audit", "error", "gone/a.jsonl")),
        (
            settings,
            audit,
            &format!("{audit}\nstateFolder: envoy.yaml"),
            ("state-folder", "error", "envoy.yaml"),
        ),
        (
            settings,
            "127.0.0.1:0 }",
            &token.replace("dev/alice.jwt", "gone"),
            ("admin", "error", "token in"),
        ),
        (
            settings,
            audit,
            &format!("{audit}\nstore: {{ redis: {{ url: \"redis://127.0.0.1:1\" }} }}"),
            ("store", "error", "redis cannot be used"),
        ),
        (
            settings,
            "address: 127.0.0.1:0\n",
            "address: 192.0.2.1:9001\n  insecureAllowPlaintext: true\n",
            ("listener", "error", "192.0.2.1:9001"),
        ),
        (
            "documents/policy.yaml",
            "effect: allow",
            "efect: allow",
            ("documents", "error", "1 error"),
        ),
        (
            "documents/token-issuer.yaml",
            "{ file: ../dev/jwks.json }",
            "{ url: \"https://127.0.0.1:1/keys\" }",
            ("keys", "error", "no keys from https://127.0.0.1:1"),
        ),
    ] {
        let folder = start();
        change(folder.path(), file, from, to);
        assert_found(folder.path(), &[], found);
    }
    // Nothing that other servers have is looked at.
    let folder = start();
    change(
        folder.path(),
        "documents/token-issuer.yaml",
        "{ file: ../dev/jwks.json }",
        "{ url: \"https://127.0.0.1:1/keys\" }",
    );
    assert_eq!(findings(folder.path(), &["--offline"]).0, 0);
}

/// P593: files that others can read, and proxies.
#[test]
fn faults_of_files_and_proxies_are_found() {
    let folder = start();
    let token = folder.path().join("dev/admin.token");
    fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    change(
        folder.path(),
        "countersign.yaml",
        "127.0.0.1:0 }",
        "127.0.0.1:0, revocations: { tokenFile: dev/admin.token } }",
    );
    assert_found(folder.path(), &[], ("private-files", "warning", "dev/admin.token` (mode 0644)"));
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(findings(folder.path(), &[]).0, 0);

    change(folder.path(), "envoy.yaml", "failure_mode_allow: false", "failure_mode_allow: true");
    assert_found(folder.path(), &["--envoy", "envoy.yaml"], ("envoy", "error", "envoy.yaml:"));
    change(folder.path(), "envoy.yaml", "failure_mode_allow: true", "failure_mode_allow: false");
    change(folder.path(), "envoy.yaml", "decision_id", "id");
    change(folder.path(), "envoy.yaml", "X-REQUEST-ID", "X-OTHER");
    assert_found(
        folder.path(),
        &["--envoy", "envoy.yaml"],
        ("access-log", "warning", "envoy.yaml"),
    );

    let (code, _, told) =
        run(folder.path(), &["doctor", "--config", "countersign.yaml", "--envoy", "gone.yaml"]);
    assert!(code == 2 && told.contains("gone.yaml"), "{told}");
    change(folder.path(), "countersign.yaml", "listener:", "listner:");
    let (code, out, told) =
        run(folder.path(), &["doctor", "--config", "countersign.yaml", "--output", "json"]);
    assert!(
        code == 3 && told.contains("did you mean `listener`?") && out.starts_with('['),
        "{told}"
    );
}

/// P595: addresses that are taken, by another program and by a server of ours.
#[test]
fn taken_addresses_are_told_apart() {
    let folder = start();
    let (busy, admin) =
        (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = |own: &TcpListener| own.local_addr().unwrap().to_string();
    let settings = folder.path().join("countersign.yaml");
    let text = fs::read_to_string(&settings).unwrap();
    let text = text.replacen("127.0.0.1:0", &address(&busy), 1);
    fs::write(&settings, &text).unwrap();
    assert_found(folder.path(), &[], ("listener", "error", &address(&busy)));
    fs::write(&settings, text.replace("admin: { address: 127.0.0.1:0 }", "")).unwrap();
    assert_found(folder.path(), &[], ("listener", "warning", "without `admin`"));
    fs::write(&settings, text.replace("127.0.0.1:0", &address(&admin))).unwrap();
    // The page of a server of which one part is not well.
    let page = "[+] listener: answering\n[~] certificate of the listener: expires in 1h\nready\n";
    let server = std::thread::spawn(move || {
        let (mut stream, _) = admin.accept().unwrap();
        let mut asked = [0; 512];
        let read = stream.read(&mut asked).unwrap();
        let length = page.len();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{page}").unwrap();
        String::from_utf8_lossy(&asked[..read]).into_owned()
    });
    assert_found(folder.path(), &[], ("server", "warning", "expires in 1h"));
    assert!(server.join().unwrap().starts_with("GET /readyz?verbose "));
}
