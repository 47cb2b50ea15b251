//! `countersign cel` and `countersign man` as an operator meets them.

use crate::program::Props;

const REQUEST: &str = "\
now: 2026-11-22T10:00:00Z
request: { host: orders.example.com, path: /users/alice, headers: { x-level: '3' } }
peer: { trustDomain: prod, spiffe: spiffe://prod.example/ns/web/sa/frontend }
token: { issuer: corp, claims: { sub: alice, roles: [admin], scope: orders:read } }
";

fn props() -> Props {
    let props = Props::new();
    props.write("request.yaml", REQUEST);
    props
}

/// P640: a condition is tried by the code that serves, with each part and the values that it reads.
#[test]
fn a_condition_says_what_each_part_of_it_reads() {
    let props = props();
    for (condition, code, shown) in [
        (
            "token.sub == \"alice\"",
            0,
            "holds\n└─ holds   token.sub == \"alice\"; token.sub is alice",
        ),
        ("\"admin\" in token.claims.roles", 0, "token.claims.roles is [\"admin\"]"),
        ("int(request.headers[\"x-level\"]) > 3", 1, "fails"),
        ("token.claims.tenant == \"a\"", 1, "unknown: a value is absent"),
        ("now < 1800000000", 0, "now is 2026-11-22T10:00:00Z"),
        ("peer.trustDomain == \"prod\"", 0, "holds"),
    ] {
        let run = props.run_with(&["cel", condition, "request.yaml"], "");
        assert!(run.code == code && run.stdout.contains(shown), "{condition}: {}", run.stdout);
        assert_eq!(run.stderr, "", "{condition}");
    }
    let captured =
        ["cel", "token.sub == request.path.user", "request.yaml", "--path", "/users/{user}"];
    let run = props.run_with(&captured, "");
    assert!(run.code == 0 && run.stdout.contains("request.path.user is alice"), "{}", run.stdout);
    let run =
        props.run_with(&["cel", "token.sub == \"bob\"", "request.yaml", "--output", "json"], "");
    let json = run.json();
    assert_eq!((run.code, &json["result"], &json["token"]), (1, &"fails".into(), &"corp".into()));
    assert_eq!(json["operands"][0]["found"][0]["value"], "alice");
}

/// P640: an error is at its place in what was typed, which is shown.
#[test]
fn a_wrong_condition_is_shown_with_its_place() {
    let props = props();
    for (condition, shown) in [
        ("token.sub = \"a\"", "CONDITION:1:11"),
        ("request.metod == \"GET\"", "did you mean `request.method`?"),
        ("request.path.user == \"a\"", "request.path.user == \"a\""),
        ("peer.trustDomain == \"prd\"", "did you mean `prod`?"),
        ("", "the condition is empty"),
    ] {
        let run = props.run_with(&["cel", condition, "request.yaml"], "");
        assert!(run.code == 2 && run.stderr.contains(shown), "{condition}: {}", run.stderr);
    }
    for (condition, path, shown) in [
        (
            "now > 0",
            "/others/{user}",
            "the path of the request in `request.yaml` is not matched by `/others/{user}`",
        ),
        (
            "token.iss != \"https://login.example.com\"",
            "/users/{user}",
            "name the documents with `--documents`",
        ),
    ] {
        let run = props.run_with(&["cel", condition, "request.yaml", "--path", path], "");
        assert!(run.code == 2 && run.stderr.contains(shown), "{condition}: {}", run.stderr);
    }
    let template = ["cel", "now > 0", "request.yaml", "--path", "users/{"];
    let run = props.run_with(&template, "");
    assert!(run.code == 2 && run.stderr.contains("--path:1:1"), "{}", run.stderr);
    props.write("wrong.yaml", "request: { hots: a }");
    let run = props.run_with(&["cel", "now > 0", "wrong.yaml"], "");
    assert!(run.code == 2 && run.stderr.contains("did you mean `host`?"), "{}", run.stderr);
}

/// With documents the names are theirs.
#[test]
fn documents_say_which_issuers_there_are() {
    let props = props();
    let issuer = crate::testbed::mint::Issuer::new(countersign::clock::UnixTime::from_secs(
        crate::program::NOW,
    ))
    .unwrap();
    props.write("keys/corp.jwks.json", issuer.key_set().unwrap());
    props.write("policies/all.yaml", include_str!("../explain/documents.yaml"));
    let with = |condition: &str| {
        props.run_with(&["cel", condition, "request.yaml", "--documents", "policies"], "")
    };
    assert_eq!(with("token.sub == \"alice\"").code, 0);
    props.write("request.yaml", REQUEST.replace("issuer: corp", "issuer: crop"));
    let run = with("token.sub == \"alice\"");
    assert!(run.code == 2 && run.stderr.contains("did you mean `corp`?"), "{}", run.stderr);
}

/// P641: there is a page for every command that `--help` lists, and each has its examples and exit codes.
#[test]
fn every_command_has_a_manual_page() {
    let props = Props::new();
    assert_eq!(props.run("man --to pages", "").code, 0);
    let help = props.run("--help", "").stdout;
    let listed = help.split_once("Commands:").unwrap().1.split_once("Options:").unwrap().0;
    let commands = listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands: Vec<_> = commands.filter(|name| !["", "help"].contains(name)).collect();
    assert!(commands.len() > 15, "{commands:?}");
    for command in commands {
        let page = props.folder.path().join(format!("pages/countersign-{command}.1"));
        let written = std::fs::read_to_string(page).unwrap();
        let run = props.run(&format!("man {command}"), "");
        assert_eq!((run.code, &run.stdout), (0, &written), "{command}");
        assert!(written.contains("Examples:") && written.contains("Exit codes:"), "{command}");
    }
    let run = props.run("man chek", "");
    assert!(run.code == 2 && run.stderr.contains("did you mean `check`?"), "{}", run.stderr);
    props.write("taken", "");
    let run = props.run("man --to taken", "");
    assert!(run.code == 1 && run.stderr.contains("cannot write into `taken`"), "{}", run.stderr);
}
