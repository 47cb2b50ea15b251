//! The JSON Schema of documents and the reference that is made of it, against what is shipped and what the loader says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign::document::Kind;
use countersign::document::schema::{reference, schema, schema_of};
use countersign::pdp::Load;
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document in `text` as the data that a schema is about.
fn data(text: &str) -> Vec<Value> {
    let split = text.split("\n---\n").filter(|text| text.lines().any(|l| l.starts_with("kind:")));
    split.map(|text| serde_saphyr::from_str(text).unwrap()).collect()
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

/// Every document that is shipped.
fn shipped() -> Vec<PathBuf> {
    let mut files = Vec::new();
    yaml_files(&root().join("policies"), &mut files);
    yaml_files(&root().join("docs/examples"), &mut files);
    files.sort();
    files
}

/// The files that the examples point to, generated here: their contents do not matter to a reader.
fn with_files(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
    params.distinguished_name.push(rcgen::DnType::CommonName, "prod CA");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign, rcgen::KeyUsagePurpose::KeyCertSign];
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = rcgen::Issuer::new(params, &key);
    let crl = rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2026, 1, 1),
        next_update: rcgen::date_time_ymd(2100, 1, 1),
        crl_number: vec![1].into(),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    let jwks = fs::read_to_string(root().join("policies/trust/corp.jwks.json")).unwrap();
    for (name, text) in [
        ("ca.pem", &pem),
        ("intermediate.pem", &pem),
        ("client.pem", &pem),
        ("client.key", &key.serialize_pem()),
        ("own.token", &String::from("a-token\n")),
        ("gateway.key", &String::from("a-key\n")),
        ("client.secret", &String::from("a secret")),
        ("new.secret", &"n".repeat(32)),
        ("old.secret", &"o".repeat(32)),
        ("prod.crl", &crl.signed_by(&issuer).unwrap().pem().unwrap()),
        ("batch.jwks.json", &jwks),
        ("jobs.jwks.json", &jwks),
        ("mobile.jwks.json", &jwks),
        ("nonce.secret", &"n".repeat(64)),
        ("nonce.secret.old", &"o".repeat(64)),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    for entry in fs::read_dir(root().join("docs/examples")).unwrap() {
        let path = entry.unwrap().path();
        let indented = |text: &str| text.trim_end().replace('\n', "\n        ");
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("INLINE-CA", &indented(&pem));
        let text = text.replace(r#"{"keys": []}"#, &indented(&jwks));
        fs::write(folder.join(path.file_name().unwrap()), text).unwrap();
    }
}

#[test]
fn the_examples_of_the_reference_compile_and_their_cases_pass() {
    let folder = tempfile::tempdir().unwrap();
    with_files(folder.path());
    let load = Load::from_paths(&[folder.path().to_owned()]);
    // A server fetches the files on servers.
    // Files that are not fetched yet, and settings that are advised against and shown all the same.
    let expected = ["not-fetched", "query-token", "without-audience"];
    let problems =
        load.problems.iter().filter(|problem| !expected.contains(&problem.code.as_str()));
    let problems: Vec<_> = problems.map(|problem| problem.render(false)).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let snapshot = load.snapshot.unwrap();
    assert!(!load.suites.is_empty());
    for case in load.suites.iter().flat_map(|suite| suite.run(snapshot.policies()).cases) {
        assert_eq!(case.differences, [], "{}", case.name);
    }
}

#[test]
fn every_shipped_document_is_valid_by_the_schema_and_names_it() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    assert!(shipped().len() > 8);
    for path in shipped() {
        let text = fs::read_to_string(&path).unwrap();
        for document in data(&text) {
            let problems: Vec<_> =
                validator.iter_errors(&document).map(|problem| problem.to_string()).collect();
            assert!(problems.is_empty(), "{}: {}", path.display(), problems.join("\n"));
        }
        let named = text.lines().next().unwrap();
        let named = named.strip_prefix("# yaml-language-server: $schema=");
        let named = named.unwrap_or_else(|| panic!("{}: no schema in line 1", path.display()));
        let found = path.parent().unwrap().join(named).canonicalize().unwrap();
        assert!(found.ends_with("docs/schema/countersign.schema.json"), "{}", path.display());
    }
}

#[test]
fn what_the_loader_refuses_for_its_shape_the_schema_refuses_too() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let head = "apiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\n";
    let rule = |more: &str| {
        format!(
            "{head}spec: {{ target: {{ anyHost: true }}, rules: [{{ name: a, effect: allow, {more} }}] }}"
        )
    };
    let valid = |text: &str| validator.is_valid(&data(text)[0]);
    assert!(valid(&rule("public: true")));
    for wrong in [
        rule("publik: true"),
        rule("public: 1"),
        rule("on: { methods: GET }"),
        rule("on: null"),
        rule("mode: shadowed"),
        rule("token: { scope: [a] }"),
        rule("peer: { evidence: strong }"),
        rule("token: { issuer: corp, claims: [{ pointer: /a, equals: [1] }] }"),
        rule("public: true").replace("anyHost", "hosts"),
        rule("public: true").replace("effect: allow, ", ""),
        rule("public: true").replace("v1alpha1", "v1"),
        rule("public: true").replace("kind: Policy", "kind: Polices"),
        rule("public: true").replace("kind: Policy", "kind: TrustDomain"),
        rule("public: true").replace("metadata: { name: p }", "metadata: {}"),
        format!("{head}spec: {{ target: {{ ports: [70000] }}, rules: [] }}"),
        format!("{head}extra: 1\nspec: {{ target: {{}}, rules: [] }}"),
    ] {
        assert!(!valid(&wrong), "{wrong}");
    }
}

/// The other direction: no wrong document of the golden files is valid for its shape where the loader says that a key, a
/// word or a kind is unknown.
#[test]
fn the_schema_knows_every_key_and_word_that_the_loader_knows() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let codes = ["unknown-field", "unknown-value", "missing-field", "unknown-kind"];
    let mut files = Vec::new();
    yaml_files(&root().join("tests/policy-errors"), &mut files);
    let mut seen = 0;
    for path in files {
        let told = fs::read_to_string(path.with_extension("stderr")).unwrap();
        if codes.iter().any(|code| told.contains(&format!("error[{code}]"))) {
            let documents = data(&fs::read_to_string(&path).unwrap());
            // Settings among documents have no kind, by which an editor chooses the schema.
            let is_settings = documents.is_empty();
            assert!(
                is_settings || !documents.iter().all(|d| validator.is_valid(d)),
                "{}",
                path.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen} documents");
}

#[test]
fn the_command_prints_the_schema_and_the_reference() {
    let countersign = |arguments: &[&str]| {
        let command = Command::new(env!("CARGO_BIN_EXE_countersign")).args(arguments).output();
        String::from_utf8(command.unwrap().stdout).unwrap()
    };
    let printed: Value = serde_json::from_str(&countersign(&["schema"])).unwrap();
    assert_eq!(printed, schema());
    let printed: Value =
        serde_json::from_str(&countersign(&["schema", "--kind", "TokenIssuer"])).unwrap();
    assert_eq!(Some(&printed), Some(&schema_of(Kind::TokenIssuer)));
    assert_eq!(printed["properties"]["kind"]["const"], json!("TokenIssuer"));
    assert!(printed["$defs"].get("PolicySpec").is_none());
    assert_eq!(countersign(&["schema", "--output", "markdown"]), reference());
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(countersign(&["schema", "--output-file", path]), "");
    assert_eq!(fs::read_to_string(path).unwrap(), format!("{:#}\n", schema()));
}

/// The shipped schema and reference of settings are those of the types. After a change of settings
/// `COUNTERSIGN_BLESS=1 cargo test --test in_process schema` rewrites them.
#[test]
fn the_schema_and_the_reference_of_settings_are_up_to_date() {
    use countersign::config::schema;
    for (path, text) in [
        ("docs/schema/settings.schema.json", format!("{:#}\n", schema::schema())),
        ("docs/settings.md", schema::reference()),
    ] {
        let path = root().join(path);
        if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        let hint =
            "run `COUNTERSIGN_BLESS=1 cargo test --test in_process schema` and read the difference";
        assert!(kept == text, "{} is out of date: {hint}", path.display());
    }
}
