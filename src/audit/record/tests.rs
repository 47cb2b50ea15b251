//! The JSON form is the schema's, and what must not be in a record is not.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::audit::{Event, tests as example};
use crate::authn::{Binding, Credential, PeerFacts, RejectedCookie, Subject};
use crate::evidence_level::EvidenceLevel;
use crate::limits::{MAX_AUDIT_RECORD_BYTES, MAX_AUDIT_TEXT_BYTES};
use crate::pdp::{NoRequestTrace, ThrottleMode, ThrottleOptions};
use crate::reason::Reason;
use crate::request::{HeaderValue, ServerName};

impl Record {
    /// A record with an id and an answer only.
    pub(in crate::audit) fn brief(decision: &str, id: u64) -> Self {
        let line = format!("{{\"decision_id\":\"{id:04}\",\"decision\":\"{decision}\"}}\n");
        let (at, allows) = (UnixTime::from_secs(0), decision == "allow");
        Self { line: line.into(), at, allows, is_proven: true }
    }

    /// As the schema has it.
    pub(in crate::audit) fn read(&self) -> DecisionRecord {
        serde_json::from_slice(&self.line).unwrap()
    }
}

#[test]
fn moments_have_one_form() {
    for (millis, text) in [
        (1_795_341_600_020, Some(b"2026-11-22T10:00:00.020Z")),
        (-1, Some(b"1969-12-31T23:59:59.999Z")),
        (253_402_300_799_999, Some(b"9999-12-31T23:59:59.999Z")),
        (253_402_300_800_000, None),
        (-62_167_219_200_001, None),
        (i64::MAX, None),
    ] {
        assert_eq!(rfc3339(UnixTime::from_millis(millis)).as_ref(), text, "{millis}");
    }
}

/// P71, P80: names of parameters, and nothing that could be a value.
#[test]
fn a_query_shows_names_only() {
    for (target, shown) in [
        ("/a", ""),
        ("/a?", ""),
        ("/a?page=2&access_token=secret", "page=*&access_token=*"),
        ("/a?filter[from]=1#secret=1", "filter[from]=*"),
        ("/a?secret", "*"),
        ("/a?c2VjcmV0=", "*"),
        ("/a?c2VjcmV0==", "*"),
        ("/a?=secret&a=b=secret", "*&a=*"),
        ("/a?a-name-that-is-longer-than-usual=1", "*"),
        ("/a?s%65cret=1", "*"),
        ("/a#b?secret=1", ""),
    ] {
        assert_eq!(hidden::query(target), shown, "{target}");
    }
    let many = format!("/a?{}", "a=1&".repeat(1000));
    assert_eq!(hidden::query(&many).matches('*').count(), hidden::MAX_PARAMETERS);
}

/// P80: only claims that are allowed are in a record.
#[test]
fn claims_are_recorded_where_they_are_allowed() {
    let claims = json!({
        "iss": "corp", "sub": "alice", "client_id": "web", "aud": ["orders"], "scope": "a b",
        "tenant": "acme", "realm": { "roles": ["x"], "level": 3 }, "email": "a@example.com",
        "long": "x".repeat(1000),
    });
    let token = |pointers: &[&str]| {
        let allowed = pointers.iter().map(ToString::to_string).collect();
        let claims = claims.as_object().unwrap().clone();
        let identity = TokenIdentity::assertion("corp", claims, Binding::None).unwrap();
        let claims = RecordedClaims::new(allowed).unwrap();
        let json = Json::object_of(0, |record| token(&identity, &claims, record));
        serde_json::from_slice::<wire::Token>(&json).unwrap()
    };
    let none = token(&[]);
    assert_eq!((none.issuer.as_str(), none.subject.as_str()), ("corp", ""));
    assert!(none.client.is_empty() && none.audiences.is_empty() && none.scopes.is_empty());
    assert!(none.claims.is_empty());
    let some = token(&["/sub", "/aud", "/tenant", "/realm/roles", "/realm/level", "/no", "/long"]);
    assert_eq!((some.subject.as_str(), some.client.as_str()), ("alice", ""));
    assert_eq!(some.audiences, ["orders"]);
    let further = [("/long", "x".repeat(1000)), ("/realm/level", "3".into())];
    let further = further.into_iter().chain([("/realm/roles", "[\"x\"]".into())]);
    let further = further.chain([("/tenant", "acme".to_owned())]);
    assert_eq!(some.claims, further.map(|(name, value)| (name.to_owned(), value)).collect());
    assert!(!format!("{some:?}").contains("example.com"));
}

/// The names of the fields of each message in the schema.
fn schema() -> BTreeMap<String, BTreeSet<String>> {
    let text = include_str!("../../../proto/countersign/v1/decision.proto");
    let mut messages = BTreeMap::<String, BTreeSet<String>>::new();
    let mut current = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        if let Some(name) = line.strip_prefix("message ") {
            current = name.trim_end_matches(" {").to_owned();
        } else if let Some((declared, _)) = line.split_once(" = ").filter(|_| !current.is_empty()) {
            let name = declared.rsplit_once(' ').unwrap().1.to_owned();
            messages.entry(current.clone()).or_default().insert(name);
        }
    }
    messages
}

/// Adds the names in `json`, which is a message called `message`, and those of the messages in it.
fn names(message: &str, json: &Value, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for (name, value) in json.as_object().unwrap() {
        found.entry(message.to_owned()).or_default().insert(name.clone());
        let within = match (message, name.as_str()) {
            ("DecisionRecord", "request") => "Request",
            ("DecisionRecord", "peer") => "Peer",
            ("DecisionRecord", "tokens") => "Token",
            ("DecisionRecord", "shadows") => "Shadow",
            ("DecisionRecord", "cache_hits") => "CacheHits",
            ("DecisionRecord", "ignored_tokens") => "IgnoredToken",
            ("DecisionRecord", "refused_credentials") => "RefusedCredential",
            ("DecisionRecord", "throttling") => "Throttling",
            _ => continue,
        };
        for one in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
            names(within, one, found);
        }
    }
}

fn caller() -> Subject {
    let facts = PeerFacts {
        other_trust_domains: vec!["corp".into()],
        spiffe: "spiffe://prod.example/a".parse().ok(),
        subject: Some("CN=\"a\"".into()),
        issuer: Some("CN=ca".into()),
        serial: Some("1f".into()),
        certificate: Some(Fingerprint::of(b"a")),
        not_after: Some(UnixTime::from_secs(1)),
        ..PeerFacts::of("prod")
    };
    let claims = json!({
        "iss": "corp", "sub": "alice", "client_id": "web", "aud": ["orders"], "scope": "a b", "jti": "1", "exp": 4_000_000_000_u64,
        "tenant": "acme",
    });
    let claims = claims.as_object().unwrap().clone();
    let token = TokenIdentity::assertion("corp", claims, Binding::Dpop).unwrap();
    let token = token.used_as(TokenUsage::default().with(TokenSignal::Peers, Some(false)));
    let peer = PeerIdentity::assertion(facts, EvidenceLevel::Full);
    // A cookie of an issuer that does not count here.
    let cookie = RejectedCookie {
        name: "session".into(),
        issuers: vec!["partner".into()],
        rejection: Reason::TokenExpired.because("expired"),
    };
    let all =
        Subject::assertion_beside(Credential::Verified(peer), vec![token], vec![cookie], None);
    all.where_count(|issuer| issuer == "corp")
}

/// A caller whose certificate and token are revoked.
fn revoked() -> Subject {
    let named = |reason: Reason, credential, marks: &[&'static str]| {
        let marks = marks.iter().map(|name| (*name, (*name).to_uppercase())).collect();
        reason.because("revoked by `a`").naming(RefusedCredential { credential, marks })
    };
    let marks = ["trust_domain", "spiffe", "subject", "issuer", "serial", "fingerprint"];
    let peer = Credential::Rejected(named(Reason::CertRevoked, "certificate", &marks));
    let marks = ["issuer_name", "issuer", "token_id_hash", "key_id"];
    let tokens = Credential::Rejected(named(Reason::TokenRevoked, "token", &marks));
    Subject::assertion(peer, tokens)
}

/// The lines, byte by byte: log pipelines depend on them. `COUNTERSIGN_BLESS=1` writes the file.
fn is_golden(lines: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/decision-records.jsonl");
    if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
        std::fs::write(path, lines).unwrap();
    }
    assert_eq!(lines, std::fs::read_to_string(path).unwrap());
}

/// One source for both: every field of `proto/` is in the JSON under its name and in its type, and nothing else is.
#[tokio::test]
async fn the_lines_are_the_schema() {
    // The second of two failed attempts is throttled.
    let (mode, failures) = (ThrottleMode::Enforce, std::num::NonZeroU32::MIN);
    let throttle = ThrottleOptions { mode, failures, ..ThrottleOptions::default() };
    let (pdp, mut found) = (example::pdp().throttling(throttle), BTreeMap::new());
    let mut lines = String::new();
    let pointers = ["/sub", "/client_id", "/aud", "/scope", "/tenant"].map(str::to_owned);
    let claims = RecordedClaims::new(pointers.into()).unwrap();
    for (path, caller) in [
        ("/watched?a=b", caller()),
        ("/nowhere", caller()),
        ("/nowhere", revoked()),
        ("/nowhere", revoked()),
    ] {
        let address = "10.0.0.1:80".parse().ok();
        let mut view = example::view(path);
        view.id = "1".into();
        view.source.address = address;
        view.destination.address = address;
        view.client = Client::Unknown;
        view.sni = ServerName::Name("orders.example".into());
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        view.headers.push("traceparent", HeaderValue::new(parent));
        view.headers.push("x-request-id", HeaderValue::new("1b1e5ba5-0f47-9a1e"));
        // Of a header that is there twice no condition can tell.
        view.headers.push("x-odd", HeaderValue::new("1"));
        view.headers.push("x-odd", HeaderValue::new("2"));
        let mut outcome = pdp.pin().decide_for(&view, caller, &mut NoRequestTrace::default()).await;
        outcome.cache_hits = CacheHits { certificates: 1, tokens: 1 };
        outcome.elapsed = Duration::from_micros(1);
        let record = Record::of(&view, &outcome, &claims, 0.5);
        assert!(record.line().ends_with(b"}\n"));
        // Reading refuses unknown names and wrong types; what was read is what was written.
        let json: Value = serde_json::from_slice(record.line()).unwrap();
        assert_eq!(serde_json::to_value(record.read()).unwrap(), json);
        names("DecisionRecord", &json, &mut found);
        // The two that differ from run to run.
        let line = std::str::from_utf8(record.line()).unwrap();
        let line = line.replace(&outcome.id.to_string(), "ID");
        lines.push_str(&line.replace(outcome.revision.as_str(), "REVISION"));
    }
    let event = Event {
        at: UnixTime::from_secs(0),
        signal: "a",
        about: "b",
        detail: "c",
        of_decision: "d",
    };
    let event: Value =
        serde_json::from_slice(&Json::object_of(0, |json| event.write(json))).unwrap();
    names("Event", &event, &mut found);
    is_golden(&lines);
    // A vouched caller has shown no key. `tests/e2e/audit.rs` has a token that was verified.
    found.entry("Token".into()).or_default().extend(["key_id".into(), "tenant".into()]);
    // Nothing is long here.
    found.entry("DecisionRecord".into()).or_default().insert("truncated".into());
    assert_eq!(found, schema());
}

/// P153: the id that access logs have is recorded as the caller's text that it may be: bounded, plain, or not at all.
#[tokio::test]
async fn the_request_id_of_access_logs_is_recorded_where_it_is_plain() {
    let pdp = example::pdp();
    let claims = RecordedClaims::new(Vec::new()).unwrap();
    let long = "x".repeat(MAX_REQUEST_ID);
    let longer = format!("{long}x");
    for (lines, expected) in [
        (
            vec!["1b1e5ba5-0f47-9a1e-8f7d-2d2c3a4b5c6d"],
            Some("1b1e5ba5-0f47-9a1e-8f7d-2d2c3a4b5c6d"),
        ),
        (vec!["a,b"], Some("a,b")),
        (vec![long.as_str()], Some(long.as_str())),
        (vec![], None),
        (vec![""], None),
        (vec![longer.as_str()], None),
        (vec!["a", "b"], None),
        (vec!["a b"], None),
        (vec!["a\u{9b}b"], None),
        (vec!["a\u{202e}b"], None),
        (vec!["\"},{\""], None),
        (vec!["a\\b"], None),
        (vec!["a\nb"], None),
    ] {
        let mut view = example::view("/watched");
        lines.iter().for_each(|line| {
            view.headers.push("x-request-id", HeaderValue::new(line.as_bytes().to_vec()))
        });
        let outcome = pdp.pin().decide_for(&view, caller(), &mut NoRequestTrace::default()).await;
        let record = Record::of(&view, &outcome, &claims, 1.0);
        let json: Value = serde_json::from_slice(record.line()).unwrap();
        assert_eq!(json["request"]["x_request_id"].as_str(), expected, "{lines:?}");
    }
}

/// P151: what the record says of a claim is what the token said.
#[test]
fn a_rounded_number_is_not_recorded_as_another() {
    let claims = crate::json::parse(br#"{"n": 100000000000000000000, "m": 9007199254740993}"#, 4);
    let claims = claims.unwrap();
    assert_eq!(shown(&claims["m"]), "9007199254740993");
    assert_eq!(shown(&claims["n"]), "(holds a number that is not known exactly)");
}

/// P300: a record has a largest size whatever a caller writes, and says which fields are cut.
#[tokio::test]
async fn long_texts_and_lists_are_cut_and_named() {
    let pdp = example::pdp();
    let claims = RecordedClaims::new(["/aud", "/tenant"].map(str::to_owned).into()).unwrap();
    // Each of these bytes becomes six.
    let long = "\u{1}".repeat(57 * 1024);
    let mut view = example::view(&format!("/{long}?{long}"));
    view.raw_host = long.as_str().into();
    view.method = long.as_str().into();
    view.scheme = long.as_str().into();
    view.id = long.as_str().into();
    view.sni = ServerName::Name(long.as_str().into());
    let own = json!({ "iss": "corp", "tenant": long, "aud": vec![long.as_str(); 100] });
    let own = own.as_object().unwrap().clone();
    let tokens = vec![TokenIdentity::assertion("corp", own, Binding::None).unwrap()];
    let subject = Subject::assertion(Credential::Absent, Credential::Verified(tokens));
    let outcome = pdp.pin().decide_for(&view, subject, &mut NoRequestTrace::default()).await;
    let record = Record::of(&view, &outcome, &claims, 1.0);
    assert!(record.line().len() <= MAX_AUDIT_RECORD_BYTES, "{}", record.line().len());
    let read = record.read();
    let request = read.request.unwrap();
    assert_eq!(Some(&*request.path), format!("/{long}").get(..MAX_AUDIT_TEXT_BYTES));
    assert_eq!(Some(&*read.tokens[0].claims["/tenant"]), long.get(..MAX_AUDIT_TEXT_BYTES));
    let expected = ["id", "method", "host", "path", "sni", "scheme", "audiences", "/tenant"];
    assert_eq!(read.truncated, expected);
}

/// P300: a character is not cut in two.
#[test]
fn a_text_is_cut_between_characters() {
    let text = "é".repeat(MAX_AUDIT_TEXT_BYTES);
    let json = Json::object_of(0, |json| {
        json.text("a", &format!("x{text}"));
        json.truncated();
    });
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["a"].as_str().unwrap().len(), MAX_AUDIT_TEXT_BYTES - 1);
    assert_eq!(json["truncated"], json!(["a"]));
}
