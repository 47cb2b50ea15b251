//! Callers without good credentials, and one with, who cost as much as they can, through Envoy.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign::clock::{Clock as _, FixedClock, SystemClock};
use rcgen::SanType;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::listener::several;
use super::{Count, Figures, Ground, Plan, during};
use crate::drill::{Issuer, Mood, serve};
use crate::testbed::Stage;
use crate::testbed::client::Client;
use crate::testbed::http1::{Connection, Request};
use crate::testbed::mint::Key;
use crate::testbed::pki::{Authority, FRONTEND, HOST, Usage};

/// Connections that attack at a time.
const SEVERAL: usize = 8;

/// Requests without a pause; `request` makes each from its number.
async fn ask(
    client: Client,
    count: &Count,
    request: impl Fn(u64) -> Request + Clone + Send + Sync + 'static,
) {
    let numbers = Arc::new(AtomicU64::new(0));
    several(SEVERAL, count, move |count| {
        let (client, request, numbers) = (client.clone(), request.clone(), Arc::clone(&numbers));
        async move {
            let mut connection = client.connect().await?;
            loop {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                connection.send(&request(number)).await?;
                count.one();
            }
        }
    })
    .await;
}

/// Paths as long as Envoy lets through, from callers who show nothing.
async fn ask_long_paths(stage: &mut Stage<'_>, count: Count) {
    let client = stage.client(None).unwrap();
    ask(client, &count, |number| {
        Request::get(HOST, format!("/v1/{number}/{}", "a".repeat(50_000)))
    })
    .await;
}

pub(super) async fn long_paths(ground: Ground) -> Figures {
    during(ground, Plan::default(), ask_long_paths).await
}

pub(super) async fn stalled_audit(ground: Ground) -> Figures {
    during(ground, Plan { stalled_audit: true, ..Plan::default() }, ask_long_paths).await
}

pub(super) async fn forged_tokens(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |stage, count| {
        let client = stage.client(Some(&stage.pki.reports)).unwrap();
        let bearer = stage.tokens.bearer.clone();
        ask(client, &count, move |number| {
            let (signed, signature) = bearer.rsplit_once('.').unwrap();
            // As long as a signature, and another one each time.
            let forged = format!("{number:016x}{}", signature.get(16..).unwrap());
            Request::get(HOST, "/v1/orders").bearer(&format!("{signed}.{forged}"))
        })
        .await;
    })
    .await
}

pub(super) async fn made_up_keys(ground: Ground) -> Figures {
    let clock = FixedClock::at(SystemClock.now());
    let issuer = Arc::new(Issuer::new(&["a"], Mood::Publishing(vec!["a"]), &clock));
    let plan =
        Plan { files: vec![neighbour(&serve(Arc::clone(&issuer)).await)], ..Plan::default() };
    during(ground, plan, async move |stage, count| {
        let client = stage.client(Some(&stage.pki.reports)).unwrap();
        ask(client, &count, move |number| {
            let token = issuer.token("a", &format!("made-up-{number}"));
            Request::get(HOST, "/v1/orders").bearer(&token)
        })
        .await;
    })
    .await
}

/// A document of an issuer of its own beside the demo's.
pub(super) fn neighbour(document: &str) -> (&'static str, String) {
    ("policies/neighbour.yaml", document.replacen("name: corp", "name: neighbour", 1))
}

/// An issuer whose tokens are opaque, at an endpoint that answers 500, or nothing.
async fn opaque(ground: Ground, answers: bool) -> Figures {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut question = [0; 4096];
                let _ = stream.read(&mut question).await;
                if !answers {
                    std::future::pending::<()>().await;
                }
                let answer = "HTTP/1.1 500 X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).await
            });
        }
    });
    let document = format!(
        "apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: {{ name: opaque }}
spec:
  issuer: https://opaque.example.com
  audiences: [orders]
  introspection:
    url: http://127.0.0.1:{port}/introspect
    allowPlaintext: true
    client: {{ id: us, basic: {{ file: ../keys/opaque }} }}
"
    );
    let files = vec![("policies/opaque.yaml", document), ("keys/opaque", "secret".to_owned())];
    during(ground, Plan { files, ..Plan::default() }, async |stage, count| {
        let client = stage.client(Some(&stage.pki.reports)).unwrap();
        ask(client, &count, |number| {
            Request::get(HOST, "/v1/orders").bearer(&format!("opaque-{number}"))
        })
        .await;
    })
    .await
}

pub(super) async fn opaque_tokens(ground: Ground) -> Figures {
    opaque(ground, true).await
}

pub(super) async fn stalled_introspection(ground: Ground) -> Figures {
    opaque(ground, false).await
}

/// A leaf with seven self-signed authorities that are called like the pinned one, another leaf each time.
pub(super) async fn hostile_chains(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |stage, count| {
        let now = SystemClock.now();
        let made = (0..8).map(|_| Authority::new("prod.example demo CA", now).unwrap());
        let made: Arc<Vec<_>> = Arc::new(made.collect());
        let (envoy, ca) = (stage.envoy().listener(), stage.pki.ca().der());
        several(2, &count, move |count| {
            let (made, ca) = (Arc::clone(&made), ca.clone());
            async move {
                let mut connection = show(envoy, ca, &made).await?;
                connection.send(&Request::get(HOST, "/v1/orders")).await?;
                count.one();
                Ok(())
            }
        })
        .await;
    })
    .await
}

type Shown = Connection<tokio_rustls::client::TlsStream<TcpStream>>;

async fn show(
    envoy: SocketAddr,
    ca: CertificateDer<'static>,
    made: &[Authority],
) -> io::Result<Shown> {
    let name = SanType::URI(FRONTEND.try_into().unwrap());
    let leaf = made
        .first()
        .unwrap()
        .issue("hostile", vec![name], Usage::Client, SystemClock.now())
        .unwrap();
    let chain = [leaf.der()].into_iter().chain(made.iter().skip(1).map(Authority::der)).collect();
    let mut roots = RootCertStore::empty();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, leaf.key())
        .unwrap();
    let stream = TcpStream::connect(envoy).await?;
    let host = ServerName::try_from(HOST).unwrap();
    Ok(Connection::new(TlsConnector::from(Arc::new(config)).connect(host, stream).await?))
}

const COSTLY: &str = "apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: costly }
spec:
  target: { hosts: [costly.example.com] }
  rules:
    - name: loops
      effect: allow
      on: { methods: [GET] }
      token: { issuer: corp }
      when: token.claims.a.exists(x, token.claims.b.exists(y, x == y))
";

pub(super) async fn costly_conditions(ground: Ground) -> Figures {
    let files = vec![("policies/costly.yaml", COSTLY.to_owned())];
    during(ground, Plan { files, ..Plan::default() }, async |stage, count| {
        let client = stage.client(Some(&stage.pki.frontend)).unwrap();
        let numbers = |from: u32| (from..from + 250).collect::<Vec<_>>();
        let claims = json!({ "a": numbers(0), "b": numbers(1000) });
        let token = stage.issuer.mint(Key::Ec, &claims).unwrap();
        ask(client, &count, move |_| Request::get("costly.example.com", "/").bearer(&token)).await;
    })
    .await
}

pub(super) async fn hang_ups(ground: Ground) -> Figures {
    during(ground, Plan::default(), async |stage, count| {
        let client = stage.client(Some(&stage.pki.frontend)).unwrap();
        let mut request = format!("GET /v1/orders HTTP/1.1\r\nhost: {HOST}\r\n");
        write!(request, "authorization: Bearer {}\r\n\r\n", stage.tokens.no_scope).unwrap();
        several(SEVERAL, &count, move |count| {
            let (client, request) = (client.clone(), request.clone());
            async move {
                let mut stream = client.open().await?;
                stream.write_all(request.as_bytes()).await?;
                stream.flush().await?;
                count.one();
                Ok(())
            }
        })
        .await;
    })
    .await
}
