//! The built binary as an operator meets it: messages, places, exit codes; and nothing half-loaded.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::program::{NOW, Props};
use countersign::clock::UnixTime;

const POLICY: &str = "\
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: health }
spec:
  target: { hosts: [orders.example.com] }
  rules:
    - { name: health, effect: allow, public: true, on: { methods: [GET], paths: [/healthz] } }
";

/// A folder of files that goes away with the test.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn countersign(folder: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    crate::output_schema::check(arguments, &String::from_utf8_lossy(&output.stdout));
    output
}

/// The exit code and standard error.
fn refused(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = countersign(folder, arguments);
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn assert_refused(files: &[(&str, &str)], arguments: &[&str], code: i32, texts: &[&str]) {
    let folder = folder(files);
    let (got, stderr) = refused(folder.path(), arguments);
    assert_eq!(got, code, "{stderr}");
    for text in texts {
        assert!(stderr.contains(text), "expected {text:?} in:\n{stderr}");
    }
}

#[test]
fn a_settings_file_that_cannot_be_read_is_named() {
    assert_refused(&[], &["serve", "--config", "absent.yaml"], 3, &["cannot read `absent.yaml`"]);
}

/// The output of `serve` with these environment variables and no settings file.
fn with_variables(variables: &[(&str, &str)]) -> (i32, String) {
    let folder = folder(&[]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.current_dir(folder.path()).arg("serve").envs(variables.iter().copied());
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// docs/settings.md says by which variable each setting is set.
#[test]
fn every_variable_of_the_reference_is_a_setting() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
    let page = fs::read_to_string(page).unwrap();
    let cells = page.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once("| `"));
    let variables: Vec<&str> = cells.map(|(_, variable)| variable).collect();
    assert!(variables.len() > 50, "{variables:?}");
    for variable in variables {
        let (code, stderr) = with_variables(&[(variable, "@")]);
        assert!(code == 3 && !stderr.contains("unknown setting"), "{variable}: {code}: {stderr}");
    }
}

#[test]
fn a_variable_sets_a_setting_with_a_name_of_two_words() {
    let age = ("COUNTERSIGN_LISTENER__CONNECTIONS__MAX_AGE", "0s");
    let (code, stderr) = with_variables(&[("COUNTERSIGN_DOCUMENTS", "[a, b]"), age]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("`listener.connections.maxAge` is 0"), "{stderr}");
}

/// P345: Kubernetes sets variables for services, and a service called `countersign` gives them our prefix.
#[test]
fn variables_of_kubernetes_services_are_no_settings() {
    let wrong = ("COUNTERSIGN_LISTENER__CONNECTIONS__MAX_AGE", "0s");
    let documents = ("COUNTERSIGN_DOCUMENTS", "[a]");
    for link in [
        ("COUNTERSIGN_SERVICE_HOST", "10.96.0.7"),
        ("COUNTERSIGN_SERVICE_PORT", "9001"),
        ("COUNTERSIGN_SERVICE_PORT_GRPC", "9001"),
        ("COUNTERSIGN_PORT", "tcp://10.96.0.7:9001"),
        ("COUNTERSIGN_PORT_9001_TCP", "tcp://10.96.0.7:9001"),
        ("COUNTERSIGN_PORT_9001_TCP_PROTO", "tcp"),
        ("COUNTERSIGN_PORT_9001_UDP_PORT", "9001"),
        ("COUNTERSIGN_PORT_9001_TCP_ADDR", "10.96.0.7"),
        ("COUNTERSIGN_ADMIN_SERVICE_HOST", "10.96.0.8"),
        ("COUNTERSIGN_REDIS_MASTER_PORT_6379_TCP", "tcp://10.96.0.9:6379"),
        ("COUNTERSIGN_LISTENER_PORT", "tcp://10.96.0.9:6379"),
    ] {
        let (code, stderr) = with_variables(&[documents, link, wrong]);
        assert!(
            code == 3 && stderr.contains("`listener.connections.maxAge` is 0"),
            "{link:?}: {stderr}"
        );
    }
    let (_, stderr) = with_variables(&[
        ("COUNTERSIGN_DOCUMENTS", "[absent]"),
        ("COUNTERSIGN_PORT", "tcp://10.96.0.7:9001"),
    ]);
    assert!(
        stderr.contains("COUNTERSIGN_PORT") && stderr.contains("enableServiceLinks: false"),
        "{stderr}"
    );
    for mistake in [
        "COUNTERSIGN_PORTS",
        "COUNTERSIGN_PORT_9001",
        "COUNTERSIGN_LISTENER__PORT",
        "COUNTERSIGN_SERVICE",
    ] {
        let (code, stderr) = with_variables(&[documents, (mistake, "9001"), wrong]);
        assert!(code == 3 && stderr.contains("unknown setting"), "{mistake}: {stderr}");
    }
}

/// P346: everything is text in the environment, also where it looks like a number.
#[test]
fn a_variable_may_look_like_a_number() {
    let wrong = ("COUNTERSIGN_LISTENER__CONNECTIONS__MAX_AGE", "0s");
    let others = [
        ("COUNTERSIGN_LISTENER__ADDRESS", "unix:///run/c.sock"),
        ("COUNTERSIGN_STORE__REDIS__URL", "redis://127.0.0.1:1"),
        ("COUNTERSIGN_STORE__REDIS__PASSWORD__FILE", "007"),
    ];
    for variable in [
        ("COUNTERSIGN_LISTENER__SOCKET__MODE", "0660"),
        ("COUNTERSIGN_LISTENER__SOCKET__MODE", "660"),
        ("COUNTERSIGN_LISTENER__SOCKET__GROUP", "1000"),
        ("COUNTERSIGN_STORE__REDIS__USERNAME", "1234"),
        ("COUNTERSIGN_STORE__REDIS__PREFIX", "0x10"),
        ("COUNTERSIGN_OTLP__SERVICE_NAME", "42"),
        ("COUNTERSIGN_STATE_FOLDER", "1e3"),
        ("COUNTERSIGN_LISTENER__CONCURRENT_CHECKS", "64"),
        ("COUNTERSIGN_LISTENER__PEER_SOURCES__XFCC", "true"),
    ] {
        let all =
            [others[0], others[1], others[2], ("COUNTERSIGN_DOCUMENTS", "[a]"), variable, wrong];
        let (code, stderr) = with_variables(&all);
        assert!(
            code == 3 && stderr.contains("`listener.connections.maxAge` is 0"),
            "{variable:?}: {stderr}"
        );
    }
}

/// P258: what a variable should be is said without Rust types.
#[test]
fn a_variable_of_another_kind_is_reported_in_plain_words() {
    for (variable, value, expected) in [
        ("COUNTERSIGN_DOCUMENTS", "absent", "expected a list such as `[a, b]`"),
        ("COUNTERSIGN_LISTENER", "5", "expected a mapping"),
        ("COUNTERSIGN_STORE", "5", "expected one of `memory`, `redis`"),
    ] {
        let (code, stderr) = with_variables(&[(variable, value)]);
        assert!(code == 3 && stderr.contains(&format!("{variable}: ")), "{stderr}");
        assert!(stderr.contains(expected) && !stderr.contains("Options"), "{stderr}");
    }
}

#[test]
fn an_unknown_setting_is_shown_in_its_place() {
    let files = [("c.yaml", "documents: [p]\nlistener:\n  adress: 127.0.0.1:1\n")];
    assert_refused(
        &files,
        &["serve", "--config", "c.yaml"],
        3,
        &["c.yaml:3:3", "adress", "did you mean `address`?"],
    );
}

#[test]
fn contradictory_settings_are_refused() {
    let files = [("c.yaml", "documents: [p]\nlistener: { address: 0.0.0.0:9001 }\n")];
    assert_refused(&files, &["serve", "--config", "c.yaml"], 3, &["insecureAllowPlaintext"]);
    assert_refused(
        &[("c.yaml", "log: {}\n")],
        &["serve", "--config", "c.yaml"],
        3,
        &["no documents"],
    );
}

#[test]
fn a_missing_ca_file_is_named_where_it_is_asked_for() {
    let domain = "apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: { name: prod }\nspec:\n  spiffe: prod.example\n  authorities: [{ file: absent.pem }]\n";
    let files = [("p/trust.yaml", domain)];
    let texts = ["p/trust.yaml:6:25", "p/absent.pem", "no such file or directory"];
    assert_refused(&files, &["check", "p"], 4, &texts);
    assert_refused(
        &files,
        &["serve", "--documents", "p", "--listen", "127.0.0.1:0"],
        4,
        &["nothing is served"],
    );
}

#[test]
fn a_key_set_that_is_not_json_is_named_where_it_is_asked_for() {
    let issuer = "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: { name: corp }\nspec:\n  issuer: https://login.example.com\n  audiences: [orders]\n  keys: { file: keys.json }\n  algorithms: [RS256]\n";
    let files = [("p/issuer.yaml", issuer), ("p/keys.json", "<html>sign in</html>")];
    assert_refused(&files, &["check", "p"], 4, &["p/issuer.yaml:7:", "keys.json"]);
}

#[test]
fn an_unknown_field_is_shown_in_its_place() {
    let files = [("p/policy.yaml", &*POLICY.replace("effect", "efect"))];
    assert_refused(
        &files,
        &["check", "p"],
        4,
        &["p/policy.yaml:7:", "unknown field `efect`", "did you mean `effect`?"],
    );
}

#[test]
fn documents_that_are_not_there_are_named() {
    assert_refused(&[], &["check", "absent"], 4, &["cannot read `absent`"]);
    assert_refused(
        &[("p/readme.txt", "")],
        &["check", "p"],
        4,
        &["no-documents", "no `*.yaml` or `*.yml` file in `p`"],
    );
}

#[test]
fn documents_without_a_policy_are_refused() {
    let fragments =
        "apiVersion: countersign.dev/v1alpha1\nkind: Fragments\nmetadata: { name: f }\nspec: {}\n";
    assert_refused(&[("p/f.yaml", fragments)], &["check", "p"], 4, &["no-policies"]);
}

#[test]
fn a_busy_port_is_named_with_what_to_do() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let arguments = ["serve", "--documents", "p", "--listen", &address];
    assert_refused(&[("p/policy.yaml", POLICY)], &arguments, 5, &[&address, "in use", "--listen"]);
}

#[test]
fn wrong_arguments_are_refused_with_usage() {
    assert_refused(&[], &["serv"], 2, &["serv"]);
    assert_refused(&[], &["check"], 2, &["Usage"]);
}

#[test]
fn good_documents_pass_and_every_command_has_help() {
    let folder = folder(&[("p/policy.yaml", POLICY)]);
    let (code, stderr) = refused(folder.path(), &["check", "p"]);
    assert_eq!(code, 0, "{stderr}");
    let commands = countersign(folder.path(), &["--help"]);
    let commands = String::from_utf8(commands.stdout).unwrap();
    let commands = commands.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<_> = names.filter(|name| !name.is_empty() && *name != "help").collect();
    assert!(names.len() >= 12, "{names:?}");
    for command in names {
        let output = countersign(folder.path(), &[command, "--help"]);
        let help = String::from_utf8(output.stdout).unwrap();
        for part in ["Usage: countersign", "Examples:", "Exit codes: 0 "] {
            assert!(output.status.success() && help.contains(part), "{command}: {part}");
        }
    }
    let script = countersign(folder.path(), &["completions", "bash"]);
    assert!(String::from_utf8(script.stdout).unwrap().contains("countersign"));
}

/// A code has a page, and warnings can count as errors.
#[test]
fn codes_are_explained_and_warnings_can_be_denied() {
    let warned = POLICY.replace("paths: [/healthz]", "paths: [/**]");
    let folder = folder(&[("p/policy.yaml", POLICY), ("w/policy.yaml", &warned)]);
    let run = |arguments: &[&str]| {
        let output = countersign(folder.path(), arguments);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    };
    let (code, text) = run(&["check", "--explain", "unknown-field"]);
    assert!(code == 0 && text.starts_with("unknown-field\n"), "{text}");
    assert!(text.contains("To fix it: ") && text.contains("error[unknown-field]"), "{text}");
    assert!(!text.contains("invalid-yaml"), "one section alone: {text}");
    let (code, text) = run(&["check", "--explain", "unknown-feild"]);
    assert!(code == 2 && text.contains("did you mean `unknown-field`?"), "{text}");
    assert_eq!(run(&["check", "p", "--deny-warnings"]).0, 0);
    let (code, text) = run(&["check", "w"]);
    assert!(code == 0 && text.contains("1 warning"), "{code}: {text}");
    assert_eq!(run(&["check", "w", "--deny-warnings"]).0, 4);
    let (code, text) = run(&["serve", "--documents", "p", "--check"]);
    assert!(code == 0 && text.contains("can be used: 1 rule, revision "), "{code}: {text}");
    assert_eq!(run(&["serve", "--documents", "gone", "--check"]).0, 4);
}

/// P513: cases by their names, of the documents that settings name.
#[test]
fn cases_are_chosen_by_their_names() {
    let suite = "---\napiVersion: countersign.dev/v1alpha1\nkind: PolicySuite\nmetadata: { name: s }\nspec:\n  cases:\n    - { name: one, request: { host: orders.example.com, path: /healthz }, expect: { decision: allow } }\n    - { name: two, request: { host: orders.example.com, path: /x }, expect: { decision: allow } }\n";
    let settings = "listener: { address: 127.0.0.1:9001 }\ndocuments: [p]\n";
    let folder =
        folder(&[("p/policy.yaml", &[POLICY, suite].concat()), ("countersign.yaml", settings)]);
    let run = |more: &[&str]| {
        let arguments = [&["test", "--config", "countersign.yaml"], more].concat();
        countersign(folder.path(), &arguments).status.code()
    };
    assert_eq!(run(&[]), Some(1));
    assert_eq!(run(&["--filter", "s/one"]), Some(0));
    assert_eq!(run(&["--filter", "two"]), Some(1));
    assert_eq!(run(&["--filter", "three"]), Some(2));
    let all = ["test", "--documents", "p", "--filter", "one"];
    assert_eq!(countersign(folder.path(), &all).status.code(), Some(0));
    assert_eq!(countersign(folder.path(), &["check", "--documents", "p"]).status.code(), Some(0));
}

/// Cases that the differential test found: the oracle's tests decide them, too.
#[test]
fn differences_stay_settled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/differences");
    let output = countersign(&folder, &["test", "."]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// P257: a reader that has gone ends a command quietly, and a full disk with a message.
#[test]
fn output_that_cannot_be_written_is_no_panic() {
    let run = |out: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = command.args(["completions", "bash"]).stdout(out).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(run(writer.into()), (Some(1), String::new()));
    if let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") {
        let (code, told) = run(full.into());
        assert_eq!(code, Some(1));
        assert!(told.contains("cannot write to standard output"), "{told}");
    }
}

/// P258: a message about a mistake in a flag has the name of the flag.
#[test]
fn a_message_names_the_flag() {
    let files = [("p/policy.yaml", POLICY)];
    let folder = folder(&files);
    let arguments = ["serve", "--documents", "p", "--listen", "bogus"];
    let (code, told) = refused(folder.path(), &arguments);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("`--listen`") && !told.contains("::"), "{told}");
}

/// P648: commands that take the file of a token do not print a token that is given in its place.
#[test]
fn a_token_in_the_place_of_a_file_is_not_printed() {
    let props = Props::new();
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", "eyJzdWIiOiJhbGljZSJ9".repeat(30));
    props.write("policies/p.yaml", include_str!("../explain/documents.yaml"));
    let issuer = crate::testbed::mint::Issuer::new(UnixTime::from_secs(NOW)).unwrap();
    props.write("keys/corp.jwks.json", issuer.key_set().unwrap());
    for arguments in [
        vec!["inspect", &token],
        vec!["cel", "true", &token],
        vec!["explain", "--documents", "policies", &token],
        vec!["explain", "--documents", "policies", "--host", "a", "--path", "/", "--token", &token],
        vec!["explain", "--documents", "policies", "--audit", "none", "--decision", &token],
        vec!["check", &token],
        vec!["check", "policies", "--output", &token],
        vec!["serve", &token],
        vec!["who-can", "--documents", &token, "--host", "a", "--path", "/", "--output", "json"],
        vec!["lint-mesh", &token],
        vec!["replay", "--audit", &token, "--documents", "policies", "--output", "json"],
    ] {
        let run = props.run_with(&arguments, "");
        assert_ne!(run.code, 0, "{arguments:?}");
        let printed = [run.stdout, run.stderr].concat();
        assert!(!printed.contains("eyJzdWIi"), "{arguments:?}: {printed}");
    }
}

/// P771: an argument in a wrong place may be an opaque token, and the message about it does not show it.
#[test]
fn a_message_about_arguments_shows_no_token() {
    const TOKEN: &str = "kJHGkjhg876SECRETopaque0123456789";
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["keys", "verify", "token.jwt", TOKEN][..],
        &["check", "--output", TOKEN],
        &["decisions", "--since", TOKEN],
        &["revoke", TOKEN],
        &[TOKEN],
    ] {
        let (code, stderr) = refused(folder.path(), arguments);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("<hidden>") && !stderr.contains("SECRET"), "{stderr}");
    }
    let (_, stderr) = refused(folder.path(), &["check", "--no-such-flag-of-some-length"]);
    assert!(stderr.contains("--no-such-flag-of-some-length"), "{stderr}");
}
