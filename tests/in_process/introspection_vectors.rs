//! The answers of RFC 7662 and some worse ones, given by a real server to the real client, and judged as requests are.

#![expect(
    clippy::disallowed_methods,
    reason = "a test that cannot read its vectors must fail, and says so"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign::authn::{self, Caches, NoCache};
use countersign::clock::{FixedClock, UnixTime};
use countersign::document::{self, Attachments, SourceFile};
use countersign::evidence::{self, PeerSources};
use countersign::pdp::Introspector;
use countersign::reason::Reason;
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::trust::{Material, TrustStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn vectors() -> Option<Value> {
    let Ok(folder) = std::env::var("COUNTERSIGN_VECTORS") else {
        assert!(std::env::var("CI").is_err(), "COUNTERSIGN_VECTORS is not set, and CI needs it");
        say(format_args!("SKIPPED: COUNTERSIGN_VECTORS does not name the folder of the vectors"));
        return None;
    };
    let path = PathBuf::from(folder).join("rfc-tokens/rfc7662.json");
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_slice(&text).unwrap())
}

/// Answers as `case` says; a slow one never ends, which is the same to a client that does not wait for it.
async fn answer(mut stream: TcpStream, case: &Value) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await?;
    if case.get("delay_s").is_some() {
        std::future::pending::<()>().await;
    }
    let body = match (case.get("response"), case.get("raw_body"), case.get("body_bytes")) {
        (Some(json), _, _) => json.to_string(),
        (_, Some(text), _) => text.as_str().unwrap().to_owned(),
        (_, _, length) => " ".repeat(usize::try_from(length.unwrap().as_u64().unwrap()).unwrap()),
    };
    let location = case.pointer("/headers/location").and_then(Value::as_str);
    let location = location.map(|to| format!("location: {to}\r\n")).unwrap_or_default();
    let (status, length) = (case["http_status"].as_u64().unwrap(), body.len());
    let head = format!("HTTP/1.1 {status} X\r\n{location}content-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

async fn serve(case: Value) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that hangs up early is no failure of the server.
            let _ = answer(stream, &case).await;
        }
    });
    port
}

fn trust(port: u16) -> TrustStore {
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec:\n  issuer: https://server.example.com/\n  audiences: ['https://protected.example.net/resource']\n  introspection: {{ url: 'http://127.0.0.1:{port}/', allowPlaintext: true, client: {{ id: us, post: {{ file: secret }} }} }}\n"
    );
    let (mut problems, mut files) = (Vec::new(), Attachments::default());
    files.insert("secret".into(), Ok(b"x".to_vec()));
    let documents = document::parse(&SourceFile::new("vector.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &files, &mut problems);
    assert!(!document::any_error(&problems), "{problems:?}");
    store
}

async fn judge(case: &Value) -> Result<(), Reason> {
    let trust = trust(serve(case.clone()).await);
    let now = UnixTime::from_secs(case["now"].as_i64().unwrap_or(1_419_350_300));
    let mut headers = Headers::default();
    let value = b"Bearer 2YotnFZFEjr1zCsicMWpAA".to_vec();
    headers.push("authorization", HeaderValue::new(value));
    let (_, credentials) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
    let sources = PeerSources::default();
    let evidence = evidence::collect(&credentials, None, &sources, &trust.token_places());
    let introspector = Introspector::https(Arc::new(FixedClock::at(now)), Arc::default());
    introspector.follow(&trust, None);
    let mut material = Material::default();
    let tokens = evidence.tokens.as_ref().unwrap();
    let patience = Duration::from_secs(30);
    introspector.gather(tokens, &trust, &NoCache, None, patience, &mut material).await;
    let memory = Caches { certificates: &NoCache, tokens: &NoCache };
    let subject = authn::authenticate(&evidence, &trust, &material, memory, now);
    subject.tokens().rejection().map_or(Ok(()), |rejection| Err(rejection.reason()))
}

/// P65, P66: one answer allows, the others deny for what they are.
#[tokio::test]
async fn answers_are_judged_as_they_should_be() {
    let Some(document) = vectors() else { return };
    let mut judged = Vec::new();
    for case in document["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let outcome = judge(case).await;
        assert_eq!(outcome.is_ok(), case["expected"] == "allow", "{id}: {outcome:?}");
        judged.push((id, outcome.err()));
    }
    let reason = |id: &str| judged.iter().find(|(other, _)| *other == id).unwrap().1;
    assert_eq!(reason("rfc7662/active-but-exp-past"), Some(Reason::TokenExpired));
    assert_eq!(reason("rfc7662/inactive-with-extra-members"), Some(Reason::IntrospectionInactive));
    for id in ["error-401", "missing-active"] {
        let id = format!("authorino/{id}");
        assert_eq!(reason(&id), Some(Reason::IntrospectionUnavailable), "{id}");
    }
    for id in ["active-string", "not-json", "500", "204", "redirect", "slow-10s", "huge-body"] {
        let id = format!("derived/{id}");
        assert_eq!(reason(&id), Some(Reason::IntrospectionUnavailable), "{id}");
    }
    assert_eq!(judged.len(), 14);
}

/// Says it on the terminal, past the test harness, which shows nothing of a test that passes.
fn say(message: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{message}");
}
