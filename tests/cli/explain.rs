//! `countersign explain` as an operator meets it: every form of a question, golden outputs, and nothing made up.

use std::path::{Path, PathBuf};

use crate::program::{NOW, Props, Run};
use serde_json::{Value, json};

const DOCUMENTS: &str = include_str!("../explain/documents.yaml");

/// The moment for which everything is made, and the documents.
const AT: &str = "--at 2027-01-15T08:00:00Z --documents policies --offline";

fn props() -> Props {
    let props = Props::new();
    props.write("policies/all.yaml", DOCUMENTS);
    let issuer = crate::testbed::mint::Issuer::new(countersign::clock::UnixTime::from_secs(NOW));
    let issuer = issuer.unwrap();
    props.write("keys/corp.jwks.json", issuer.key_set().unwrap());
    issuer.tokens(&props.pki).unwrap().write(&props.folder).unwrap();
    props
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain").join(name)
}

/// The output, without what differs from run to run, is in the file `name`. `COUNTERSIGN_BLESS=1` writes it.
#[track_caller]
fn assert_golden(name: &str, run: &Run) {
    let got = format!("exit code {}\n{}{}", run.code, plain(&run.stdout), plain(&run.stderr));
    let path = golden(name);
    if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        got, expected,
        "{name}: `COUNTERSIGN_BLESS=1 cargo test --test cli explain` writes it"
    );
}

/// The revision depends on certificates that each run generates.
fn plain(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let bare = word.trim_end().trim_matches(['"', ',']);
        let is_id = [16, 32].contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_hexdigit());
        if is_id { word.replace(bare, "<id>") } else { word.to_owned() }
    });
    words.collect()
}

const CASES: [(&str, &str); 9] = [
    (
        "scope-missing",
        "request: { method: POST, host: orders.example.com, path: /v1/orders }\npeer: { trustDomain: prod, spiffe: spiffe://prod.example/ns/web/sa/frontend }\ntoken: { issuer: corp, claims: { sub: alice, scope: orders:read } }\n",
    ),
    (
        "allowed",
        "request: { host: orders.example.com, path: /v1/orders/42, headers: { x-tenant: acme } }\npeer: { trustDomain: prod, spiffe: spiffe://prod.example/ns/web/sa/frontend }\ntoken: { issuer: corp, claims: { sub: alice, scope: orders:read, tenant: acme } }\n",
    ),
    (
        "condition-false",
        "request: { host: orders.example.com, path: /v1/orders/42, headers: { x-tenant: secret-tenant } }\npeer: { trustDomain: prod, spiffe: spiffe://prod.example/ns/web/sa/frontend }\ntoken: { issuer: corp, claims: { sub: alice, scope: orders:read, tenant: acme } }\n",
    ),
    (
        "condition-unknown",
        "request: { host: orders.example.com, path: /v1/orders/42 }\npeer: { trustDomain: prod, spiffe: spiffe://prod.example/ns/web/sa/frontend }\ntoken: { issuer: corp, claims: { sub: alice, scope: orders:read, tenant: [acme] } }\n",
    ),
    (
        "denied-by-rule",
        "request: { method: DELETE, host: orders.example.com, path: /v1/orders/42, source: 192.0.2.7 }\npeer: { trustDomain: prod, spiffe: spiffe://prod.example/ns/web/sa/frontend }\n",
    ),
    ("no-caller", "request: { host: orders.example.com, path: /v1/orders/42 }\n"),
    ("no-such-path", "request: { host: orders.example.com, path: /v2/orders }\n"),
    ("no-such-host", "request: { host: oders.example.com, path: /v1/orders }\n"),
    ("path-not-canonical", "request: { host: orders.example.com, path: /v1//orders }\n"),
];

/// The answer, what would have to change, and the way there, for each kind of ending.
#[test]
fn every_kind_of_answer_is_printed_as_it_was_agreed() {
    let props = props();
    for (name, request) in CASES {
        props.write("request.yaml", request);
        let run = props.run(&format!("explain request.yaml {AT}"), "");
        assert_golden(&format!("{name}.txt"), &run);
        assert!(!run.stdout.contains("secret-tenant"), "values of callers are masked");
    }
}

/// P157: two requirements on one header, parameter or claim are told apart, and conditions are shown whole.
#[test]
fn requirements_on_the_same_thing_are_told_apart() {
    let props = props();
    props.write("policies/all.yaml", include_str!("../explain/twins.yaml"));
    let question = |region: &str, path: &str, claims: &str| {
        format!(
            "request: {{ host: orders.example.com, path: '{path}', headers: {{ x-region: '{region}' }} }}\n\
             peer: {{ trustDomain: prod, spiffe: spiffe://prod.example/ns/web/sa/frontend }}\n\
             token: {{ issuer: corp, claims: {claims} }}\n"
        )
    };
    let some = "{ sub: alice, scope: 'orders:read', groups: [buyers] }";
    let all = "{ sub: alice, scope: 'orders:read tier:gold', groups: [buyers, eu], big: 100000000000000000000 }";
    for (name, request) in [
        ("twins-fail", question("eu,us", "/v1/bob/orders/alice?view=short", some)),
        ("twins-denied", question("eu,us", "/v1/alice/orders/1?view=full", all)),
        ("twins-number", question("eu", "/v1/alice/orders/1?view=full", all)),
    ] {
        props.write("request.yaml", request);
        let run = props.run(&format!("explain request.yaml {AT}"), "");
        assert_golden(&format!("{name}.txt"), &run);
        let run = props.run(&format!("explain request.yaml {AT} --output json"), "");
        assert_golden(&format!("{name}.json"), &run);
    }
}

/// P153: a decision is found by the id that access logs have; where several have it, none is picked.
#[test]
fn a_decision_is_found_by_its_request_id() {
    let props = props();
    let with = |decision: &str, request: &str| {
        RECORD.replace("5c3a9be1", decision).replace("req-1", "4611686018427387904").replace(
            r#""scheme":"https""#,
            &format!(r#""scheme":"https","x_request_id":"{request}""#),
        )
    };
    let first = with("11111111", "1b1e5ba5-0f47-9a1e-8f7d-2d2c3a4b5c6d");
    let twice = [with("22222222", "chosen-by-a-caller"), with("33333333", "chosen-by-a-caller")];
    // A caller may write what looks like another decision's id.
    let posing = with("44444444", "11111111f02a41d09c6a4f1f0f3f3a55");
    props.write("audit.jsonl", format!("{}\n{posing}\n{first}\n", twice[1]));
    props.write("audit.jsonl.1", format!("{}\n", twice[0]));
    let explain = |id: &str| {
        props.run(
            &format!(
                "explain --documents policies --audit audit.jsonl --output json --decision {id}"
            ),
            "",
        )
    };
    let found =
        |id: &str| explain(id).json()["recorded"]["decision_id"].as_str().unwrap().to_owned();
    let whole = "11111111f02a41d09c6a4f1f0f3f3a55";
    assert_eq!(found("1b1e5ba5-0f47-9a1e-8f7d-2d2c3a4b5c6d"), whole);
    assert_eq!(found(whole), whole, "our own id counts before a caller's");
    assert_eq!(found("11111111"), whole);
    let run = explain("chosen-by-a-caller");
    assert_eq!(run.code, 2);
    for text in
        ["2 decisions in", "22222222f02a", "33333333f02a", "GET orders.example.com /v1/orders/42"]
    {
        assert!(run.stderr.contains(text), "{text}: {}", run.stderr);
    }
    let run = explain("4611686018427387904");
    assert_eq!(run.code, 2, "the proxy's own id may be the same in several, too");
    assert!(explain("1b1e5ba5").stderr.contains("no decision"), "only the whole of a request's id");
}

#[test]
fn the_json_has_the_shape_that_is_documented() {
    let props = props();
    let [(_, denied), (_, allowed), ..] = CASES;
    for (name, request) in [("denied", denied), ("allowed", allowed)] {
        let run = props.run(&format!("explain - {AT} --output json"), request);
        assert_golden(&format!("{name}.json"), &run);
    }
    let documented =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/explain.md"))
            .unwrap();
    let json = props.run(&format!("explain - {AT} --output json"), denied).json();
    for field in fields(&json) {
        assert!(documented.contains(&format!("`{field}`")), "docs/explain.md lacks `{field}`");
    }
}

/// The names of all fields, except those that are of the same kind as in an audit record, and those that documents choose.
fn fields(json: &Value) -> Vec<String> {
    match json {
        Value::Object(object) => object
            .iter()
            .flat_map(|(name, value)| {
                let own = if name == "annotations" { Vec::new() } else { fields(value) };
                std::iter::once(name.clone()).chain(own)
            })
            .filter(|name| {
                !["issuer", "client", "audiences", "scopes", "binding", "key_id", "expires_at"]
                    .contains(&name.as_str())
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(fields).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The same question as YAML and as JSON has the same answer, and the other names of a certificate count.
#[test]
fn a_question_may_be_a_json_file() {
    let props = props();
    let question = serde_json::json!({
        "request": { "host": "orders.example.com", "path": "/v1/orders/42?access_token=canary", "headers": { "x-tenant": "acme", "authorization": "Bearer canary" } },
        "peer": { "trustDomain": "prod", "spiffe": "spiffe://prod.example/ns/web/sa/frontend", "emails": ["a@prod.example"] },
        "token": { "issuer": "corp", "claims": { "sub": "alice", "scope": "orders:read", "tenant": "acme" } },
    });
    props.write("request.json", question.to_string());
    let run = props.run(&format!("explain request.json {AT} --show-values --output json"), "");
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(!run.stdout.contains("canary"), "what carries tokens is not shown: {}", run.stdout);
    assert_eq!(run.json()["answer"]["rule"], "orders/read");
}

#[test]
fn values_are_shown_to_who_asks_for_them() {
    let props = props();
    let request = CASES.iter().find(|(name, _)| *name == "condition-false").unwrap().1;
    let run = props.run(&format!("explain - {AT} --show-values"), request);
    assert!(run.stdout.contains("is secret-tenant"), "{}", run.stdout);
}

/// P742: the commands in advice are whole, for the documents or the settings that were given.
#[test]
fn advice_about_a_refusal_has_whole_commands() {
    let props = props();
    let iss = crate::testbed::mint::ISSUER;
    props.write("policies/revoked.yaml", format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: RevocationList\nmetadata: {{ name: revoked }}\nspec: {{ entries: [{{ issuer: '{iss}' }}] }}\n"
    ));
    props.write("countersign.yaml", "documents: [policies]\nlistener: { address: 127.0.0.1:0 }\n");
    for from in ["--documents policies", "--config countersign.yaml"] {
        let run = props.run(
            &format!("explain --host orders.example.com --path /v1/orders --token tokens/bearer.jwt --at 2027-01-15T08:00:00Z --offline {from}"),
            "",
        );
        let command = format!("countersign revocations {from}");
        assert!(
            run.stdout.contains(&format!("`{command}` shows who")),
            "{}{}",
            run.stdout,
            run.stderr
        );
        let listed = props.run_with(&command.split(' ').skip(1).collect::<Vec<_>>(), "");
        assert!(listed.code == 0 && listed.stdout.contains(iss), "{}", listed.stderr);
    }
}

/// A real certificate and a real token, by flags: the steps and checks of a server.
#[test]
fn flags_with_real_credentials_are_verified_as_a_server_does() {
    let props = props();
    let flags = "--host orders.example.com --path /v1/orders/42 --header x-tenant:acme";
    let real = "--certificate clients/frontend.pem --token tokens/bearer.jwt";
    let run = props.run(&format!("explain {AT} {flags} {real}"), "");
    assert!(run.stdout.contains("signature           passed"), "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("RFC 7515 section 5.2"), "{}", run.stdout);
    assert!(run.stdout.contains("source.certificate  caller"), "{}", run.stdout);
    let expired = props.run(
        &format!("explain --documents policies --offline --at 2028-01-01T00:00:00Z {flags} --peer-spiffe spiffe://prod.example/ns/web/sa/frontend --token -"),
        std::fs::read(props.folder.join("tokens/bearer.jwt")).unwrap(),
    );
    assert_eq!(expired.code, 1);
    assert!(expired.stdout.contains("token_expired"), "{}", expired.stdout);
    assert!(expired.stdout.contains("expiry              failed"), "{}", expired.stdout);
    let token = std::fs::read_to_string(props.folder.join("tokens/bearer.jwt")).unwrap();
    for run in [run, expired] {
        assert!(!run.stdout.contains(token.trim()), "a token is never printed");
    }
}

#[test]
fn a_recorded_check_is_explained() {
    let props = props();
    let check = r#"{"attributes": {"request": {"http": {"method": "GET", "host": "orders.example.com", "path": "/healthz", "scheme": "https"}}}}"#;
    let run = props.run(&format!("explain - {AT}"), check);
    run.shows(0, &["allow by orders/health", "└─ holds health allow, by /healthz <- decides"]);
    let misspelt = check.replace("\"path\"", "\"pth\"");
    let run = props.run(&format!("explain - {AT}"), misspelt);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("unknown field `pth`"), "{}", run.stderr);
}

const RECORD: &str = r#"{"decision_id":"5c3a9be1f02a41d09c6a4f1f0f3f3a55","time":"2027-01-15T08:00:00.250Z","decision":"deny","reason":"eval_error","detail":"cannot determine whether the condition holds","policy":"orders","rule":"read","revision":"0000000000000000","duration_us":"12","request":{"id":"req-1","method":"GET","host":"orders.example.com","path":"/v1/orders/42","source":"10.0.0.1:4711","scheme":"https"},"annotations":{"owner":"team-web"},"peer":{"trust_domain":"prod","spiffe":"spiffe://prod.example/ns/web/sa/frontend","evidence":"hash"},"tokens":[{"issuer_name":"corp","issuer":"https://login.example.com","subject":"alice","scopes":["orders:read"],"expires_at":"2027-01-15T09:00:00.000Z","binding":"none"}]}"#;

/// `explain` says which facts a record lacks, and makes none up. P256: a line that is no text hides none that is good.
#[test]
fn a_decision_from_the_audit_log_is_put_again() {
    let props = props();
    let later = RECORD.replace("5c3a9be1", "77777777").replace("req-1", "req-2");
    let refused = RECORD
        .replace("5c3a9be1", "88888888")
        .replace("req-1", "req-3")
        .replace(r#""reason":"eval_error","detail":"cannot determine whether the condition holds","policy":"orders","rule":"read""#, r#""reason":"cert_expired","detail":"expired""#);
    let refused = {
        let mut json: Value = serde_json::from_str(&refused).unwrap();
        json.as_object_mut().unwrap().remove("peer");
        json.as_object_mut().unwrap().remove("tokens");
        json
    };
    let throttled = {
        let mut json = refused.clone();
        json["decision_id"] = json!("66666666aaaa");
        json["reason"] = json!("throttled");
        json["throttling"] = json!({
            "source": "10.0.0.1/32", "failed": "signature_invalid", "enforced": true, "retry_after": 3,
        });
        json
    };
    let torn = b"\xff5c3a9be1\n".as_slice();
    let log = format!("{later}\nnot json\n{RECORD}\n{refused}\n{throttled}\n");
    props.write("audit.jsonl", [torn, log.as_bytes()].concat());
    let documents = "--documents policies --audit audit.jsonl";
    assert_golden(
        "recorded.txt",
        &props.run(&format!("explain {documents} --decision 5c3a9be1"), ""),
    );
    let by_request =
        props.run(&format!("explain {documents} --decision req-1 --output json"), "").json();
    assert_eq!(by_request["recorded"]["decision_id"], "5c3a9be1f02a41d09c6a4f1f0f3f3a55");
    assert_eq!(by_request["recorded"]["same_documents"], false);
    let refused =
        props.run(&format!("explain {documents} --decision 88888888 --output json"), "").json();
    assert_eq!(refused["peer"]["reason"], "cert_expired");
    assert_eq!(refused["recorded"]["same_answer"], true);
    let throttled =
        props.run(&format!("explain {documents} --decision 66666666 --output json"), "").json();
    assert_eq!(throttled["answer"]["status"], 429);
    let note = "the request is throttled: 10.0.0.1/32 has too many failed attempts; of this one: signature_invalid";
    assert_eq!(throttled["question"]["notes"], json!([note]));
    for (arguments, message) in [
        (format!("explain {documents} --decision 99999999"), "no decision in `audit.jsonl`"),
        (format!("explain {documents} --decision 5c"), "at least four characters"),
        (format!("explain {documents} --decision f02a41d09c"), "no decision"),
        (String::from("explain --documents policies --decision 5c3a9be1"), "no audit log is given"),
        (
            String::from("explain --documents policies --audit absent --decision 5c3a9be1"),
            "cannot read `absent`",
        ),
        (String::from("explain --documents policies"), "no request is given"),
        (String::from("explain --documents policies --case absent"), "no case of a suite"),
    ] {
        let run = props.run(&arguments, "");
        assert_eq!(run.code, 2, "{arguments}");
        assert!(run.stderr.contains(message), "{arguments}: {}", run.stderr);
    }
}

/// `explain` signs assertions with a key that does not count, and that does not keep the rule from allowing.
#[test]
fn a_rule_that_asserts_allows_as_it_does_when_serving() {
    let props = props();
    let inject = "inject: { headers: { x-subject: \"{token.sub}\" } }";
    let asserting = format!(
        "{} }}",
        inject.trim_end_matches(" }").to_owned()
            + " }, assertion: { header: x-caller, audience: orders }"
    );
    props.write("policies/all.yaml", DOCUMENTS.replace(inject, &asserting));
    let request = CASES.iter().find(|(name, _)| *name == "allowed").unwrap().1;
    let run = props.run(&format!("explain - {AT}"), request);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("a signed statement in x-caller"), "{}", run.stdout);
}

/// Settings say where the log and the documents are.
#[test]
fn settings_and_an_id_are_enough() {
    let props = props();
    props.write("audit.jsonl", RECORD);
    props.write("c.yaml", "documents: [policies]\naudit: { file: audit.jsonl }\n");
    let run = props.run("explain --config c.yaml --decision 5c3a9be1", "");
    assert_eq!(run.code, 1);
    assert!(run.stdout.starts_with("deny  eval_error"), "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_case_of_a_suite_is_explained() {
    let props = props();
    let run = props.run(&format!("explain {AT} --case"), "");
    assert_eq!(run.code, 2, "a case has a name");
    let arguments: Vec<&str> = AT.split(' ').chain(["--case", "orders/a reader reads"]).collect();
    let run = props.run_with(&[&["explain"], arguments.as_slice()].concat(), "");
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let arguments: Vec<&str> = AT.split(' ').chain(["--case", "no other caller reads"]).collect();
    let run = props.run_with(&[&["explain"], arguments.as_slice()].concat(), "");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("is 2 requests"), "{}", run.stderr);
}
