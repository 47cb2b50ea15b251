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
    for file in ["policy", "token-issuer", "trust-domain"] {
        change(folder.path(), &format!("documents/{file}.yaml"), "# REPLACE", "# replaced");
    }
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

/// P776: placeholders are found until they are filled in.
#[test]
fn placeholders_that_are_left_are_found() {
    let folder = start();
    change(folder.path(), "documents/policy.yaml", "# replaced: an", "# REPLACE: an");
    let left = "a placeholder of `countersign init` is left: ./documents/policy.yaml:";
    assert_found(folder.path(), &[], ("placeholders", "warning", left));
    for arguments in ["check --config countersign.yaml", "serve --check --config countersign.yaml"]
    {
        let (code, _, told) = run(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
        assert!(code == 0 && told.contains(left), "{told}");
    }
}

/// P593: what `init` writes, filled in, is well, and everything that a server needs was looked at.
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
    let (code, all) = findings(folder.path(), &["--offline"]);
    let skipped: Vec<_> =
        all.iter().filter(|own| own[1] == "skipped").map(|own| &*own[0]).collect();
    assert_eq!((code, skipped), (0, vec!["keys", "store"]));
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
    assert!(code == 3 && told.contains("did you mean `listener`?"), "{told}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["findings"][0]["check"], "settings", "{out}");
}

/// Answers a connection with each of `pages`, and gives the requests.
fn answering(listener: TcpListener, pages: &[String]) -> std::thread::JoinHandle<Vec<String>> {
    let pages = pages.to_vec();
    std::thread::spawn(move || {
        let answer = |page: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            let read = stream.read(&mut asked).unwrap();
            let length = page.len();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{page}").unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        };
        pages.into_iter().map(answer).collect()
    })
}

/// P630: a remedy is about this machine: the settings and files that are there, and words of a person.
#[test]
fn remedies_name_the_files_that_are_there() {
    let folder = start();
    change(
        folder.path(),
        "countersign.yaml",
        "127.0.0.1:0 }",
        "127.0.0.1:0, revocations: { tokenFile: dev/gone.token } }",
    );
    change(folder.path(), "countersign.yaml", "./audit.jsonl", "gone/a.jsonl");
    change(folder.path(), "documents/policy.yaml", "effect: allow", "efect: allow");
    change(folder.path(), "envoy.yaml", "dev/envoy.pem", "dev/none.pem");
    let (code, all) = findings(folder.path(), &["--envoy", "envoy.yaml"]);
    assert_eq!(code, 1);
    for (check, part) in [
        ("admin", "openssl rand -hex 32 > "),
        ("documents", "`countersign check --config countersign.yaml`"),
        ("envoy", "put the file there"),
        ("audit", "in a folder that the server's user can write to"),
    ] {
        let own = all.iter().find(|own| own[0] == check && own[1] != "ok").unwrap();
        assert!(own[3].contains(part), "{own:?}");
    }
    let text = format!("{all:?}");
    assert!(!text.contains("entity not found") && !text.contains("FILE`"), "{text}");
    // Other documents than those of the settings.
    let (_, all) = findings(folder.path(), &["--documents", "gone"]);
    assert!(all.iter().any(|own| own[0] == "documents" && own[1] == "error"), "{all:?}");
}

/// `/status` of a server with these documents, and one more part.
fn status(revision: &str, part: &str) -> String {
    let rest = r#""documents": { "unconfirmed_set": null, "errors": [] }"#;
    format!(r#"{{ "revision": "{revision}", {rest}, "components": [{part}] }}"#)
}

/// P595, P632: addresses that are taken, by another program, by a server of ours, and by one with other documents.
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
    // A server of which one part is not well; without a snapshot of its own documents it has other ones, too.
    let part = r#"{ "name": "store", "condition": "degraded", "detail": "lost" }"#;
    let server = answering(admin, &[status("0123456789abcdef", part)]);
    let (_, all) = findings(folder.path(), &[]);
    let wrong = all.iter().filter(|own| own[1] != "ok").map(|own| own[2].as_str());
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.len() == 2 && wrong[0].contains("another countersign"), "{wrong:?}");
    assert_eq!(wrong[1], "store: lost");
    assert!(server.join().unwrap()[0].starts_with("GET /status "));
    // One with other documents.
    let admin = TcpListener::bind("127.0.0.1:0").unwrap();
    fs::write(&settings, text.replace("127.0.0.1:0", &address(&admin))).unwrap();
    let server = answering(admin, &[status("0123456789abcdef", "")]);
    assert_found(folder.path(), &[], ("server", "error", "another countersign"));
    assert_eq!(server.join().unwrap().len(), 1);
}
