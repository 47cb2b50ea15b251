//! `docs/changing-policies.md`: each command on the page does what is printed there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Props, Run};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> PathBuf {
    root().join("docs/changing-policies.md")
}

/// A folder with the documents of both sides and the log, made by the commands of the page.
fn props() -> Props {
    let props = Props::new();
    for name in ["policies", "tests"] {
        symlink(root().join(name), props.folder.path().join(name)).unwrap();
    }
    let page = fs::read_to_string(page()).unwrap();
    let (_, commands) = page.split_once("```sh\n").unwrap();
    let (commands, _) = commands.split_once("```").unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let made = Command::new("sh")
        .args(["-euc", commands])
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
        .current_dir(props.folder.path())
        .status();
    assert!(made.unwrap().success());
    props
}

/// Revisions depend on the certificates of the examples.
fn plain(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let bare = word.trim_end().trim_matches([',', '`']);
        let is_id = bare.len() == 16 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        if is_id { word.replace(bare, "0123456789abcdef") } else { word.to_owned() }
    });
    words.collect::<String>().lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// P566: the page shows the output of the commands, line by line. `COUNTERSIGN_BLESS=1` writes it.
#[test]
fn the_page_shows_what_its_commands_print() {
    let props = props();
    let text = fs::read_to_string(page()).unwrap();
    let mut played = 0;
    let parts = text.split("```console\n").enumerate().map(|(at, part)| {
        if at == 0 {
            return part.to_owned();
        }
        let (block, rest) = part.split_once("```").unwrap();
        let command = block.lines().next().unwrap();
        let run = props.run(command.strip_prefix("$ countersign ").unwrap(), "");
        assert!(run.code < 2, "{command}: {}", run.stderr);
        played += 1;
        format!("{command}\n{}```{rest}", plain(&run.stdout))
    });
    let got = parts.collect::<Vec<_>>().join("```console\n");
    if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
        return fs::write(page(), &got).unwrap();
    }
    assert!(played > 2, "{played}");
    assert_eq!(got, text, "`COUNTERSIGN_BLESS=1 cargo test --test cli changing` writes the page");
}

/// The names of all fields, but for those that are data.
fn fields(json: &serde_json::Value) -> Vec<String> {
    match json {
        serde_json::Value::Object(members) => members
            .iter()
            .filter(|(name, _)| *name != "revisions" && *name != "outside")
            .flat_map(|(name, value)| [vec![name.clone()], fields(value)].concat())
            .collect(),
        serde_json::Value::Array(items) => items.iter().flat_map(fields).collect(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => Vec::new(),
    }
}

#[test]
fn the_page_names_every_field() {
    let props = props();
    let text = fs::read_to_string(page()).unwrap();
    for (command, code) in [
        ("replay --audit audit.jsonl --documents branch --output json", 1),
        ("diff main branch --audit audit.jsonl --output json", 1),
        (
            "who-can --documents branch --host orders.example.com --path /v1/orders --method POST --output json",
            0,
        ),
    ] {
        let run = props.run(command, "");
        assert_eq!(run.code, code, "{}", run.stderr);
        for field in fields(&run.json()) {
            assert!(
                ["method", "host", "path", "ports"].contains(&field.as_str())
                    || text.contains(&format!("`{field}`")),
                "`{field}` is not on the page"
            );
        }
    }
}

fn refused(run: &Run, code: i32, part: &str) {
    assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
}

/// P567: a log that is not there, documents with errors and wrong arguments are none of the answers.
#[test]
fn mistakes_have_exit_codes_of_their_own() {
    let props = props();
    props.write("broken/a.yaml", "kind: Policy\n");
    props.write("c.yaml", "documents: [main]\n");
    for (command, code, part) in [
        ("replay --audit gone.jsonl --documents main", 2, "cannot read `gone.jsonl`"),
        ("replay --audit audit.jsonl", 2, "--documents"),
        ("replay --audit audit.jsonl --documents main --since yesterday", 2, "such as `10m`"),
        ("replay --audit audit.jsonl --documents main --examples 1000", 2, "from 0 to 100"),
        ("replay --config c.yaml", 3, "no audit log is written to a file"),
        ("replay --config gone.yaml", 3, "gone.yaml"),
        ("replay --audit audit.jsonl --documents broken", 4, "apiVersion"),
        ("replay --audit audit.jsonl --documents main --baseline broken", 4, "apiVersion"),
        ("diff main", 2, "AFTER"),
        ("diff main broken", 4, "apiVersion"),
        ("diff main branch --audit gone.jsonl", 2, "cannot read `gone.jsonl`"),
        ("who-can --documents main --host orders.example.com", 2, "--path"),
        ("who-can --config missing.yaml --host a --path /a", 3, "missing.yaml"),
        ("who-can --documents main --host a --path /a?b", 2, "without a query"),
        ("who-can --documents broken --host a --path /a", 4, "apiVersion"),
        ("who-can --documents main --host https://a/b --path /a", 2, "write `a` alone"),
    ] {
        refused(&props.run(command, ""), code, part);
    }
}

/// P644: a deny rule with the same condition is not in the way where `{u}` is another segment to it.
#[test]
fn a_variable_of_another_segment_is_another_condition() {
    let props = props();
    let ask = |allow: &str, deny: &str| {
        let rule = |name: &str, effect: &str, path: &str| {
            let public = if effect == "allow" { "public: true, " } else { "" };
            format!(
                "    - {{ name: {name}, effect: {effect}, {public}on: {{ paths: ['{path}'] }}, when: 'request.headers[\"x-h\"] == request.path.u' }}\n"
            )
        };
        let rules = rule("a", "allow", allow) + &rule("d", "deny", deny);
        props.write("vars/p.yaml", format!("apiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: p }}\nspec:\n  target: {{ hosts: [a.example.com] }}\n  rules:\n{rules}"));
        let run = props
            .run("who-can --documents vars --host a.example.com --path /x/b --output json", "");
        run.json()["answers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|own| own["answer"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(ask("/{u}/*", "/*/{u}").iter().all(|answer| answer != "no"));
    assert!(ask("/{u}/*", "/{u}/*").iter().all(|answer| answer == "no"));
    assert!(ask("/{u}/*", "/{u}/**").iter().all(|answer| answer == "no"));
}

/// P628: a bare "no" about a host that no policy names, or a method in small letters, is no comfort.
#[test]
fn questions_that_are_others_than_they_look_have_a_note() {
    let props = props();
    let ask = |more: &str| props.run(&format!("who-can --documents branch {more}"), "");
    let path = "--path /v1/orders/17";
    let odd = "methods are case-sensitive, and the question is about `get`";
    for (question, parts) in [
        (
            format!("--host order.example.com {path}"),
            vec![
                "no policy is about the host `order.example.com`",
                "near it: `orders.example.com`",
            ],
        ),
        (
            format!("--host a.test {path}"),
            vec!["no policy is about the host `a.test`", "`orders.example.com`"],
        ),
        (format!("--host orders.example.com {path} --method get"), vec![odd, "`--method GET`"]),
        (
            format!("--host orders.example.com {path} --method PATCH"),
            vec!["no allow rule is about `PATCH /v1/orders/17`", "`/v1/orders/{id}`"],
        ),
        (format!("--host orders.example.com {path}"), vec![]),
    ] {
        let run = ask(&question);
        assert_eq!(run.stdout.contains("note: "), !parts.is_empty(), "{}", run.stdout);
        assert!(parts.iter().all(|part| run.stdout.contains(part)), "{}", run.stdout);
        let is_allowed = run.stdout.contains("allowed by");
        assert!(is_allowed || !run.stdout.contains("unless denied by"), "{}", run.stdout);
    }
}

/// P633: one grammar: settings name documents for each command, and a message about missing documents says so.
#[test]
fn settings_stand_for_documents_everywhere() {
    let props = props();
    props.write("c.yaml", "documents: [branch]\nlistener: { address: '127.0.0.1:0' }\n");
    let plain = props.run("diff main branch", "");
    for command in ["diff main --config c.yaml", "diff main --documents branch"] {
        let run = props.run(command, "");
        assert_eq!(run.code, plain.code, "{command}: {}", run.stderr);
        assert_eq!(run.stdout.lines().next(), plain.stdout.lines().next(), "{command}");
    }
    let run = props.run("serve --config c.yaml --check --output json", "");
    assert_eq!((run.code, &run.json()["rules"]), (0, &4.into()), "{}", run.stderr);
    for command in ["check", "test", "diff main", "who-can --host a --path /a", "keys"] {
        refused(&props.run(command, ""), 2, "`--config FILE`, or COUNTERSIGN_CONFIG");
    }
    refused(&props.run("serve --output json --documents main", ""), 2, "--check");
    for command in ["check", "test", "diff main", "revocations", "serve --check"] {
        let run = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .current_dir(props.folder.path())
            .env("COUNTERSIGN_CONFIG", "c.yaml")
            .args(command.split(' '))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.code().unwrap() < 2, "{command}: {told}");
    }
    let token = "0123456789abcdef0123456789abcdef";
    props.write("admin.token", token);
    props.write("c.yaml", "documents: [branch]\nlistener: { address: '127.0.0.1:0' }\nadmin: { address: '127.0.0.1:1', revocations: { tokenFile: admin.token } }\n");
    let run = props.run("revoke --spiffe spiffe://prod.example/a --config c.yaml", "");
    refused(&run, 1, "cannot connect to 127.0.0.1:1");
}

/// P568: lines that are no decisions are counted by what they are, wherever they stand, and no file is read twice.
#[test]
fn every_line_is_counted_once() {
    let props = props();
    let log = fs::read_to_string(root().join("tests/changing/audit.jsonl")).unwrap();
    let good = log.lines().next().unwrap().replace("MAIN", "fedcba9876543210");
    let newer = good.replace("\"mode\"", "\"colour\":\"red\",\"mode\"");
    let older = good.replace("\"mode\":\"enforce\",", "");
    let cut = good.replace("\"mode\"", "\"truncated\":[\"path\"],\"mode\"");
    let long = format!("{{\"decision_id\":\"{}\"}}", "a".repeat(2 * 1024 * 1024));
    props.write("audit.jsonl.1", format!("{newer}\n{older}\n{{\"a\":1}}\n[]\n\n{long}\n"));
    let torn = [
        b"\xff\n".as_slice(),
        good.as_bytes(),
        b"\n{\"torn\n",
        cut.as_bytes(),
        b"\n",
        b"{\"decision_id\"",
    ]
    .concat();
    props.write("audit.jsonl", &torn);
    for logs in ["audit.jsonl", "audit.jsonl audit.jsonl.1 ./audit.jsonl"] {
        let run = props.run(&format!("replay --documents branch --output json --audit {logs}"), "");
        let json = run.json();
        assert_eq!(json["all"]["records"], 3, "{json}");
        let passed =
            serde_json::json!({ "filtered": 0, "events": 0, "torn": 4, "foreign": 2, "older": 1 });
        assert_eq!(json["ignored"], passed);
        assert_eq!(json["newer"], serde_json::json!({ "records": 1, "fields": ["colour"] }));
        assert_eq!(json["cannot_tell"][0]["missing"], "the end of `path`, which is cut");
        assert_eq!(
            json["changed"]["newly_denied"],
            serde_json::json!({ "records": 2, "requests": 200 })
        );
        assert_eq!(json["revisions"], serde_json::json!({ "fedcba9876543210": 3 }));
    }
    let run = props.run("replay --documents branch --audit - --output json", &torn);
    assert_eq!(run.json()["all"]["records"], 2);
}
