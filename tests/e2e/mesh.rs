//! The shipped set-ups of Istio and Envoy Gateway, driven through a real Envoy; and every shipped Envoy
//! configuration loaded by it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::testbed::audit::{AuditRecord, AuditTail};
use crate::testbed::client::Client;
use crate::testbed::envoy::{Bootstrap, Envoy};
use crate::testbed::http1::{Request, Response};
use crate::testbed::mint::{Issuer, Tokens};
use crate::testbed::pki::{COUNTERSIGN, ENVOY, FRONTEND, HOST, Identity, Usage};
use crate::testbed::server::{Addresses, Server};
use crate::testbed::upstream::{Received, Upstream};
use crate::testbed::{Folder, Pki};
use countersign::clock::{Clock as _, SystemClock};
use rcgen::SanType;
use tokio::net::TcpSocket;

use crate::envoy;
use crate::listeners::settings;

pub(crate) const SIDECAR: &str = include_str!("../../envoy/istio/generated/sidecar.yaml");
const SIDECAR_TCP: &str = include_str!("../../envoy/istio/generated/sidecar-tcp.yaml");
pub(crate) const INGRESS_GATEWAY: &str =
    include_str!("../../envoy/istio/generated/ingress-gateway.yaml");
const WAYPOINT: &str = include_str!("../../envoy/istio/generated/waypoint.yaml");
pub(crate) const GATEWAY: &str = include_str!("../../envoy/gateway/generated/gateway.yaml");

/// Another workload's name as a caller could write it.
const FORGED: &str = "Hash=0000000000000000000000000000000000000000000000000000000000000000;URI=spiffe://prod.example/ns/web/sa/frontend";

/// A mesh of one Envoy, with countersign behind mutual TLS as the set-ups say.
pub(crate) struct Mesh {
    pub(crate) pki: Arc<Pki>,
    pub(crate) tokens: Tokens,
    pub(crate) upstream: Upstream,
    audit: AuditTail,
    folder: Folder,
    envoy: Envoy,
    server: Server,
}

impl Mesh {
    /// Envoy with `template`; countersign trusts `sources` and asks for `evidence`.
    async fn raise(template: &str, sources: &str, evidence: &str) -> Option<Self> {
        Self::vary(template, &[], sources, evidence, false).await
    }

    /// The same with `changes` to the template. A `public` Envoy shows a certificate with a DNS name alone.
    pub(crate) async fn vary(
        template: &str,
        changes: &[(&'static str, &'static str)],
        sources: &str,
        evidence: &str,
        public: bool,
    ) -> Option<Self> {
        let binary = envoy::find()?;
        let now = SystemClock.now();
        let pki = Arc::new(Pki::new(now).unwrap());
        let issuer = Issuer::new(now).unwrap();
        let tokens = issuer.tokens(&pki).unwrap();
        let folder = Folder::temporary().unwrap();
        pki.write(&folder).unwrap();
        if public {
            let names = vec![SanType::DnsName(HOST.try_into().unwrap())];
            let shown = pki.ca().issue("envoy", names, Usage::Both, now).unwrap();
            shown.write(&folder, "envoy").unwrap();
        }
        folder.write("keys/corp.jwks.json", issuer.key_set().unwrap()).unwrap();
        let upstream = Upstream::start().await.unwrap();
        let addresses = Addresses::free().unwrap();
        let (name, text) = settings("{ sourceCertificate: true, xfcc: true }", sources);
        let tls = "127.0.0.1:${PORT}\n  tls:\n    certificate: tls/countersign.pem\n    key: tls/countersign.key\n    clientAuthorities: ca/prod.pem";
        let text = text.replace(
            "127.0.0.1:${PORT}",
            &format!("{tls}\n    clients: {{ spiffe: [\"{ENVOY}\"], dns: [\"{HOST}\"] }}"),
        );
        let orders = include_str!("../../src/demo/documents/orders.yaml");
        let orders = orders.replace("evidence: leaf", &format!("evidence: {evidence}"));
        Server::configure(&folder, addresses, &[(name, text), ("policies/orders.yaml", orders)])
            .unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
        let server = Server::start(program, &folder, addresses).await.unwrap();
        let bootstrap = filled(template, &folder).set("COUNTERSIGN_PORT", addresses.checks.port());
        let bootstrap = bootstrap.set("SERVICE_PORT", upstream.address().port());
        // All tests at once on a small machine can keep an unoptimised countersign waiting.
        let bootstrap = bootstrap.vary(" timeout: 0.25s\n", " timeout: 5s\n");
        let vary = |bootstrap: Bootstrap, (from, to): &(&'static str, &'static str)| {
            bootstrap.vary(from, to)
        };
        let bootstrap = changes.iter().fold(bootstrap, vary);
        let envoy = Envoy::start(&binary, &bootstrap, &folder).await.unwrap();
        let audit = AuditTail::new(folder.join("audit.jsonl"));
        Some(Self { pki, tokens, upstream, audit, folder, envoy, server })
    }

    pub(crate) async fn ask(
        &mut self,
        identity: &Identity,
        request: &Request,
    ) -> (Response, AuditRecord) {
        let answer = self.client(identity).send(request).await.unwrap();
        (answer, self.audit.next().await.expect("every decision is recorded"))
    }

    pub(crate) fn client(&self, identity: &Identity) -> Client {
        Client::new(self.envoy.listener(), self.pki.ca().der(), Some(identity)).unwrap()
    }

    pub(crate) async fn stop(self) {
        self.envoy.stop().await.unwrap();
        self.server.stop().await.unwrap();
    }

    fn list(&self) -> Request {
        Request::get(HOST, "/v1/orders").bearer(&self.tokens.bearer)
    }

    /// The right workload may, another may not, and who writes the other's name into a header is who he is.
    async fn plays(&mut self, level: &str) {
        let pki = Arc::clone(&self.pki);
        let forged =
            self.list().header("x-forwarded-client-cert", FORGED).header("x-subject", "root");
        let (answer, record) = self.ask(&pki.frontend, &self.list()).await;
        assert_eq!(answer.status, 200, "{}", record.as_json());
        assert_eq!(record.text("/peer/evidence"), Some(level));
        assert_eq!(record.text("/peer/spiffe"), Some(FRONTEND), "{}", record.as_json());
        let seen: Received = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(seen.values("x-peer").collect::<Vec<_>>(), [FRONTEND]);
        for request in [self.list(), forged] {
            let before = self.upstream.requests();
            let (answer, record) = self.ask(&pki.reports, &request).await;
            assert_eq!(
                (answer.status, record.decision_text()),
                (403, Some("deny")),
                "{}",
                record.as_json()
            );
            assert_eq!(self.upstream.requests(), before);
        }
    }

    /// A token that is bound to the frontend's certificate, shown by the frontend.
    async fn bound(&mut self) -> (u16, Option<String>) {
        let request = Request::get(HOST, "/v1/orders/42").bearer(&self.tokens.bound);
        let pki = Arc::clone(&self.pki);
        let (answer, record) = self.ask(&pki.frontend, &request).await;
        (answer.status, record.reason_text().map(str::to_owned))
    }

    /// Without countersign nothing passes.
    async fn closes(self, status: u16) {
        let Self { pki, tokens, upstream, envoy, server, .. } = self;
        server.stop().await.unwrap();
        let before = upstream.requests();
        let client = Client::new(envoy.listener(), pki.ca().der(), Some(&pki.frontend)).unwrap();
        let request = Request::get(HOST, "/v1/orders").bearer(&tokens.bearer);
        let answer = client.send(&request).await.unwrap();
        assert_eq!((answer.status, upstream.requests()), (status, before), "{}", answer.text());
        envoy.stop().await.unwrap();
    }
}

/// A port for an Envoy whose configuration names it, which no other process gets as long as the socket is kept.
pub(crate) fn held_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// `template` with what it names of these: a folder's certificates, this machine, free ports.
fn filled(template: &str, folder: &Folder) -> Bootstrap {
    let file = |name| folder.join(name).display().to_string();
    let values = [
        ("NODE_ID", String::from("mesh")),
        ("NODE_CLUSTER", String::from("mesh")),
        ("ADMIN_PORT", String::from("0")),
        ("LISTEN_ADDRESS", String::from("127.0.0.1")),
        ("LISTEN_PORT", String::from("0")),
        ("SERVER_CERTIFICATE_FILE", file("envoy/envoy.pem")),
        ("SERVER_KEY_FILE", file("envoy/envoy.key")),
        ("CLIENT_CA_FILE", file("ca/prod.pem")),
        ("TRUST_CHAIN_VERIFICATION", String::from("VERIFY_TRUST_CHAIN")),
        ("COUNTERSIGN_ID", String::from(COUNTERSIGN)),
        ("COUNTERSIGN_PORT", String::from("1")),
        ("SERVICE_ADDRESS", String::from("127.0.0.1")),
        ("SERVICE_PORT", String::from("1")),
    ];
    let named = values.into_iter().filter(|(name, _)| template.contains(&format!("${{{name}}}")));
    named.fold(Bootstrap::new(template), |bootstrap, (name, value)| bootstrap.set(name, value))
}

/// P30, P69: By, Hash, Subject and URI, appended to what the caller wrote, and no certificate.
#[tokio::test]
async fn behind_an_istio_sidecar() {
    let Some(mut mesh) = Mesh::raise(SIDECAR, "{ xfcc: true, leastEvidence: hash }", "hash").await
    else {
        return;
    };
    mesh.plays("hash").await;
    assert_eq!(mesh.bound().await, (200, None), "the hash is enough for a bound token");
    mesh.closes(503).await;
}

/// P520: a CUSTOM policy is about TCP ports too, and closes them; with `notPorts` Envoy does not ask about them.
#[tokio::test]
async fn a_tcp_port_behind_an_istio_sidecar() {
    const ANY: &str = "rules: [{ any: true }]";
    let (_held, port) = held_port();
    let listen: &'static str = format!("port_value: {port} }}").leak();
    let at = ("port_value: ${LISTEN_PORT} }", listen);
    let not_rule =
        format!("{{ not_rule: {{ or_rules: {{ rules: [{{ destination_port: {port} }}] }} }} }}");
    let not_ports: &'static str = format!("rules: [{not_rule}]").leak();
    for (changes, open) in [(&[at][..], false), (&[at, (ANY, not_ports)], true)] {
        let sources = "{ xfcc: true }";
        let Some(mut mesh) = Mesh::vary(SIDECAR_TCP, changes, sources, "hash", false).await else {
            return;
        };
        let (pki, before) = (Arc::clone(&mesh.pki), mesh.upstream.requests());
        let answer = mesh.client(&pki.frontend).send(&Request::get("database", "/")).await;
        assert_eq!(answer.is_ok(), open, "{answer:?}");
        assert_eq!(mesh.upstream.requests() - before, u64::from(open));
        if !open {
            let record = mesh.audit.next().await.expect("every decision is recorded");
            assert_eq!(record.reason_text(), Some("tcp_connection"), "{}", record.as_json());
            let destination = record.text("/request/destination").unwrap_or_default();
            assert!(destination.ends_with(&format!(":{port}")), "{}", record.as_json());
        }
        mesh.stop().await;
    }
}

/// The shipped `EnvoyFilter` in what istiod generates, as it merges it: the certificate of the connection.
#[tokio::test]
async fn behind_an_istio_sidecar_that_shows_the_certificate() {
    const EXT_AUTHZ: &str = "http.ext_authz.v3.ExtAuthz\n";
    let filter = include_str!("../../envoy/istio/peer-certificate.yaml");
    let (_, patch) = filter.split_once(EXT_AUTHZ).unwrap();
    let keys = patch.lines().take_while(|line| line.starts_with("            "));
    let merged = keys.map(|key| format!("          {key}\n")).collect::<String>();
    let merged: &'static str = format!("{EXT_AUTHZ}{merged}").leak();
    let (changes, sources) = ([(EXT_AUTHZ, merged)], "{ sourceCertificate: true }");
    let Some(mut mesh) = Mesh::vary(SIDECAR, &changes, sources, "leaf", false).await else {
        return;
    };
    mesh.plays("leaf").await;
    assert_eq!(mesh.bound().await, (200, None));
    mesh.closes(503).await;
}

/// P30: the leaf of the gateway's client, and nothing that the client wrote.
#[tokio::test]
async fn behind_an_istio_ingress_gateway() {
    let Some(mut mesh) = Mesh::raise(INGRESS_GATEWAY, "{ xfcc: true }", "leaf").await else {
        return;
    };
    mesh.plays("leaf").await;
    assert_eq!(mesh.bound().await, (200, None));
    mesh.closes(503).await;
}

/// P47, P69: a name alone: enough to tell workloads apart, not enough for a bound token.
#[tokio::test]
async fn behind_an_istio_waypoint() {
    let sources = "{ xfcc: true, xfccWithoutTls: true, leastEvidence: asserted }";
    let Some(mut mesh) = Mesh::raise(WAYPOINT, sources, "asserted").await else { return };
    mesh.plays("asserted").await;
    assert_eq!(mesh.bound().await, (401, Some("binding_unavailable".to_owned())));
    mesh.closes(503).await;
}

/// P47: where the waypoint's word is not asked for by name, there is no peer.
#[tokio::test]
async fn a_waypoint_is_not_trusted_unless_asked_for() {
    let Some(mut mesh) =
        Mesh::raise(WAYPOINT, "{ xfcc: true, leastEvidence: asserted }", "asserted").await
    else {
        return;
    };
    let (request, pki) = (mesh.list(), Arc::clone(&mesh.pki));
    let (answer, record) = mesh.ask(&pki.frontend, &request).await;
    assert_eq!(answer.status, 403, "{}", record.as_json());
    assert_eq!(mesh.upstream.requests(), 0);
    mesh.closes(503).await;
}

/// P10: the filter is off but where a route switches it on. The certificate comes with its chain.
#[tokio::test]
async fn behind_envoy_gateway() {
    let Some(mut mesh) = Mesh::raise(GATEWAY, "{ xfcc: true }", "full").await else { return };
    mesh.plays("full").await;
    assert_eq!(mesh.bound().await, (200, None));
    let log = std::fs::read_to_string(mesh.folder.join("envoy/envoy.log")).unwrap();
    let line = log.lines().rev().find(|line| line.contains("decision_id")).unwrap_or_default();
    assert!(
        line.contains("\"by_filter_name\":null") && !line.contains("\"decision_id\":null"),
        "{log}"
    );
    mesh.closes(503).await;
}

/// The shipped `EnvoyPatchPolicy` in what Envoy Gateway generates, as it patches it.
#[tokio::test]
async fn behind_envoy_gateway_that_shows_the_certificate() {
    const FILTER: &str = "filters.http.ext_authz.v3.ExtAuthz\n";
    const MANAGER: &str = "                stat_prefix: https-8443\n";
    let patches = include_str!("../../envoy/gateway/peer-certificate.yaml");
    let mut filter = FILTER.to_owned();
    let mut manager = MANAGER.to_owned();
    for patch in patches.split("        jsonPath: ").skip(1) {
        let (place, rest) = patch.split_once("        path: ").unwrap();
        let key = rest.lines().next().unwrap();
        match place.contains("http_filters") {
            true => filter.push_str(&format!("                      {key}: true\n")),
            false => manager.push_str(&format!("                {key}: true\n")),
        }
    }
    let changes = [(FILTER, &*filter.leak()), (MANAGER, &*manager.leak())];
    let sources = "{ sourceCertificate: true }";
    let Some(mut mesh) = Mesh::vary(GATEWAY, &changes, sources, "leaf", false).await else {
        return;
    };
    mesh.plays("leaf").await;
    assert_eq!(mesh.bound().await, (200, None));
    mesh.closes(503).await;
}

/// P161: a gRPC health check of Envoy Gateway has the name of its cluster as `:authority`. Without an answer no host is
/// healthy, and every check fails.
#[tokio::test]
async fn behind_envoy_gateway_that_checks_health() {
    const CLUSTER: &str = "      # EDS there.\n";
    const CHECKED: &str = "      common_lb_config: { healthy_panic_threshold: { value: 0 } }
      health_checks: [{ timeout: 5s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, grpc_health_check: {} }]\n";
    let changes = [(CLUSTER, CHECKED)];
    let Some(mut mesh) = Mesh::vary(GATEWAY, &changes, "{ xfcc: true }", "full", false).await
    else {
        return;
    };
    mesh.plays("full").await;
    mesh.closes(503).await;
}

/// P120: Envoy Gateway ignores the port of a host where it routes, and not the dots at its end: those are of another team's route.
#[tokio::test]
async fn behind_envoy_gateway_no_other_team_is_asked_in_the_name_of_a_host() {
    let route = GATEWAY.find("                    - name: shop/edge/https/orders").unwrap();
    let (start, rest) = GATEWAY.split_at(route);
    let end = rest.find("\n  clusters:").unwrap();
    let (one, after) = rest.split_at(end);
    let other = one.replace("/orders_example_com", "/other-team").replace(
        "route: { cluster: service, upgrade_configs: [{ upgrade_type: websocket }] }",
        "direct_response: { status: 418, body: { inline_string: other } }",
    );
    let other = other.replace("[orders.example.com]", "[\"*\"]");
    let template = format!("{start}{one}\n{other}{after}");
    let Some(mut mesh) = Mesh::raise(&template, "{ xfcc: true }", "full").await else { return };
    let client = mesh.client(&mesh.pki.frontend);
    for host in [
        "orders.example.com.",
        "orders.example.com..",
        "orders.example.com.:8443",
        "orders.example.com:8443",
        "orders.example.com:443",
        "orders.example.com:9999",
        "orders.example.com:0443",
        "x.orders.example.com",
        "evil.example",
        "[::1]",
    ] {
        let request = Request::get(host, "/v1/orders").bearer(&mesh.tokens.bearer);
        let status = client.send(&request).await.map_or(0, |answer| answer.status);
        assert!(matches!(status, 0 | 400 | 403), "{host}: {status}");
    }
    assert_eq!(mesh.upstream.requests(), 0);
    let request = Request::get("Orders.Example.Com", "/v1/orders").bearer(&mesh.tokens.bearer);
    assert_eq!(client.send(&request).await.unwrap().status, 200);
    while mesh.audit.next().await.expect("the last one is recorded").decision_text()
        != Some("allow")
    {}
    mesh.closes(503).await;
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { yaml_files(&path, found) } else { found.push(path) }
    }
}

/// Each one that is shipped: those for Envoy are loaded by it, the others are for Kubernetes.
#[tokio::test]
async fn every_shipped_envoy_configuration_is_loaded_by_the_real_envoy() {
    let Some(binary) = envoy::find() else { return };
    let mut files = Vec::new();
    yaml_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy"), &mut files);
    let folder = Folder::temporary().unwrap();
    Pki::new(SystemClock.now()).unwrap().write(&folder).unwrap();
    let mut loaded = 0;
    for path in files {
        let template = std::fs::read_to_string(&path).unwrap();
        if !template.contains("\nstatic_resources:\n") {
            assert!(
                template.contains("\nkind: ") || template.contains("\nmeshConfig:"),
                "{path:?}"
            );
            continue;
        }
        let config = filled(&template, &folder).render().unwrap();
        let config = folder.write("validate.yaml", config).unwrap();
        let mut command = Command::new(binary.program());
        command.args(["--mode", "validate", "--log-level", "error", "--config-path"]).arg(config);
        let output = command.current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{path:?}: {}", String::from_utf8_lossy(&output.stderr));
        loaded += 1;
    }
    assert!(loaded >= 5, "{loaded}");
}
