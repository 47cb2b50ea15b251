//! Slips of a newcomer who has nothing but the pages, in arguments and files: each is named with what to do.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::init::run;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// An absolute path in the repository.
fn ours(path: &str) -> String {
    format!("{ROOT}/{path}")
}

/// Runs `arguments` in an empty folder, and expects the exit code and the parts of standard error.
fn refused(arguments: &[&str], code: i32, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "hello\n").unwrap();
    refused_in(folder.path(), arguments, code, parts);
}

fn refused_in(folder: &Path, arguments: &[&str], code: i32, parts: &[&str]) {
    let (found, out, err) = run(folder, arguments);
    assert_eq!(found, code, "{arguments:?}: {out}{err}");
    for part in parts {
        assert!(err.contains(part), "{arguments:?}: {part}\n{err}");
    }
    assert!(!err.contains("os error"), "{err}");
}

/// P650: a recorded decision is headed by the documents that decided, and then by those that explain it.
#[test]
fn a_record_is_headed_by_its_own_documents() {
    let folder = tempfile::tempdir().unwrap();
    let log = ours("tests/changing/audit.jsonl");
    let first = fs::read_to_string(&log).unwrap().lines().next().unwrap().to_owned();
    let record: serde_json::Value = serde_json::from_str(&first).unwrap();
    let id = record["decision_id"].as_str().unwrap();
    let policies = ours("policies");
    let (_, out, err) = run(
        folder.path(),
        &["explain", "--decision", id, "--audit", &log, "--documents", &policies],
    );
    let by = record["revision"].as_str().unwrap();
    assert!(
        out.lines()
            .any(|line| line.starts_with("decided at ")
                && line.ends_with(&format!("by documents {by}"))),
        "{out}{err}"
    );
    assert!(
        out.lines().any(|line| line.starts_with("explained as of ") && !line.ends_with(by)),
        "{out}"
    );
}

/// P651: every command that reads an audit log refuses a file that is none, and takes an empty one.
#[test]
fn a_file_that_is_not_a_log_is_refused() {
    let (policies, foreign) = (ours("policies"), ours("policies/public-route.yaml"));
    let commands: [&[&str]; 4] = [
        &["decisions"],
        &["replay", "--documents", &policies],
        &["explain", "--documents", &policies, "--decision", "5c3a9be1"],
        &["diff", &policies, &policies],
    ];
    for command in commands {
        refused(&[command, &["--audit", &foreign]].concat(), 2, &["is not an audit log"]);
        refused(
            &[command, &["--audit", "notes.txt"]].concat(),
            2,
            &["`notes.txt` is not an audit log"],
        );
        refused(
            &[command, &["--audit", "absent"]].concat(),
            2,
            &["cannot read `absent`: no such file"],
        );
        if command[0] != "explain" {
            refused(&[command, &["--audit", "/dev/null"]].concat(), 0, &[]);
        }
    }
}

/// P652: rules that ask for a peer, and no source of peers: `serve` warns.
#[test]
fn serving_without_sources_of_peers_warns() {
    let folder = tempfile::tempdir().unwrap();
    let (trust, policy) = (ours("policies/trust"), ours("policies/service-to-service.yaml"));
    let arguments =
        ["serve", "--check", "--output", "json", "--documents", &trust, "--documents", &policy];
    let (code, out, err) = run(folder.path(), &arguments);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let warning = value["warnings"][0].as_str().unwrap();
    assert_eq!(code, 0, "{err}");
    assert!(warning.contains("`listener.peerSources` is off") && err.contains(warning), "{err}");
    let public = ours("policies/health-checks.yaml");
    let (code, out, err) =
        run(folder.path(), &["serve", "--check", "--documents", &trust, "--documents", &public]);
    assert!(code == 0 && !err.contains("peerSources"), "{out}{err}");
}

/// P653: a state folder that is not there is an error for commands that only read it.
#[test]
fn a_misspelt_state_folder_is_refused() {
    let policies = ours("policies");
    let commands: [&[&str]; 3] = [
        &["keys"],
        &["keys", "verify", "ey.a.b"],
        &["explain", "--host", "a.example", "--path", "/"],
    ];
    for command in commands {
        let arguments = ["--documents", &policies, "--offline", "--state-folder"];
        refused(
            &[command, &arguments, &["absent"]].concat(),
            2,
            &["the folder `absent` is not there"],
        );
        refused(
            &[command, &arguments, &["notes.txt"]].concat(),
            2,
            &["`notes.txt` is not a folder"],
        );
    }
}

/// P654: a file that is not there is called so, also where a token could stand in its place.
#[test]
fn a_file_that_is_absent_is_called_so() {
    let policies = ours("policies");
    for name in ["absent.jwt", "./absent", "/absent/token", "absent.txt"] {
        refused(
            &["keys", "verify", name, "--documents", &policies],
            2,
            &["there is no file of this name"],
        );
    }
    let commands: [&[&str]; 7] = [
        &["explain", "--documents", &policies, "absent"],
        &[
            "explain",
            "--documents",
            &policies,
            "--host",
            "a.example",
            "--path",
            "/",
            "--token",
            "absent",
        ],
        &["cel", "true", "absent"],
        &["inspect", "absent"],
        &["lint-mesh", "absent"],
        &["init", "new", "--ca", "absent"],
        &["revoke", "--certificate", "absent"],
    ];
    for command in commands {
        refused(command, 2, &["cannot read `absent`: no such file or directory"]);
    }
    refused(&["keys", "verify", ".", "--documents", &policies], 2, &["is a directory"]);
}

/// P656: an address in place of a host, and a path without its slash, are named alike everywhere.
#[test]
fn hosts_and_paths_are_checked_alike() {
    let policies = ours("policies");
    for command in ["explain", "who-can"] {
        let ask = |host: &str, path: &str, part: &str| {
            refused(
                &[command, "--documents", &policies, "--host", host, "--path", path],
                2,
                &[part],
            );
        };
        ask("https://orders.example.com/v1", "/v1", "write `orders.example.com` alone");
        ask("orders.example.com", "v1/orders", "write `/v1/orders`");
    }
    refused(
        &["init", "new", "--host", "https://orders.example.com"],
        2,
        &["write `orders.example.com` alone"],
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.yaml"), "request: { host: 'https://a.example', path: v1/x }\n")
        .unwrap();
    refused_in(
        folder.path(),
        &["cel", "true", "r.yaml"],
        0,
        &["r.yaml:1:18", "write `a.example` alone", "write `/v1/x`"],
    );
}

/// P657: the variable is named where its file cannot be read, and an empty one is none.
#[test]
fn the_variable_for_settings_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let policies = ours("policies");
    let with = |value: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.current_dir(folder.path()).env("COUNTERSIGN_CONFIG", value).args(arguments);
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let commands: [&[&str]; 6] = [
        &["check"],
        &["diff", &policies, &policies],
        &["decisions", "--audit", "/dev/null"],
        &["keys", "verify", "ey.a.b"],
        &["serve"],
        &["doctor"],
    ];
    for command in commands {
        let (code, err) = with("absent.yaml", command);
        assert_eq!(code, 3, "{command:?}: {err}");
        assert!(
            err.contains("absent.yaml") && err.contains("COUNTERSIGN_CONFIG"),
            "{command:?}: {err}"
        );
    }
    let (code, err) = with("", &["check", &policies]);
    assert_eq!(code, 0, "{err}");
    let (code, err) = with("", &["check"]);
    assert!(code == 2 && err.contains("`--config FILE`, or COUNTERSIGN_CONFIG"), "{err}");
    refused(&["decisions"], 2, &["Instead of `--audit`, name"]);
    let (_, _, err) = run(folder.path(), &["lint-mesh"]);
    assert!(!err.contains("documents"), "{err}");
}

/// P658, P664: a condition's unknown names, texts for times, and captures without a template lead to what is right.
#[test]
fn conditions_lead_to_our_names() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("r.yaml"), "request: { host: a.example, path: /users/a }\n")
        .unwrap();
    for (condition, part) in [
        ("request.query == 'x'", "under the key `query`"),
        ("token.aud == 'x'", "write `token.audiences`"),
        ("token.iat < now", "write `token.claims.iat`"),
        ("now > '2026-01-01T00:00:00Z'", "write `1767225600`"),
        ("now > timestamp('2026-01-01T00:00:00Z')", "write `1767225600`"),
        ("peer.id == 'x'", "write `peer.spiffe`"),
        ("request.path == '/x'", "`request.fullPath`"),
        ("request.path.user == 'x'", "such as `--path '/users/{user}'`"),
    ] {
        refused_in(folder.path(), &["cel", condition, "r.yaml"], 2, &[part]);
    }
}

/// P660: `init` names the argument that cannot be used, and what is still missing before its commands work.
#[test]
fn init_names_arguments_and_what_is_missing() {
    let refused = |arguments: &[&str], part: &str| {
        refused(&[&["init", "new"], arguments].concat(), 2, &[part]);
    };
    refused(&["--issuer", "http://login.example.com"], "`--issuer http://login.example.com`: ");
    refused(&["--issuer", "https://login.example.com:99999"], "has a port that is not 1 to 65535");
    refused(&["--ca", "notes.txt"], "`--ca notes.txt`: `notes.txt` has no certificate");
    refused(&["--audience", ""], "`--audience` is empty");
    refused(&["--spiffe", "a b"], "`--spiffe a b`: ");
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(folder.path(), &["init"]);
    let before = out.split("countersign serve").next().unwrap();
    assert!(code == 0 && before.contains("envoy.pem") && before.contains("ca.pem"), "{out}");
    let (_, out, _) = run(folder.path(), &["init", "dev", "--dev"]);
    assert!(!out.contains("First put in place"), "{out}");
}

/// P655: a proxy's port that is none is refused in settings, and found in Envoy's configuration.
#[test]
fn ports_beyond_the_last_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = run(folder.path(), &["init", "--dev"]);
    assert_eq!(code, 0, "{err}");
    let settings = fs::read_to_string(folder.path().join("countersign.yaml")).unwrap();
    let odd = settings + "fetch: { proxy: \"http://proxy.example:99999\" }\n";
    fs::write(folder.path().join("odd.yaml"), odd).unwrap();
    refused_in(folder.path(), &["serve", "--check", "--config", "odd.yaml"], 3, &["`fetch.proxy`"]);
    let envoy = fs::read_to_string(folder.path().join("envoy.yaml")).unwrap();
    fs::write(
        folder.path().join("odd-envoy.yaml"),
        envoy.replace("port_value: 9001", "port_value: 99999"),
    )
    .unwrap();
    let arguments =
        ["doctor", "--config", "countersign.yaml", "--offline", "--envoy", "odd-envoy.yaml"];
    let (code, out, err) = run(folder.path(), &arguments);
    assert!(code == 1 && out.contains("has the port 99999"), "{out}{err}");
}

/// P661: a configuration of a mesh among the documents leads to `lint-mesh`.
#[test]
fn a_mesh_among_the_documents_leads_to_its_command() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = run(folder.path(), &["init"]);
    assert_eq!(code, 0, "{err}");
    fs::copy(folder.path().join("envoy.yaml"), folder.path().join("documents/envoy.yaml")).unwrap();
    let istio = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: a }\nspec: {}\n";
    for text in [None, Some(istio)] {
        if let Some(text) = text {
            fs::write(folder.path().join("documents/envoy.yaml"), text).unwrap();
        }
        refused_in(
            folder.path(),
            &["check", "documents"],
            4,
            &["`countersign lint-mesh FILE`", "documents of countersign only"],
        );
    }
}

/// P663: every help has its exit codes in one form, and its lines fit where they are shown.
#[test]
fn help_has_one_form() {
    let folder = tempfile::tempdir().unwrap();
    let (_, overview, _) = run(folder.path(), &["help"]);
    let commands = overview.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    let mut seen = 0;
    for command in commands.filter(|own| *own != "help") {
        let (_, help, _) = run(folder.path(), &[command, "--help"]);
        let (_, codes) =
            help.split_once("Exit codes: ").unwrap_or_else(|| panic!("{command}: {help}"));
        let codes = codes.trim_end().replace('\n', " ");
        assert!(codes.starts_with("0 ") && !codes.ends_with('.'), "{command}: {codes}");
        let each: Vec<_> = codes.split("; ").filter_map(|own| own.chars().next()).collect();
        assert!(each.iter().all(char::is_ascii_digit) && each.is_sorted(), "{command}: {codes}");
        assert!(!codes.contains(", 1 ") && !codes.contains(", 2 "), "{command}: {codes}");
        let examples = help.split("Examples:").nth(1).unwrap_or_default();
        for line in examples.lines() {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}
