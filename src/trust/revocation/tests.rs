//! Lists: what they revoke, when, and which of them are put in force.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::clock::UnixTime;
use crate::document::{Attachments, Diagnostic, SourceFile, parse};
use crate::trust::TrustStore;

const ISS: &str = "https://login.example.com";

fn at(text: &str) -> UnixTime {
    UnixTime::from_rfc3339(text).unwrap()
}

fn token(kind: RevocationKind, value: &str) -> RevocationTarget<&str> {
    RevocationTarget::OfIssuer(kind, ISS, value)
}

fn compiled(spec: &str) -> (TrustStore, Vec<Diagnostic>) {
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: RevocationList\nmetadata: {{ name: emergency }}\nspec:\n{spec}\n"
    );
    let mut problems = Vec::new();
    let documents = parse(&SourceFile::new("/lists/emergency.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    (store, problems)
}

fn list(text: &str) -> ListText {
    ListText::parse("emergency", format!("{FIRST_LINE}\n{text}\n").as_bytes()).unwrap()
}

fn view(text: &str) -> RevocationView {
    RevocationView::new(vec![Arc::new(list(text).table)])
}

#[test]
fn an_entry_counts_for_what_was_issued_before_and_until_it_expires() {
    let view = view(
        "@issuer https://login.example.com\nsub alice issued-before=2026-11-22T03:00:00Z expires=2026-11-23T00:00:00Z\nsub bob",
    );
    let now = at("2026-11-22T12:00:00Z");
    let found = |sub, issued: Option<&str>, now| {
        view.find(&token(RevocationKind::Subject, sub), issued.map(at), now).is_some()
    };
    assert!(found("alice", Some("2026-11-22T02:59:59Z"), now));
    assert!(!found("alice", Some("2026-11-22T03:00:00Z"), now));
    assert!(found("alice", None, now), "it does not say when it was issued");
    assert!(found("alice", None, at("2026-11-22T23:59:59Z")));
    assert!(!found("alice", None, at("2026-11-23T00:00:00Z")), "the entry has expired");
    assert!(
        found("bob", Some("2036-01-01T00:00:00Z"), now),
        "without a time: whenever it was issued"
    );
    assert!(!found("carol", None, now));
    let other = RevocationTarget::OfIssuer(RevocationKind::Subject, "https://other", "bob");
    assert!(view.find(&other, None, now).is_none(), "another issuer's bob is another user");
    assert!(view.find(&token(RevocationKind::Client, "bob"), None, now).is_none());
}

#[test]
fn several_entries_for_one_thing_all_count() {
    let view = view(
        "@issuer https://login.example.com\nsub a issued-before=2026-01-01T00:00:00Z\nsub a issued-before=2026-06-01T00:00:00Z\nsub a issued-before=2027-01-01T00:00:00Z expires=2026-02-01T00:00:00Z",
    );
    let found = |issued, now| {
        view.find(&token(RevocationKind::Subject, "a"), Some(at(issued)), at(now)).is_some()
    };
    assert!(found("2026-05-01T00:00:00Z", "2026-07-01T00:00:00Z"));
    assert!(!found("2026-06-02T00:00:00Z", "2026-07-01T00:00:00Z"));
    assert!(found("2026-06-02T00:00:00Z", "2026-01-15T00:00:00Z"));
}

#[test]
fn a_long_list_finds_each_of_its_entries_and_no_other() {
    let lines: String = (0..20_000).map(|n| format!("jti t-{n}\n")).collect();
    let view = view(&format!("@issuer {ISS}\n@reason leaked\n{lines}kid k\nspiffe spiffe://a/b"));
    assert_eq!(view.len(), 20_002);
    let now = UnixTime::from_secs(0);
    for n in 0..20_000 {
        let value = format!("t-{n}");
        let found = view.find(&token(RevocationKind::Token, &value), None, now).unwrap();
        assert_eq!((found.list, found.note.reason.as_deref()), ("emergency", Some("leaked")));
    }
    for n in 20_000..40_000 {
        let value = format!("t-{n}");
        assert!(view.find(&token(RevocationKind::Token, &value), None, now).is_none());
    }
    assert!(view.find(&RevocationTarget::Spiffe("spiffe://a/b"), None, now).is_some());
}

#[test]
fn values_with_spaces_are_escaped_and_notes_stand_for_what_follows() {
    let read = list(
        "# a comment\n\n@sequence 7\n@next-update 2026-11-22T04:00:00Z\n@name emergency\n@certificate-issuer CN=prod CA, O=Example\nserial 0A\n@issuer https://login.example.com\n@author bob\nsub Alice%20B%25\nissuer https://gone.example",
    );
    let header = &read.header;
    assert_eq!((header.sequence, header.next_update), (Some(7), Some(at("2026-11-22T04:00:00Z"))));
    let view = RevocationView::new(vec![Arc::new(read.table)]);
    let now = UnixTime::from_secs(0);
    let serial =
        view.find(&RevocationTarget::Serial("a", "O=Example,CN=prod CA"), None, now).unwrap();
    assert_eq!(serial.note.author, None);
    let sub = view.find(&token(RevocationKind::Subject, "Alice B%"), None, now).unwrap();
    assert_eq!(sub.note.author.as_deref(), Some("bob"));
    assert!(view.find(&RevocationTarget::Issuer("https://gone.example"), None, now).is_some());
}

/// P77: a list with one wrong line is refused whole, and all of its wrong lines are reported, without their values.
#[test]
fn a_malformed_list_is_refused_with_its_lines() {
    for (text, line) in [
        (&b"jti a\n"[..], 1),
        (b"", 1),
        (b"countersign-revocations/2\n", 1),
        (b"countersign-revocations/1\nsecret \xff\n", 1),
        (b"countersign-revocations/1\n@issuer i\njti cut-short", 3),
        (b"countersign-revocations/1\njti secret\n", 2),
        (b"countersign-revocations/1\n@issuer i\njti\n", 3),
        (b"countersign-revocations/1\n@issuer i\njti a b\n", 3),
        (b"countersign-revocations/1\n@issuer i\njti a issued-before=2026-11-22T03:00:00Z\n", 3),
        (b"countersign-revocations/1\nsecret thing\n", 2),
        (b"countersign-revocations/1\n@secret thing\n", 2),
        (b"countersign-revocations/1\n@sequence x\n", 2),
        (b"countersign-revocations/1\n@sequence 1\n@sequence 2\n", 3),
        (b"countersign-revocations/1\n@next-update secret\n", 2),
        (b"countersign-revocations/1\nspiffe secret\n", 2),
        (b"countersign-revocations/1\nserial 0a\n", 2),
        (b"countersign-revocations/1\n@issuer i\nsub a%ff\n", 3),
    ] {
        let errors = ListText::parse("l", text).unwrap_err();
        assert_eq!(errors[0].line, line, "{errors:?}");
        assert!(!errors[0].message.contains("secret"), "{errors:?}");
    }
    let many = "x\n".repeat(1000);
    let errors = ListText::parse("l", format!("{FIRST_LINE}\n{many}").as_bytes()).unwrap_err();
    assert_eq!(errors.len(), 20);
}

#[test]
fn a_document_is_compiled_with_every_problem_in_its_place() {
    let (store, problems) = compiled(
        "  entries:\n    - { jti: a, issuer: https://login.example.com, reason: leaked }\n    - { spiffe: spiffe://a/b }",
    );
    assert_eq!(problems.iter().map(|p| p.code.as_str()).collect::<Vec<_>>(), ["unknown-issuer"]);
    let now = UnixTime::from_secs(0);
    let found = store.revocations().find(&token(RevocationKind::Token, "a"), None, now);
    assert_eq!(found.unwrap().list, "emergency");
    for (spec, codes) in [
        ("  {}", &["empty-revocation-list"][..]),
        ("  entries: [{ jti: a }, { spki: b }]", &["invalid-revocation", "invalid-revocation"]),
        ("  from: { file: a.txt }", &["missing-on-stale"]),
        ("  from: { inline: a }\n  onStale: deny", &["inline-not-here"]),
        ("  from: { remote: { url: http://a/b } }\n  onStale: deny", &["invalid-url"]),
        (
            "  from: { remote: { url: https://a/b, refresh: 10ms } }\n  onStale: deny",
            &["invalid-refresh"],
        ),
        ("  entries: [{ spiffe: spiffe://a/b }]\n  maxAge: 1h", &["missing-from"]),
        (
            "  from: { file: a }\n  onStale: deny\n  signature: { from: { file: s }, keys: { inline: '{\"keys\":[]}' } }",
            &["invalid-keys"],
        ),
        (
            "  from: { file: a }\n  onStale: deny\n  signature: { from: { file: s }, keys: { remote: { url: https://a } } }",
            &["remote-not-here"],
        ),
        ("  entires: []", &["invalid-document"]),
    ] {
        let (_, problems) = compiled(spec);
        let found: Vec<_> = problems.iter().map(|problem| problem.code.as_str()).collect();
        if codes == ["invalid-document"] {
            assert_eq!(found.len(), 1, "{spec}");
        } else {
            assert_eq!(found, codes, "{spec}");
        }
    }
}

struct Signer(Ed25519KeyPair, &'static str);

impl Signer {
    fn new(id: &'static str) -> Self {
        Self(Ed25519KeyPair::generate().unwrap(), id)
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.1, "x": x })
    }

    fn sign(&self, header: &Value, text: &[u8]) -> Vec<u8> {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        let raw = header_says_raw(&header);
        let payload = if raw { text.to_vec() } else { URL_SAFE_NO_PAD.encode(text).into_bytes() };
        let message = [header.as_bytes(), b".", &payload].concat();
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(&message));
        format!("{header}..{signature}\n").into_bytes()
    }

    fn plain(&self, text: &[u8]) -> Vec<u8> {
        self.sign(&json!({ "alg": "EdDSA", "kid": self.1 }), text)
    }
}

fn header_says_raw(header: &str) -> bool {
    String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap().contains("\"b64\":false")
}

fn signed_source(keys: &[&Signer]) -> Arc<ListSource> {
    let keys = json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() });
    let (store, problems) = compiled(&format!(
        "  from: {{ file: list.txt }}\n  onStale: deny\n  signature: {{ from: {{ file: list.sig }}, keys: {{ inline: '{keys}' }} }}"
    ));
    assert!(problems.is_empty(), "{}", problems[0]);
    Arc::clone(store.revocation_lists()[0].source.as_ref().unwrap())
}

fn text(sequence: u64, more: &str) -> Vec<u8> {
    format!("{FIRST_LINE}\n@sequence {sequence}\nspiffe spiffe://a/b\n{more}").into_bytes()
}

/// RFC 7515 appendix F, RFC 7797: only the pinned keys, only this text, whichever way it is signed.
#[test]
fn a_signed_list_is_accepted_from_its_signer_alone() {
    let (signer, other) = (Signer::new("ops"), Signer::new("ops"));
    let source = signed_source(&[&signer]);
    let text = text(1, "");
    let raw = json!({ "alg": "EdDSA", "kid": "ops", "b64": false, "crit": ["b64"] });
    for good in [signer.plain(&text), signer.sign(&raw, &text)] {
        assert!(source.accept("emergency", &text, Some(&good), None).is_ok());
    }
    use ListSignatureError::{Algorithm, Critical, Header, Key, Shape, Wrong};
    let head = |header: Value| signer.sign(&header, &text);
    for (signature, expected) in [
        (other.plain(&text), Wrong),
        (signer.plain(b"something else"), Wrong),
        (head(json!({ "alg": "EdDSA", "kid": "other" })), Key),
        (head(json!({ "alg": "ES256", "kid": "ops" })), Key),
        (head(json!({ "alg": "none", "kid": "ops" })), Algorithm),
        (head(json!({ "alg": "HS256", "kid": "ops" })), Algorithm),
        (head(json!({ "kid": "ops" })), Header),
        (head(json!({ "alg": "EdDSA", "kid": 7 })), Header),
        (head(json!({ "alg": "EdDSA", "kid": "ops", "crit": ["exp"], "exp": 1 })), Critical),
        (head(json!({ "alg": "EdDSA", "kid": "ops", "crit": [] })), Header),
        (head(json!({ "alg": "EdDSA", "kid": "ops", "crit": ["b64"] })), Header),
        (head(json!({ "alg": "EdDSA", "kid": "ops", "b64": false })), Header),
        (head(json!(["EdDSA"])), Header),
        (b"".to_vec(), Shape),
        (b"a.b.c".to_vec(), Shape),
        (b"!..!".to_vec(), Shape),
        (vec![b'a'; 100_000], Shape),
        (b"\xff..a".to_vec(), Shape),
    ] {
        let error = source.accept("emergency", &text, Some(&signature), None).unwrap_err();
        assert_eq!(
            error,
            ListError::Signature(expected),
            "{}",
            String::from_utf8_lossy(&signature)
        );
    }
    let unsigned = source.accept("emergency", &text, None, None).unwrap_err();
    assert_eq!(unsigned, ListError::Signature(Shape));
}

#[test]
fn an_older_list_is_not_put_in_force_again() {
    let signer = Signer::new("ops");
    let source = signed_source(&[&signer]);
    let accept = |text: &[u8], mark: Option<&ListMark>| {
        source.accept("emergency", text, Some(&signer.plain(text)), mark)
    };
    let second = accept(&text(2, ""), None).unwrap().mark;
    assert!(accept(&text(2, ""), Some(&second)).is_ok(), "the same list");
    assert!(accept(&text(3, ""), Some(&second)).is_ok());
    let rollback = accept(&text(1, ""), Some(&second)).unwrap_err();
    assert_eq!(rollback, ListError::Rollback { got: 1, in_force: 2 });
    let changed = accept(&text(2, "spiffe spiffe://a/c\n"), Some(&second)).unwrap_err();
    assert_eq!(changed, ListError::SameSequence(2));
    let bare = format!("{FIRST_LINE}\nspiffe spiffe://a/b\n");
    assert_eq!(accept(bare.as_bytes(), None).unwrap_err(), ListError::NoSequence);
    let named = format!("{FIRST_LINE}\n@sequence 9\n@name other\n");
    assert_eq!(accept(named.as_bytes(), None).unwrap_err(), ListError::OtherName);
    let malformed = format!("{FIRST_LINE}\n@sequence 9\nx\n");
    assert!(matches!(accept(malformed.as_bytes(), None).unwrap_err(), ListError::Lines(_)));
}

/// The codes that entries give beside a trust domain and an issuer with keys of its own.
fn codes_beside_documents(entries: &str) -> Vec<&'static str> {
    let ca = crate::trust::tests::pki::Ca::root("Prod  CA");
    let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: RevocationList\nmetadata: {{ name: l }}\nspec: {{ entries: [{entries}] }}\n{}---\napiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec: {{ issuer: {ISS}, audiences: [a], algorithms: [EdDSA], keys: {{ inline: '{jwks}' }} }}\n{}",
        crate::trust::tests::pki::trust_domain(
            "prod",
            "{ spiffe: prod.example, authorities: [{ file: ca.pem }] }"
        ),
        "---\napiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: { name: svids }\nspec: { profile: jwtSvid, issuer: 'spiffe://tokens.example', audiences: [a], algorithms: [ES256], keys: { url: 'https://spire.example.com/keys' } }\n",
    );
    let mut problems = Vec::new();
    let documents = parse(&SourceFile::new("docs/all.yaml", text), &mut problems);
    let mut files = Attachments::default();
    files.insert("docs/ca.pem".into(), Ok(ca.pem().into_bytes()));
    let _ = TrustStore::compile(&documents, &files, &mut problems);
    problems.iter().map(|problem| problem.code.as_str()).collect()
}

/// P118, P206: entries about names in no document are reported, and those that are spelt in another way are not, nor
/// workloads that JWT-SVIDs alone vouch for.
#[test]
fn entries_that_can_revoke_nothing_are_told_of() {
    for (entry, codes) in [
        ("{ serial: 0A1B, certificateIssuer: 'CN=PROD ca' }", &[][..]),
        ("{ serial: 0A1B, certificateIssuer: '2.5.4.3=prod ca' }", &[]),
        ("{ serial: 0A1B, certificateIssuer: 'CN=other' }", &["unknown-certificate-issuer"]),
        ("{ serial: 0A1B, certificateIssuer: /CN=prod-ca }", &["invalid-revocation"]),
        ("{ serial: 0A1B, certificateIssuer: prod-ca }", &["invalid-revocation"]),
        ("{ kid: k1, issuer: 'https://login.example.com' }", &[]),
        ("{ kid: K1, issuer: 'https://login.example.com' }", &["unknown-key"]),
        ("{ sub: a, issuer: 'https://login.example.com/' }", &["unknown-issuer"]),
        ("{ sub: 'a ', issuer: 'https://login.example.com' }", &["odd-value"]),
        ("{ spiffe: 'spiffe://prod.example/a' }", &[]),
        ("{ spiffe: 'spiffe://tokens.example/a' }", &[]),
        ("{ spiffe: 'spiffe://prod.exmple/a' }", &["unknown-workload"]),
        ("{ spiffe: 'spiffe://Prod.example/a' }", &["invalid-revocation"]),
        ("{ spiffe: 'SPIFFE://prod.example/a' }", &["invalid-revocation"]),
        ("{ spiffe: 'spiffe://prod.example/a/' }", &["invalid-revocation"]),
        ("{ spiffe: 'spiffe://prod.example/*' }", &["invalid-revocation"]),
        ("{ certificate: 'SHA256 Fingerprint=AA:BB' }", &["invalid-revocation"]),
        ("{ serial: '-1', certificateIssuer: 'CN=prod ca' }", &["invalid-revocation"]),
    ] {
        assert_eq!(codes_beside_documents(entry), codes, "{entry}");
    }
    let print = "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
    assert_eq!(codes_beside_documents(&format!("{{ certificate: '{print}' }}")), [""; 0]);
}

/// A list whose document names other keys begins again, as one from another place does.
#[test]
fn a_list_by_another_signer_is_another_list() {
    let (signer, other) = (Signer::new("ops"), Signer::new("ops"));
    let source = signed_source(&[&signer]);
    assert!(source.is_same_place_as(&signed_source(&[&signer])));
    assert!(!source.is_same_place_as(&signed_source(&[&other])));
}

/// P777: an entry with a character that cannot be seen would revoke another value than it shows, and nothing that exists.
#[test]
fn an_entry_is_what_it_looks_like() {
    let parsed = |line: &str| {
        let text = format!("{}\n@issuer https://a.example\n{line}\n", FIRST_LINE);
        ListText::parse("list", text.as_bytes()).map(|list| list.table.len())
    };
    for unseen in ["\u{200b}", "\u{feff}", "\u{ad}", "\u{a0}", "\u{2009}", "\u{202e}", "\u{200d}"] {
        for line in [
            format!("jti 550e8400{unseen}e29b"),
            format!("jti {unseen}550e8400"),
            format!("@issuer https://a.exam{unseen}ple"),
            format!("jti 550e8400 expires=2026-{unseen}11-23T03:00:00Z"),
        ] {
            let wrong = parsed(&line).unwrap_err();
            assert!(wrong[0].message.contains("cannot be seen"), "{line:?}: {wrong:?}");
        }
    }
    assert_eq!(parsed("jti 550e8400%E2%80%8Be29b"), Ok(1));
    assert_eq!(parsed("sub zo\u{eb}"), Ok(1));
    assert_eq!(parsed("@reason a\u{a0}laptop\njti a"), Ok(1));
}
