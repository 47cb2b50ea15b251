//! The shipped examples: they load without a doubt, and they do what their comments say.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use countersign::pdp::Load;
use countersign::policy::Coverage;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn problems(paths: &[PathBuf]) -> String {
    let load = Load::from_paths(paths);
    load.problems.iter().map(|problem| problem.render(false)).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_examples_load_together() {
    let load = Load::from_paths(&[folder()]);
    assert_eq!(problems(&[folder()]), "");
    assert!(load.snapshot.is_some());
}

#[test]
fn each_example_loads_with_nothing_but_the_trust_beside_it() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert_eq!(problems(&[path.clone(), folder().join("trust")]), "", "{}", path.display());
        }
    }
}

/// The policies do what the cases of their suites say, every rule holds in some case, and every part of a condition is seen both ways.
#[test]
fn the_suites_of_the_examples_pass_and_cover_every_rule_and_branch() {
    let load = Load::from_paths(&[folder()]);
    let snapshot = load.snapshot.unwrap();
    let mut coverage = Coverage::default();
    assert!(!load.suites.is_empty());
    for suite in &load.suites {
        let report = suite.run(snapshot.policies());
        assert!(!report.cases.is_empty());
        for case in report.cases {
            assert_eq!(case.differences, [], "{}: {} {}", case.place, case.name, case.variant);
        }
        coverage.merge(&report.coverage);
    }
    let report = coverage.of(snapshot.policies());
    assert!(report.is_full() && report.parts > 0, "{report:?}");
}

const WRONG_SUITE: &str = "
apiVersion: countersign.dev/v1alpha1
kind: PolicySuite
metadata: { name: wrong }
spec:
  cases:
    - name: everybody writes
      request: { method: POST, host: stock.prod.svc.cluster.local, path: /v1/items/17 }
      expect: { decision: allow, rule: batch-writes, headers: { x-peer: me } }
";

#[test]
fn a_failing_case_says_what_was_expected_and_what_was_found() {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    fs::write(file.path(), WRONG_SUITE).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("test")
        .args([
            folder().join("service-to-service.yaml"),
            folder().join("trust"),
            file.path().into(),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "FAIL  everybody writes",
        &format!("at {}:7:13", file.path().display()),
        "- decision: allow\n        + decision: deny\n",
        "- rule: batch-writes\n        + rule: none\n",
        "- header x-peer: me\n        + header x-peer: not injected\n",
        "decided: deny, no_rule",
        "1 case: 0 passed, 1 failed",
        "never: stock/batch-writes",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(output.status.code(), Some(1));
}

const SEALED_SUITE: &str = "
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: { name: links }
spec: { issuer: https://links.example.com, audiences: [files], algorithms: [ES256], keys: { file: corp.jwks.json }, tokens: [{ query: key }, { header: X-Key }] }
---
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: files }
spec:
  target: { hosts: [files.example.com] }
  rules:
    - { name: read, effect: allow, on: { paths: [/files] }, token: { issuer: links }, query: [{ name: key, any: { equals: secret } }] }
    - { name: look, effect: allow, on: { paths: [/look] }, token: { issuer: links } }
    - name: partners
      effect: allow
      on: { paths: [/partners] }
      peer: { uris: ['https://partner.example/w'], emails: [a@partner.example], ips: [192.0.2.0/24], subjects: ['CN=gateway,O=Partner'] }
---
apiVersion: countersign.dev/v1alpha1
kind: PolicySuite
metadata: { name: sealed }
spec:
  tokens: { link: { issuer: links, claims: { sub: alice } } }
  peers:
    gateway: { trustDomain: globex, uris: ['https://partner.example/w'], emails: [a@partner.example], ips: [192.0.2.7], subject: 'CN=gateway,O=Partner' }
    other: { trustDomain: globex, uris: ['https://partner.example/x'], emails: [a@partner.example], ips: [192.0.2.7], subject: 'CN=gateway,O=Partner' }
  cases:
    - name: what carries a token is seen by no rule
      requests:
        - { host: files.example.com, path: '/files?key=secret' }
        - { host: files.example.com, path: '/files?access_token=x&key=secret', headers: { x-key: secret, authorization: Bearer x } }
      token: link
      expect: { decision: deny, reason: no_rule }
    - name: the rest is
      request: { host: files.example.com, path: '/look?key=secret' }
      token: link
      expect: { decision: allow }
    - name: a certificate has other names, too
      request: { host: files.example.com, path: /partners }
      peer: gateway
      expect: { decision: allow, rule: partners }
    - name: all of which have to be right
      request: { host: files.example.com, path: /partners }
      peer: other
      expect: { decision: deny, reason: cert_san }
";

/// P71, P80: a case's request is split as a server splits it, so that a suite cannot promise what serving does not do.
#[test]
fn a_case_sees_what_a_server_shows_to_rules() {
    let trust = tempfile::tempdir().unwrap();
    for name in ["corp.jwks.json", "prod-ca.pem", "globex-ca.pem", "prod.yaml"] {
        fs::copy(folder().join("trust").join(name), trust.path().join(name)).unwrap();
    }
    fs::write(trust.path().join("sealed.yaml"), SEALED_SUITE).unwrap();
    let load = Load::from_paths(&[trust.path().to_owned()]);
    let problems: Vec<_> = load.problems.iter().map(|problem| problem.render(false)).collect();
    let snapshot = load.snapshot.unwrap_or_else(|| panic!("{}", problems.join("\n")));
    for case in load.suites[0].run(snapshot.policies()).cases {
        assert_eq!(case.differences, [], "{} {}", case.name, case.variant);
    }
}

#[test]
fn a_run_without_a_suite_is_not_a_success() {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .arg("test")
        .args([folder().join("health-checks.yaml")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no `kind: PolicySuite` document"));
}

const CLOSED: &str = "
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: health }
spec:
  target: { anyHost: true }
  rules: [{ name: probes, effect: allow, public: true, on: { paths: [/healthz] } }]
---
apiVersion: countersign.dev/v1alpha1
kind: PolicySuite
metadata: { name: health }
spec:
  cases: [{ name: open, request: { host: a.example, path: /readyz }, expect: { decision: allow } }]
";

#[test]
fn watching_runs_the_cases_again_when_a_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("health.yaml");
    fs::write(&file, CLOSED).unwrap();
    let mut watching = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["test", "--watch"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (tell, heard) = channel();
    let output = BufReader::new(watching.stdout.take().unwrap());
    std::thread::spawn(move || {
        output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)).ok()
    });
    let comes = |text: &str| {
        while !heard.recv_timeout(Duration::from_secs(60)).unwrap().contains(text) {}
    };
    comes("1 case: 0 passed, 1 failed");
    fs::write(&file, CLOSED.replace("[/healthz]", "[/healthz, /readyz]")).unwrap();
    comes("1 case: 1 passed, 0 failed");
    watching.kill().unwrap();
    watching.wait().unwrap();
}

const EITHER: &str = "
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: p }
spec:
  target: { anyHost: true }
  rules:
    - name: r
      effect: allow
      public: true
      on: { paths: [/a] }
      when: >-
        request.method == 'GET' || request.method == 'HEAD' && (has(context.zone) ? true : request.scheme == 'https')
---
apiVersion: countersign.dev/v1alpha1
kind: PolicySuite
metadata: { name: s }
spec:
  cases:
    - { name: get, request: { host: a.example, path: /a }, expect: { decision: allow } }
    - { name: post, request: { method: POST, host: a.example, path: /a }, expect: { decision: deny } }
";

#[test]
fn untried_parts_of_conditions_are_named_and_can_be_asked_for() {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    fs::write(file.path(), EITHER).unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("test").args(more).arg(file.path()).output().unwrap()
    };
    let output = run(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "2 cases: 2 passed, 0 failed",
        "4 parts of conditions: 1 evaluated to both true and false",
        "never true: `request.method == 'HEAD'` in p/r",
        "never true: `has(context.zone)` in p/r",
        "never false: `request.scheme == 'https'` in p/r",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("`request.method == 'GET'` in"), "{text}");
    assert_eq!((output.status.code(), run(&["--full-coverage"]).status.code()), (Some(0), Some(1)));
}
