//! Replicas and their Redis.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::testbed::mint::{Issuer, Key};
use crate::testbed::server::{Addresses, Server};
use crate::testbed::{Folder, Pki};
use countersign::clock::{Clock as _, Stopwatch, SystemClock};
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, attribute_context,
};
use envoy_types::pb::google::protobuf::value::Kind;
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};

/// Far more than a check takes: it is to fail for what it is about, however slow the machine.
const DEADLINE: &str = "10s";

/// After this there is no answer: half a minute for what has ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Each test has a Redis and several servers: one at a time, so that they do not make each other late.
pub(crate) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const POLICY: &str = "apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: orders }
spec:
  target: { hosts: [orders.example.com] }
  rules:
    - { name: read, effect: allow, on: { methods: [GET] }, token: { issuer: corp } }
    - { name: read-once, effect: allow, on: { methods: [GET] }, token: { issuer: vouchers } }
---
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: { name: vouchers }
spec:
  issuer: https://vouchers.example.com
  audiences: [orders]
  keys: { file: ../keys/corp.jwks.json }
  algorithms: [ES256]
  use: once
";

pub(crate) const ISSUER: &str = "https://login.example.com";

/// The parts that all replicas share.
pub(crate) struct House {
    pki: Pki,
    pub(crate) issuer: Issuer,
}

impl House {
    pub(crate) fn new() -> Self {
        countersign::cli::install_crypto();
        let now = SystemClock.now();
        Self { pki: Pki::new(now).unwrap(), issuer: Issuer::new(now).unwrap() }
    }

    pub(crate) fn token(&self, changes: &Value) -> String {
        self.issuer.mint(Key::Ec, changes).unwrap()
    }

    /// A replica that is ready; `redis` are its `store.redis`, `more` its further settings.
    pub(crate) async fn replica(&self, redis: &str, more: &str) -> Replica {
        let folder = Folder::temporary().unwrap();
        self.pki.write(&folder).unwrap();
        folder.write("keys/corp.jwks.json", self.issuer.key_set().unwrap()).unwrap();
        let addresses = Addresses::free().unwrap();
        let settings = format!(
            "listener: {{ address: \"127.0.0.1:${{PORT}}\" }}
documents: [./policies]
admin: {{ address: \"127.0.0.1:${{ADMIN_PORT}}\", revocations: {{ tokenFile: admin.token }} }}
store: {{ redis: {{ {redis} }} }}
deadline: {DEADLINE}
{more}
"
        );
        let files = [
            ("countersign.yaml", settings),
            ("policies/orders.yaml", POLICY.to_owned()),
            ("admin.token", "0123456789abcdef".repeat(4)),
        ];
        Server::configure(&folder, addresses, &files).unwrap();
        Replica::start(folder, addresses).await
    }
}

pub(crate) struct Replica {
    folder: Folder,
    addresses: Addresses,
    checks: AuthorizationClient<Channel>,
    server: Server,
}

impl Replica {
    async fn start(folder: Folder, addresses: Addresses) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
        let server = Server::start(program, &folder, addresses).await.unwrap();
        let url = format!("http://{}", addresses.checks);
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        Self { folder, addresses, checks: AuthorizationClient::new(channel), server }
    }

    /// Kills the process, and starts another one in the same folder.
    pub(crate) async fn restart(self) -> Self {
        let Self { folder, addresses, server, .. } = self;
        server.stop().await.unwrap();
        Self::start(folder, addresses).await
    }

    /// The reason of a denial of `token`; nothing where it is allowed.
    pub(crate) async fn refuses(&self, token: &str) -> Option<String> {
        self.judge("GET", [("authorization".into(), format!("Bearer {token}"))].into()).await
    }

    /// The same of a token with a proof.
    pub(crate) async fn refuses_proof(&self, token: &str, proof: &str) -> Option<String> {
        let token = ("authorization".into(), format!("DPoP {token}"));
        self.judge("GET", [token, ("dpop".into(), proof.to_owned())].into()).await
    }

    /// Has `token` verified by a request that is denied, so that it is remembered and not used up.
    pub(crate) async fn remember(&self, token: &str) {
        let headers = [("authorization".into(), format!("Bearer {token}"))].into();
        assert_eq!(self.judge("POST", headers).await.as_deref(), Some("no_rule"));
    }

    async fn judge(&self, method: &str, headers: HashMap<String, String>) -> Option<String> {
        let http = attribute_context::HttpRequest {
            method: method.into(),
            scheme: "https".into(),
            host: "orders.example.com".into(),
            path: "/v1/orders".into(),
            headers,
            ..Default::default()
        };
        let request = Some(attribute_context::Request { http: Some(http), ..Default::default() });
        let socket = SocketAddress {
            address: "203.0.113.7".into(),
            port_specifier: Some(PortSpecifier::PortValue(40_000)),
            ..Default::default()
        };
        let address = Address { address: Some(AddressKind::SocketAddress(socket)) };
        let source = attribute_context::Peer { address: Some(address), ..Default::default() };
        let source = Some(source);
        let attributes = Some(AttributeContext { request, source, ..Default::default() });
        let mut checks = self.checks.clone();
        let answer = checks.check(CheckRequest { attributes });
        let answer = tokio::time::timeout(PATIENCE, answer).await.expect("no answer at all");
        let answer = answer.unwrap().into_inner();
        if answer.status.unwrap().code == 0 {
            return None;
        }
        let fields = answer.dynamic_metadata.unwrap().fields;
        match fields.get("reason").and_then(|value| value.kind.clone()) {
            Some(Kind::StringValue(reason)) => Some(reason),
            other => panic!("{other:?}"),
        }
    }

    /// The log of the process.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("countersign.log")).unwrap()
    }

    /// Runs the command line against this replica: its exit code and what it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (i32, String) {
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

    pub(crate) async fn revoke(&self, jti: &str, more: &[&str]) -> (i32, String) {
        let what = ["revoke", "--jti", jti, "--issuer", ISSUER, "--output", "json"];
        self.run(&[&what[..], more].concat()).await
    }

    /// Waits until the page at `path` shows `text`.
    pub(crate) async fn shows(&self, path: &str, text: &str) {
        let watch = Stopwatch::start();
        while !self.page(path).await.contains(text) {
            assert!(watch.elapsed() < Duration::from_secs(30), "`{path}` never shows `{text}`");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn page(&self, path: &str) -> String {
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
pub(crate) async fn until(replicas: &[Replica], token: &str, expected: Option<&str>) -> Duration {
    let watch = Stopwatch::start();
    for replica in replicas {
        while replica.refuses(token).await.as_deref() != expected {
            assert!(watch.elapsed() < Duration::from_secs(30), "it never becomes {expected:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    watch.elapsed()
}
