//! Opaque tokens from the request to the decision, with a real endpoint, and nothing in the log that does not belong there.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::clock::{FixedClock, UnixTime};
use countersign::evidence::PeerSources;
use countersign::pdp::{HttpsFetcher, KeyCache, Load, Pdp, PdpOptions, VerificationCacheOptions};
use countersign::policy::Decision;
use countersign::reason::Reason;
use countersign::request::{
    Client, CredentialHeaders, Endpoint, HeaderValue, Headers, RequestView, ServerName, Target,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const NOW: i64 = 1_800_000_000;
const SECRET: &str = "secret-canary";

/// An endpoint that gives this answer, as often as it is asked.
struct Server {
    answer: Mutex<(u16, String)>,
    asked: AtomicUsize,
}

impl Server {
    async fn start() -> (u16, Arc<Self>) {
        let server = Arc::new(Self { answer: Mutex::default(), asked: AtomicUsize::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = kept.serve(stream).await;
            }
        });
        (port, server)
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut request = [0; 4096];
        let read = stream.read(&mut request).await?;
        assert!(String::from_utf8_lossy(&request[..read]).contains("token=opaque-"));
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (status, body) = self.answer.lock().unwrap().clone();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await
    }

    fn says(&self, status: u16, answer: &Value) {
        *self.answer.lock().unwrap() = (status, answer.to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn documents(port: u16) -> String {
    format!(
        "\
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: {{ name: corp }}
spec:
  issuer: https://login.example.com
  audiences: [orders]
  introspection:
    url: http://127.0.0.1:{port}/introspect?key=url-canary
    allowPlaintext: true
    client: {{ id: us, basic: {{ file: secret }} }}
    timeout: 5s
---
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: {{ name: orders }}
spec:
  target: {{ hosts: [orders.example] }}
  rules:
    - name: read
      effect: allow
      on: {{ methods: [GET], paths: [/v1/orders] }}
      token: {{ issuer: corp, scopes: [orders:read] }}
    - name: write
      effect: allow
      on: {{ methods: [POST], paths: [/v1/orders] }}
      token: {{ issuer: corp, scopes: [orders:write] }}
"
    )
}

struct House {
    pdp: Pdp,
    clock: FixedClock,
    server: Arc<Server>,
}

impl House {
    async fn new() -> Self {
        let (port, server) = Server::start().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("documents.yaml"), documents(port)).unwrap();
        std::fs::write(folder.path().join("secret"), SECRET).unwrap();
        let load = Load::from_paths(&[folder.path().to_owned()]);
        let snapshot = load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems));
        let clock = FixedClock::at(UnixTime::from_secs(NOW));
        let keys =
            Arc::new(KeyCache::new(Arc::new(clock.clone()), Arc::new(HttpsFetcher::default())));
        let options = PdpOptions {
            peer_sources: PeerSources::default(),
            deadline: Duration::from_secs(10),
            memory: VerificationCacheOptions::default(),
        };
        let pdp = Pdp::new(snapshot, keys, Arc::new(clock.clone()), options);
        Self { pdp, clock, server }
    }

    /// `Ok` where the request is allowed, else why not. The log of it holds no secret.
    async fn decide(&self, method: &str, token: &str) -> Result<(), Reason> {
        let pinned = self.pdp.pin();
        let mut headers = Headers::default();
        headers.push("authorization", HeaderValue::new(format!("Bearer {token}").into_bytes()));
        let (headers, credentials) = CredentialHeaders::split(headers, pinned.sealed(), None, None);
        let outcome = pinned.decide(&view(method, headers), credentials).await;
        let told = format!("{outcome:?}");
        assert!(!told.contains("canary") && !told.contains("opaque-"), "{told}");
        match outcome.decision {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(denial) => Err(denial.rejection.reason()),
        }
    }
}

pub(crate) fn view(method: &str, headers: Headers) -> RequestView {
    RequestView {
        id: "".into(),
        method: method.into(),
        scheme: "https".into(),
        raw_host: "orders.example".into(),
        raw_path: "/v1/orders".into(),
        target: Target::parse("orders.example", "/v1/orders"),
        headers,
        source: Endpoint::default(),
        destination: Endpoint::default(),
        client: Client::Connection,
        sni: ServerName::Unknown,
        sent_at: None,
        context_extensions: BTreeMap::new(),
    }
}

fn answer(changes: &Value) -> Value {
    let mut all = json!({
        "active": true, "aud": "orders", "sub": "claim-canary", "scope": "orders:read",
        "iat": NOW - 60, "exp": NOW + 10,
    });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    all
}

/// P63: a rule's own checks are made again for an answer that was kept.
#[tokio::test]
async fn a_wrong_scope_is_denied_after_a_cache_hit() {
    let house = House::new().await;
    house.server.says(200, &answer(&json!({})));
    for _ in 0..2 {
        assert_eq!(house.decide("GET", "opaque-1").await, Ok(()));
        assert_eq!(house.decide("POST", "opaque-1").await, Err(Reason::ScopeMissing));
    }
    assert_eq!(house.server.asked(), 1);
}

/// P64: what was kept does not outlive the token.
#[tokio::test]
async fn a_token_that_ends_before_its_answer_is_refused_then() {
    let house = House::new().await;
    house.server.says(200, &answer(&json!({ "exp": NOW + 10 })));
    assert_eq!(house.decide("GET", "opaque-1").await, Ok(()));
    house.clock.set(UnixTime::from_secs(NOW + 10));
    house.server.says(200, &json!({ "active": false }));
    assert_eq!(house.decide("GET", "opaque-1").await, Err(Reason::IntrospectionInactive));
    assert_eq!(house.server.asked(), 2);
}

#[tokio::test]
async fn a_thousand_requests_with_one_token_ask_the_endpoint_once() {
    let house = House::new().await;
    house.server.says(200, &answer(&json!({})));
    let all = (0..1000).map(|_| house.decide("GET", "opaque-1"));
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(house.server.asked(), 1);
}

/// Every line of the log, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// P66, P80: an endpoint that fails in every way until it is not asked any more; no secret, token, claim or address in the log.
#[tokio::test]
async fn nothing_secret_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let house = House::new().await;
    house.server.says(200, &answer(&json!({ "active": "claim-canary" })));
    for (token, status) in [("opaque-1", 200), ("opaque-2", 400), ("opaque-3", 302)] {
        house.server.says(status, &answer(&json!({ "active": "claim-canary" })));
        let refused = house.decide("GET", token).await;
        assert_eq!(refused, Err(Reason::IntrospectionUnavailable), "{status}");
    }
    for n in 0..10 {
        house.server.says(503, &answer(&json!({})));
        let refused = house.decide("GET", &format!("opaque-down-{n}")).await;
        assert_eq!(refused, Err(Reason::IntrospectionUnavailable));
    }
    assert!(house.server.asked() < 13, "it is not asked any more");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("is not asked for a while"), "{log}");
    assert!(!log.contains("canary") && !log.contains("opaque-"), "{log}");
}

/// `check` and a server warn of a wait that no request has, by the deadline that they know.
#[test]
fn a_timeout_above_the_deadline_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("documents.yaml"), documents(1)).unwrap();
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    let slow = |deadline| {
        let load = Load::from_paths(&[folder.path().to_owned()]).within(deadline);
        load.problems.iter().any(|problem| problem.code.as_str() == "slow-introspection")
    };
    let of = Duration::from_millis;
    assert_eq!([of(150), of(4999), of(5000)].map(slow), [true, true, false]);
}

/// P402: the credentials that servers are shown may differ between replicas, come later and change: they are no part of the documents.
#[test]
fn credentials_for_servers_are_no_part_of_the_documents() {
    let folder = tempfile::tempdir().unwrap();
    let shown = "client: { bearer: { file: own.token } }";
    let text = documents(1).replace("client: { id: us, basic: { file: secret } }", shown);
    assert!(text.contains(shown));
    std::fs::write(folder.path().join("documents.yaml"), text).unwrap();
    let load = || Load::from_paths(&[folder.path().to_owned()]).within(Duration::from_secs(5));
    let missing = load();
    let codes: Vec<_> = missing.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!((codes, missing.snapshot.is_some()), (vec!["unreadable-file"], true));
    for token in ["one", "two"] {
        std::fs::write(folder.path().join("own.token"), token).unwrap();
        let there = load();
        assert_eq!((there.problems.as_slice(), there.set.name()), (&[][..], missing.set.name()));
        let snapshot = there.snapshot.unwrap();
        assert!(snapshot.files().all(|path| !path.ends_with("own.token")));
    }
}
