//! Three replicas, each a process of its own, on one Redis: what is revoked on one of them is refused by all, whatever becomes
//! of the Redis in the meantime.
//!
//! The Redis is the `redis-server` on the PATH (Debian package `redis-server`). Where there is none the test says so and is
//! skipped; under `CI=true` it fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test helpers")]
#![expect(clippy::print_stderr, reason = "a skip is told")]
#![expect(clippy::disallowed_methods, reason = "whether this is CI is in the environment")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign::clock::{Clock as _, Stopwatch, SystemClock};
use countersign::demo::mint::{Issuer, Key};
use countersign::demo::server::{Addresses, Server};
use countersign::demo::{Folder, Pki};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, attribute_context,
};
use envoy_types::pb::google::protobuf::value::Kind;
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

const POLICY: &str = "apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: orders }
spec:
  target: { hosts: [orders.example.com] }
  rules:
    - { name: read, effect: allow, on: { methods: [GET] }, token: { issuer: corp } }
";

const ISSUER: &str = "https://login.example.com";

/// A `redis-server` that is killed when this value goes.
struct Redis {
    port: u16,
    child: Child,
}

impl Redis {
    /// `None`, loudly, where there is none on the PATH.
    fn start(folder: &Path, port: u16) -> Option<Self> {
        let port_text = port.to_string();
        let child = Command::new("redis-server")
            .args(["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--dir", folder.to_str().unwrap()])
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!ci, "this test needs `redis-server`: apt-get install redis-server");
            eprintln!("SKIPPED: this test needs `redis-server`: apt-get install redis-server");
            return None;
        };
        let waited = Stopwatch::start();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(waited.elapsed() < Duration::from_secs(20), "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { port, child })
    }

    fn kill(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

struct Replica {
    folder: Folder,
    addresses: Addresses,
    checks: AuthorizationClient<Channel>,
    _server: Server,
}

impl Replica {
    async fn start(pki: &Pki, issuer: &Issuer, redis: u16) -> Self {
        let folder = Folder::temporary().unwrap();
        pki.write(&folder).unwrap();
        folder.write("keys/corp.jwks.json", issuer.key_set().unwrap()).unwrap();
        let addresses = Addresses::free().await.unwrap();
        let settings = format!(
            "listener: {{ address: \"127.0.0.1:${{PORT}}\" }}
documents: [./policies]
admin: {{ address: \"127.0.0.1:${{ADMIN_PORT}}\", revocations: {{ tokenFile: admin.token }} }}
store: {{ redis: {{ url: \"redis://127.0.0.1:{redis}\", timeout: 500ms }} }}
"
        );
        let files = [
            ("countersign.yaml", settings),
            ("policies/orders.yaml", POLICY.to_owned()),
            ("admin.token", "0123456789abcdef".repeat(4)),
        ];
        Server::configure(&folder, addresses, &files).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
        let server = Server::start(program, &folder, addresses).await.unwrap();
        let url = format!("http://{}", addresses.checks);
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        Self { folder, addresses, checks: AuthorizationClient::new(channel), _server: server }
    }

    /// The reason of a denial of `token`; nothing where it is allowed.
    async fn refuses(&self, token: &str) -> Option<String> {
        let http = attribute_context::HttpRequest {
            method: "GET".into(),
            host: "orders.example.com".into(),
            path: "/v1/orders".into(),
            headers: [("authorization".into(), format!("Bearer {token}"))].into(),
            ..Default::default()
        };
        let request = Some(attribute_context::Request { http: Some(http), ..Default::default() });
        let attributes = Some(AttributeContext { request, ..Default::default() });
        let answer = self.checks.clone().check(CheckRequest { attributes }).await.unwrap();
        let answer = answer.into_inner();
        if answer.status.unwrap().code == 0 {
            return None;
        }
        let fields = answer.dynamic_metadata.unwrap().fields;
        match fields.get("reason").and_then(|value| value.kind.clone()) {
            Some(Kind::StringValue(reason)) => Some(reason),
            other => panic!("{other:?}"),
        }
    }

    /// Runs the command line against this replica: its exit code and what it printed.
    async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(arguments)
            .args(["--admin", &format!("http://{}", self.addresses.admin), "--token-file"])
            .arg(self.folder.join("admin.token"))
            .output()
            .await
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    async fn revoke(&self, jti: &str, more: &[&str]) -> (i32, String) {
        let what = ["revoke", "--jti", jti, "--issuer", ISSUER, "--output", "json"];
        self.run(&[&what[..], more].concat()).await
    }

    /// Waits until the page at `path` shows `text`.
    async fn shows(&self, path: &str, text: &str) {
        let watch = Stopwatch::start();
        while !self.page(path).await.contains(text) {
            assert!(watch.elapsed() < Duration::from_secs(30), "`{path}` never shows `{text}`");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn page(&self, path: &str) -> String {
        let address: SocketAddr = self.addresses.admin;
        let path = path.to_owned();
        let read = move || {
            use std::io::{Read as _, Write as _};
            let mut stream = TcpStream::connect(address).unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }
}

/// How long it takes until every one of `replicas` answers about `token` as expected.
async fn until(replicas: &[Replica], token: &str, expected: Option<&str>) -> Duration {
    let watch = Stopwatch::start();
    for replica in replicas {
        while replica.refuses(token).await.as_deref() != expected {
            assert!(watch.elapsed() < Duration::from_secs(30), "it never becomes {expected:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    watch.elapsed()
}

/// P64: on every replica within a second; while Redis is away what is known stays in force, what is revoked counts where it
/// was revoked, and all of that is said; when it is back, with nothing in it, everybody knows everything again.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_in_force_on_all_replicas_and_survives_the_loss_of_redis() {
    countersign::cli::install_crypto();
    let redis_folder = Folder::temporary().unwrap();
    let Some(redis) = Redis::start(redis_folder.path(), free_port()) else { return };
    let now = SystemClock.now();
    let (pki, issuer) = (Pki::new(now).unwrap(), Issuer::new(now).unwrap());
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Replica::start(&pki, &issuer, redis.port).await);
    }
    let token = |jti: &str| issuer.mint(Key::Ec, &json!({ "jti": jti })).unwrap();
    let [first, second, third] = &replicas[..] else { panic!() };

    let mut delays = Vec::new();
    for n in 0..30 {
        let (jti, author) = (format!("t-{n}"), &replicas[n % 3]);
        let token = token(&jti);
        assert_eq!(author.refuses(&token).await, None);
        let (code, told) = author.revoke(&jti, &["--reason", "drill"]).await;
        assert_eq!(code, 0, "{told}");
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&told["replicas"], &told["store"]), (&json!("all"), &json!("redis")));
        assert_eq!(
            author.refuses(&token).await.as_deref(),
            Some("token_revoked"),
            "the next request"
        );
        delays.push(until(&replicas, &token, Some("token_revoked")).await);
    }
    delays.sort_unstable();
    let (median, worst) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    println!("in force on 3 replicas: median {median:?}, p99 (of 30) {worst:?}");
    assert!(worst < Duration::from_secs(5), "{worst:?}");

    let undone = token("t-0");
    let (code, told) = second.revoke("t-0", &["--undo"]).await;
    assert_eq!(code, 0, "{told}");
    until(&replicas, &undone, None).await;

    let port = redis.kill();
    let known = token("t-1");
    until(&replicas, &known, Some("token_revoked")).await;
    let local = token("local");
    let (code, told) = third.revoke("local", &[]).await;
    assert_eq!(code, 1, "not on every replica: {told}");
    assert_eq!(third.refuses(&local).await.as_deref(), Some("token_revoked"));
    assert_eq!(first.refuses(&local).await, None, "it cannot know");
    first.shows("/metrics", "countersign_revocation_store_failing 1").await;
    third.shows("/metrics", "countersign_revocation_unshared 1").await;
    first.shows("/status", "\"up\": false").await;

    let back = Redis::start(redis_folder.path(), port).unwrap();
    until(&replicas, &local, Some("token_revoked")).await;
    until(&replicas, &known, Some("token_revoked")).await;
    until(&replicas, &undone, None).await;
    let fresh = Replica::start(&pki, &issuer, back.port).await;
    let newcomers = [fresh];
    until(&newcomers, &known, Some("token_revoked")).await;
    until(&newcomers, &local, Some("token_revoked")).await;
    until(&newcomers, &undone, None).await;
    let (code, listed) = newcomers[0].run(&["revocations", "--output", "json"]).await;
    assert_eq!(code, 0, "{listed}");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 30, "t-1 to t-29, and local");
}
