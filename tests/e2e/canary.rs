//! Distinctive secrets through every path, and every sink searched for them afterwards.

use std::sync::Arc;

use crate::testbed::http1::{Connection, Request, Response};
use crate::testbed::mint::Key;
use crate::testbed::pki::HOST;
use crate::testbed::upstream::Received;
use crate::testbed::{Folder, Stage};
use countersign::clock::{Clock as _, SystemClock};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::envoy;
use crate::otlp::Receiver;

/// Secrets that must not be seen anywhere; every one of them is sent, configured or answered below.
const CANARIES: [&str; 13] = [
    "canary-query",
    "canary-claim",
    "canary-group",
    "canary-jti",
    "canary-denied-subject",
    "canary-audience",
    "canary-issuer",
    "canary-cookie",
    "canary-proof",
    "canary-opaque",
    "canary-address",
    "canary-answer",
    "canary-client-secret",
];

/// By design, and nothing else: an audit record and the header that a rule injects say whose request was allowed.
const SUBJECT: &str = "canary-allowed-subject";

const ISSUERS: &str = "\
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: { name: corp }
spec:
  issuer: https://login.example.com
  audiences: [orders]
  keys: { file: ../keys/corp.jwks.json }
  algorithms: [RS256, ES256]
  types: [at+jwt]
  tokens: [{ authorization: {} }, { cookie: session }, { header: x-token }, { query: access_token }]
---
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: { name: remote }
spec:
  issuer: https://remote.example.com
  audiences: [orders]
  keys: { url: \"http://127.0.0.1:${SERVER}/jwks?key=canary-address\", allowPlaintext: true, refresh: 10s }
  algorithms: [ES256]
---
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: { name: opaque }
spec:
  issuer: https://opaque.example.com
  audiences: [orders]
  introspection:
    url: \"http://127.0.0.1:${SERVER}/introspect?key=canary-address\"
    allowPlaintext: true
    client: { id: us, basic: { file: ../client.secret } }
";

/// An issuer's server: a key set once, and after that and to every question an error that says too much.
async fn serve(key_set: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut first = true;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap_or_default();
            let asks_keys = request[..read].starts_with(b"GET /jwks");
            let (status, body) = if asks_keys && std::mem::take(&mut first) {
                ("200 OK", key_set)
            } else {
                ("500 canary-answer", "canary-answer")
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
            let answer = format!("{head}connection: close\r\nx-note: canary-answer\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

async fn page(stage: &Stage<'_>, path: &str) -> String {
    let stream = TcpStream::connect(stage.addresses().admin).await.unwrap();
    let answer = Connection::new(stream).send(&Request::get("countersign", path)).await.unwrap();
    shown(&answer)
}

/// All of an answer: headers and body.
fn shown(answer: &Response) -> String {
    format!("{answer:?} {}", String::from_utf8_lossy(&answer.body))
}

struct Sinks(Vec<(String, String)>);

impl Sinks {
    /// That no sink has `canary`, but for those in `but`.
    fn are_clear_of(&self, canary: &str, but: &[&str]) {
        for (name, text) in self.0.iter().filter(|(name, _)| !but.contains(&name.as_str())) {
            let line = text.lines().find(|line| line.contains(canary));
            let around = line.map(|line| line.chars().take(1000).collect::<String>());
            assert_eq!(around, None, "`{canary}` is in {name}");
        }
    }
}

/// P66, P80, invariant 3: no token, claim, cookie, proof, secret or address with a secret is in any log at any level, in any
/// audit record, metric, trace, page, answer, or header that we add, nor in what a collector is sent.
///
/// P558: the log has a line for each decision all the same, with its reason and rule, and lines for the steps that led to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_reaches_any_sink() {
    let Some(mut props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let port = serve(keys).await;
    let (receiver, otlp) = Receiver::start().await;
    let settings = include_str!("../../src/demo/documents/countersign.yaml");
    let audit = "audit: { file: ./audit.jsonl }";
    assert!(settings.contains("level: info") && settings.contains(audit));
    let everywhere = format!(
        "audit: {{ file: ./audit.jsonl, otlp: {{}} }}\notlp: {{ endpoint: 'http://127.0.0.1:{otlp}', sample: 1, metricsInterval: 200ms }}"
    );
    let settings = settings.replace("level: info", "level: trace").replace(audit, &everywhere);
    props.files = vec![
        ("countersign.yaml", settings),
        ("policies/token-issuer.yaml", ISSUERS.replace("${SERVER}", &port.to_string())),
        ("client.secret", String::from("canary-client-secret\n")),
    ];
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let mint = |more: serde_json::Value| {
        let mut claims = json!({
            "email": "canary-claim", "groups": ["canary-group"], "jti": "canary-jti",
            "sub": "canary-denied-subject",
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stage.issuer.mint(Key::Ec, &claims).unwrap()
    };
    let past = SystemClock.now().as_secs() - 3600;
    let good = mint(json!({ "sub": SUBJECT }));
    let forged = {
        let (input, _) = good.rsplit_once('.').unwrap();
        format!("{input}.{}", "A".repeat(86))
    };
    let denied = [
        mint(json!({ "exp": past, "iat": past - 60, "nbf": past - 60 })),
        mint(json!({ "aud": "canary-audience" })),
        mint(json!({ "iss": "canary-issuer" })),
        mint(json!({ "iss": "https://remote.example.com" })),
        mint(json!({ "scope": "other", "sub": SUBJECT })),
        mint(json!({ "exp": "canary-claim" })),
        mint(json!({ "cnf": { "jkt": "canary-claim" } })),
        mint(json!({ "cnf": { "x5t#S256": "canary-claim" } })),
        mint(json!({ "nbf": 4_000_000_000_i64 })),
        forged,
        good.replacen('.', ".canary-claim", 1),
        format!("{good}.canary-claim.x"),
        String::from("canary-opaque"),
        String::from("canary opaque"),
    ];
    let base = |path: String| {
        Request::get(HOST, path)
            .header("cookie", "other=canary-cookie")
            .header("proxy-authorization", "Basic canary-cookie")
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .header("baggage", "user=canary-cookie")
    };
    let list = "/v1/orders";
    let referer = |token: &str| format!("https://{HOST}{list}?access_token={token}");
    let mut allowed = vec![
        base(list.into()).bearer(&good),
        base(format!("{list}?api_key=canary-query&canary-query")).bearer(&good),
        base(list.into()).header("x-token", good.as_str()),
        base(list.into()).header("cookie", format!("session={good}")),
        base(format!("{list}?access_token={good}")).header("referer", referer(&good)),
        // The very same token counts once.
        base(format!("{list}?access_token={good}")).bearer(&good),
    ];
    // Again, when they are remembered.
    allowed.extend(allowed.clone());
    let mut refused: Vec<_> = denied
        .iter()
        .flat_map(|token| {
            [
                base(list.into()).bearer(token).header("dpop", "canary-proof"),
                base(list.into()).header("authorization", format!("DPoP {token}")),
                base(list.into()).header("x-token", token.as_str()),
                base(list.into()).header("cookie", format!("session={token}")),
                base(format!("{list}?access_token={}", token.replace(' ', "%20"))),
            ]
        })
        .collect();
    let other = mint(json!({ "sub": SUBJECT, "jti": "canary-other" }));
    refused.push(base(list.into()).bearer(&good).bearer(&other));
    refused.push(base(format!("{list}?access_token={other}")).bearer(&good));
    refused.push(base(format!("/v1/../orders?access_token={good}")).bearer(&good));
    refused.push(base(format!("/elsewhere?access_token={good}")));

    let mut sinks = Sinks(Vec::new());
    let mut decided = Vec::new();
    for request in &allowed {
        let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), request).await;
        assert_eq!(answer.status, 200, "{}", record.as_json());
        let received: Received = serde_json::from_slice(&answer.body).unwrap();
        let ours = ["x-subject", "x-peer", "x-decision-id"];
        let added = ours.map(|name| received.values(name).collect::<Vec<_>>().join(","));
        sinks.0.push((String::from("headers upstream"), added.join(" ")));
        assert_eq!(record.text("/tokens/0/subject"), Some(SUBJECT));
        sinks.0.push((String::from("audit of an allow"), record.as_json().to_string()));
    }
    for request in &refused {
        for identity in [Some(&pki.frontend), None] {
            let (answer, record) = envoy::ask(&mut stage, identity, request).await;
            assert!(answer.status >= 400, "{}", record.as_json());
            sinks.0.push((String::from("a denial"), shown(&answer)));
            let text = |pointer| record.text(pointer).unwrap().to_owned();
            decided.push((text("/decision_id"), text("/reason")));
            sinks.0.push((String::from("audit of a denial"), record.as_json().to_string()));
        }
    }
    assert!(page(&stage, "/log-level").await.contains("trace"), "the log is at its most talkative");
    for path in ["/metrics", "/status", "/readyz", "/livez"] {
        sinks.0.push((path.to_owned(), page(&stage, path).await));
    }
    receiver
        .has_received(sinks.0.iter().filter(|(name, _)| name.starts_with("audit")).count())
        .await;
    stage.strike().await.unwrap();
    for (name, text) in receiver.everything() {
        sinks.0.push((name.to_owned(), text));
    }
    let log = std::fs::read_to_string(folder.join("countersign.log")).unwrap();
    assert!(log.contains("INFO"), "something was logged");
    for (id, reason) in &decided {
        let about: Vec<_> = log.lines().filter(|line| line.contains(id.as_str())).collect();
        let says = |line: &&&str| line.contains("DEBUG deny") && line.contains(reason.as_str());
        assert_eq!(about.iter().filter(says).count(), 1, "{id} {reason}: {about:#?}");
    }
    for step in ["peer verified", "peer absent", "token refused", "phase=\"evaluate\""] {
        assert!(log.contains(step), "no line says `{step}`");
    }
    sinks.0.push((String::from("standard output and error"), log));

    for canary in CANARIES {
        sinks.are_clear_of(canary, &[]);
    }
    // If a token is verified and a rule denies, the record says whose it was, as for an allow.
    sinks.are_clear_of(
        SUBJECT,
        &["headers upstream", "audit of an allow", "audit of a denial", "otlp logs"],
    );
    for token in denied.iter().chain([&good]) {
        for part in token.split('.').filter(|part| part.len() > 20) {
            sinks.are_clear_of(part, &[]);
        }
    }
}
