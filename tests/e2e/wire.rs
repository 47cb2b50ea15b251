//! Each message that Envoy really sends, byte for byte, is the same check to our decoder as to `envoy-types`.
//!
//! Every message is compared as it comes, so that nothing here goes stale. `tests/data/checks` keeps what came once, for
//! `tests/in_process/fuzz.rs` and as seeds of the fuzz target `check`: with throw-away keys, names and ports. To record it again:
//! `COUNTERSIGN_BLESS=1 cargo test --test e2e wire`.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::testbed::client::Client;
use crate::testbed::envoy::{Bootstrap, Envoy};
use crate::testbed::http1::Request;
use crate::testbed::mint::Issuer;
use crate::testbed::pki::HOST;
use crate::testbed::{Folder, Pki, upstream::Upstream};
use bytes::Bytes;
use countersign::clock::{Clock as _, SystemClock};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{comparison, envoy};

/// Longest wait for a check, on a machine with much else to do.
const WITHIN: Duration = Duration::from_secs(20);

/// The flag and the length before a gRPC message.
const PREFIX_BYTES: usize = 5;

/// Changes of the shipped configuration of Envoy.
type Changes = &'static [(&'static str, &'static str)];

/// Upgrades are let through, in every one of them.
const UPGRADES: (&str, &str) = (
    "stat_prefix: mtls",
    "stat_prefix: mtls
                upgrade_configs: [{ upgrade_type: websocket }]",
);

/// Envoys that send different things: the name of each, where it listens, and what it does otherwise than the shipped one.
const SETUPS: [(&str, &str, Changes); 4] = [
    ("shipped", "127.0.0.1", &[UPGRADES]),
    // Headers as a map, XFCC of the client with our own appended, the beginning of the body, and what routes and other
    // filters add.
    (
        "sidecar",
        "127.0.0.1",
        &[
            UPGRADES,
            ("details: SANITIZE_SET", "details: APPEND_FORWARD"),
            ("{ cert: true, chain: true, subject: true, dns: true, uri: true }", "{ subject: true, dns: true, uri: true }"),
            ("include_peer_certificate: true", "include_peer_certificate: false"),
            (
                "encode_raw_headers: true",
                "with_request_body: { max_request_bytes: 64, allow_partial_message: true }
                      metadata_context_namespaces: [recorded]",
            ),
            (
                "- name: envoy.filters.http.ext_authz",
                r#"- name: envoy.filters.http.set_metadata
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config
                      metadata:
                        - metadata_namespace: recorded
                          value: { tenant: acme, level: 3.5, list: [1, a, true, null, { inner: {} }], "": "" }
                  - name: envoy.filters.http.ext_authz"#,
            ),
            (
                r#"- match: { prefix: "/" }"#,
                r#"- match: { prefix: "/" }
                          typed_per_filter_config:
                            envoy.filters.http.ext_authz:
                              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                              check_settings: { context_extensions: { route: orders, empty: "" } }"#,
            ),
        ],
    ),
    // IPv6, the body as bytes, and XFCC as the client wrote it.
    (
        "forward",
        "::1",
        &[
            UPGRADES,
            ("details: SANITIZE_SET", "details: ALWAYS_FORWARD_ONLY"),
            (
                "encode_raw_headers: true",
                "encode_raw_headers: true
                      with_request_body: { max_request_bytes: 64, allow_partial_message: true, pack_as_bytes: true }",
            ),
        ],
    ),
    // As little as can be.
    (
        "bare",
        "127.0.0.1",
        &[
            UPGRADES,
            ("details: SANITIZE_SET", "details: SANITIZE"),
            ("include_peer_certificate: true", "include_peer_certificate: false"),
            ("include_tls_session: true", "include_tls_session: false"),
            ("encode_raw_headers: true", "encode_raw_headers: false"),
        ],
    ),
];

/// Takes checks instead of countersign, allows all of them, and keeps their bytes.
struct Recorder {
    address: SocketAddr,
    received: UnboundedReceiver<Bytes>,
}

/// A request to Envoy.
enum Ask {
    Http1(Request),
    /// A method, a path, headers and a body.
    Http2(&'static str, &'static str, Vec<(&'static str, Vec<u8>)>, &'static [u8]),
}

// === impl Recorder ===

impl Recorder {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (keep, received) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, keep.clone()));
            }
        });
        Self { address, received }
    }

    /// The only check that came since the last one.
    async fn next(&mut self) -> Bytes {
        let check = tokio::time::timeout(WITHIN, self.received.recv()).await.unwrap().unwrap();
        assert!(self.received.is_empty(), "one request is one check");
        check
    }
}

async fn serve(stream: TcpStream, keep: UnboundedSender<Bytes>) {
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let keep = keep.clone();
        async move {
            let call = request.into_body().collect().await.unwrap().to_bytes();
            keep.send(call.slice(PREFIX_BYTES..)).unwrap();
            Ok::<_, Infallible>(allow())
        }
    });
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    // Envoy goes away when its test is over.
    let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
}

/// An empty `CheckResponse`, whose status code is OK.
fn allow() -> Response<impl Body<Data = Bytes, Error = Infallible>> {
    let status = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(0))]);
    let body = Full::new(Bytes::from_static(&[0; PREFIX_BYTES]));
    let answer = Response::builder().header("content-type", "application/grpc");
    answer.body(body.with_trailers(async { Some(Ok(status)) })).unwrap()
}

// === impl Ask ===

impl Ask {
    async fn send(&self, client: &Client) {
        let status = match self {
            Self::Http1(request) => client.send(request).await.unwrap().status,
            Self::Http2(method, path, headers, body) => {
                let stream = TokioIo::new(client.open().await.unwrap());
                let (mut sender, connection) =
                    hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
                        .await
                        .unwrap();
                tokio::spawn(connection);
                let mut request =
                    http::Request::builder().method(*method).uri(format!("https://{HOST}{path}"));
                for (name, value) in headers {
                    request = request.header(*name, value.as_slice());
                }
                let request = request.body(Full::new(Bytes::from_static(body))).unwrap();
                sender.send_request(request).await.unwrap().status().as_u16()
            }
        };
        assert_eq!(status, 200, "what is recorded was let through");
    }
}

/// The requests to each Envoy. All but one of them with a certificate.
fn asks(token: &str, xfcc: &str) -> Vec<(&'static str, Ask)> {
    let get = || Request::get(HOST, "/v1/orders").bearer(token);
    let post = |body: &[u8]| Ask::Http1(Request::new("POST", HOST, "/v1/orders").body(body));
    let bearer = || ("authorization", format!("Bearer {token}").into_bytes());
    let upgrade = get()
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
    let odd = get()
        .header("x-note", b"caf\xe9 \xc3\xa9".to_vec())
        .header("X-Role", "user")
        .header("x-role", "admin, \"root\"")
        .header("x-empty", "")
        .header("x-long", "long ".repeat(300))
        .header("cookie", "a=b; c=\"d\"")
        .header("referer", "https://orders.example.com/?access_token=canary&a=b");
    let crumbs = vec![
        bearer(),
        ("cookie", b"a=b".to_vec()),
        ("cookie", b"c=d".to_vec()),
        ("x-note", b"\xff".to_vec()),
        ("te", b"trailers".to_vec()),
    ];
    let grpc = vec![
        bearer(),
        ("content-type", b"application/grpc".to_vec()),
        ("te", b"trailers".to_vec()),
        ("grpc-timeout", b"1S".to_vec()),
    ];
    vec![
        ("http1", Ask::Http1(get())),
        ("http2", Ask::Http2("GET", "/v1/orders?full=1", crumbs, b"")),
        ("no-certificate", Ask::Http1(get())),
        (
            "query",
            Ask::Http1(Request::get(HOST, "/v1/%6f//x/..;a=b?access_token=canary&x=%zz&y;z")),
        ),
        ("odd-headers", Ask::Http1(odd)),
        ("forged-xfcc", Ask::Http1(get().header("x-forwarded-client-cert", xfcc))),
        ("small-body", post(b"{\"order\": 1}")),
        ("large-body", post(&b"0123456789".repeat(20))),
        ("binary-body", post(b"\x00\xff\xfe\n\xc3")),
        ("websocket", Ask::Http1(upgrade)),
        ("grpc", Ask::Http2("POST", "/orders.v1.Orders/Get", grpc, b"\0\0\0\0\x02\x08\x01")),
    ]
}

#[tokio::test]
async fn every_check_of_a_real_envoy_is_read_as_envoy_types_reads_it() {
    let Some(binary) = envoy::find() else { return };
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/checks");
    let bless = std::env::var_os("COUNTERSIGN_BLESS").is_some();
    let now = SystemClock.now();
    let (pki, issuer) = (Pki::new(now).unwrap(), Issuer::new(now).unwrap());
    let token = issuer.tokens(&pki).unwrap().bearer;
    let xfcc = format!(
        "Hash={};Subject=\"CN=\\\"a, b\\\"\";URI=spiffe://prod.example/ns/web/sa/forged,By=x",
        pki.frontend.fingerprint().to_hex()
    );
    let mut recorded = BTreeSet::new();
    for (setup, listen, changes) in SETUPS {
        let folder = Folder::temporary().unwrap();
        pki.write(&folder).unwrap();
        let (upstream, mut recorder) = (Upstream::start().await.unwrap(), Recorder::start().await);
        let bootstrap = Bootstrap::sidecar_mtls(&folder, recorder.address, upstream.address())
            .set("LISTEN_ADDRESS", listen)
            .vary(" timeout: 0.25s", " timeout: 5s");
        let bootstrap = changes.iter().fold(bootstrap, |all, (from, to)| all.vary(from, to));
        let envoy = Envoy::start(&binary, &bootstrap, &folder).await.unwrap();
        for (name, ask) in asks(&token, &xfcc) {
            let identity = (name != "no-certificate").then_some(&pki.frontend);
            let client = Client::new(envoy.listener(), pki.ca().der(), identity).unwrap();
            ask.send(&client).await;
            let check = recorder.next().await;
            let file = format!("{setup}-{name}.bin");
            assert!(comparison::check(&check), "{file}: envoy-types cannot read it");
            if bless {
                fs::create_dir_all(&kept).unwrap();
                fs::write(kept.join(&file), &check).unwrap();
            }
            recorded.insert(file);
        }
        envoy.stop().await.unwrap();
    }
    let names = fs::read_dir(&kept).into_iter().flatten();
    let names: BTreeSet<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, recorded, "record the checks again: COUNTERSIGN_BLESS=1");
}
