//! The world the benchmarks decide in: the demo's certificates, tokens and documents, without its processes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that cannot be set up must fail"
)]
#![expect(dead_code, reason = "each benchmark uses its own part")]

#[path = "../../src/demo/mod.rs"]
pub(crate) mod testbed;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::testbed::mint::{Issuer, Tokens};
use self::testbed::pki::FRONTEND;
use self::testbed::{Folder, Pki};
use bytes::Bytes;
use countersign::audit::{AuditLog, AuditOptions, AuditSettings};
use countersign::clock::{Clock, SystemClock};
use countersign::document::RemoteContents;
use countersign::envoy::{CheckService, decode};
use countersign::evidence::{self, Evidence, PeerSources};
use countersign::evidence_level::EvidenceLevel;
use countersign::pdp::{
    HttpsFetcher, KeyCache, Load, Observer, Outcome, Pdp, PdpOptions, Snapshot, ThrottleOptions,
    VerificationCacheOptions,
};
use countersign::request::{CredentialHeaders, RequestView};
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, HeaderValue, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use prost::Message as _;
use tempfile::TempDir;

/// The SPIFFE ID of the service that is asked.
const ORDERS: &str = "spiffe://prod.example/ns/orders/sa/orders";

/// Policies for each way to show the peer: `/v1/leaf`, `/v1/hash` and `/v1/full`.
const LEVELS: &str = include_str!("levels.yaml");

/// Certificates, tokens and a folder of documents.
pub(crate) struct World {
    pub pki: Pki,
    pub tokens: Tokens,
    pub rs256: String,
    pub es256: String,
    pub key_set: String,
    pub issuer: Issuer,
    folder: Folder,
}

/// How Envoy sends the headers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// As they came (`encode_raw_headers`).
    Raw,
    /// As a map of texts, which is the default.
    Map,
}

/// The form in which Envoy shows the peer's certificate, and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown {
    Nothing,
    /// The certificate in `source.certificate`, as with `include_peer_certificate`.
    Leaf,
    /// Hash and names in XFCC, as from a sidecar of Istio.
    Hash,
    /// The certificate in `source.certificate`, and XFCC with it and its chain, as with the shipped configuration of Envoy.
    Full,
}

/// The question of a check: a `GET` of one path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub form: Form,
    pub path: &'a str,
    pub token: Option<&'a str>,
    pub shown: Shown,
    /// Further headers.
    pub headers: &'a [(&'a str, &'a str)],
}

/// An audit log in a file.
pub(crate) struct Audit {
    pub log: Arc<AuditLog>,
    pub options: AuditOptions,
    pub folder: TempDir,
}

impl Audit {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings: AuditSettings = serde_json::from_str(r#"{"file": "audit.jsonl"}"#).unwrap();
        let options = settings.options(folder.path()).unwrap();
        let log = Arc::new(AuditLog::start(&options, None).unwrap());
        Self { log, options, folder }
    }
}

/// The trusted sources: what Envoy verified, and XFCC.
pub(crate) fn sources() -> PeerSources {
    PeerSources {
        source_certificate: true,
        xfcc: true,
        least_evidence: EvidenceLevel::Hash,
        ..PeerSources::default()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        countersign::cli::install_crypto();
        let now = SystemClock.now();
        let (pki, issuer, folder) =
            (Pki::new(now).unwrap(), Issuer::new(now).unwrap(), Folder::temporary().unwrap());
        let (tokens, key_set) = (issuer.tokens(&pki).unwrap(), issuer.key_set().unwrap());
        pki.write(&folder).unwrap();
        folder.write("keys/corp.jwks.json", &key_set).unwrap();
        let documents = [
            ("trust-domain.yaml", include_str!("../../src/demo/documents/trust-domain.yaml")),
            ("token-issuer.yaml", include_str!("../../src/demo/documents/token-issuer.yaml")),
            ("orders.yaml", include_str!("../../src/demo/documents/orders.yaml")),
            ("levels.yaml", LEVELS),
        ];
        for (name, text) in documents {
            folder.write(&format!("policies/{name}"), text).unwrap();
        }
        let mint = |key| issuer.mint(key, &serde_json::json!({})).unwrap();
        let (rs256, es256) = (mint(testbed::mint::Key::Rsa), mint(testbed::mint::Key::Ec));
        Self { pki, tokens, rs256, es256, key_set, issuer, folder }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        self.folder.write(name, text).unwrap();
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("policies")
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let load = Load::from_paths(&[self.path()]);
        load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems))
    }

    /// The same files read again, after `before`.
    pub(crate) fn again(&self, before: &Snapshot) -> Snapshot {
        let load = Load::again(before, &[self.path()], RemoteContents::new());
        load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems))
    }

    /// A service with warm memory, within a tokio runtime.
    pub(crate) fn service(&self, observers: Vec<Arc<dyn Observer>>) -> CheckService {
        CheckService::new(Arc::new(self.pdp()), observers)
    }

    /// A decision point, within a tokio runtime.
    pub(crate) fn pdp(&self) -> Pdp {
        let clock = Arc::new(SystemClock);
        let keys = Arc::new(KeyCache::new(clock.clone(), Arc::new(HttpsFetcher::default())));
        let options = PdpOptions {
            peer_sources: sources(),
            // Longer than on a mesh: under valgrind everything takes fifty times as long.
            deadline: Duration::from_secs(10),
            memory: VerificationCacheOptions::default(),
        };
        let pdp = Pdp::new(self.snapshot(), keys, clock, options);
        pdp.throttling(ThrottleOptions::default())
    }

    /// The message of Envoy with `encode_raw_headers` and `include_peer_certificate`: about 3 kB.
    pub(crate) fn check(&self, path: &str, token: Option<&str>, certificate: bool) -> Bytes {
        self.check_in(Form::Raw, path, token, certificate)
    }

    /// The same with the headers in either form.
    pub(crate) fn check_in(
        &self,
        form: Form,
        path: &str,
        token: Option<&str>,
        certificate: bool,
    ) -> Bytes {
        let shown = if certificate { Shown::Leaf } else { Shown::Nothing };
        self.ask(Ask { form, path, token, shown, headers: &[] })
    }

    /// The demo's caller with its token, at the path where what is shown of its certificate is enough.
    pub(crate) fn shown_by(&self, shown: Shown) -> Bytes {
        let path = match shown {
            Shown::Leaf | Shown::Nothing => "/v1/orders",
            Shown::Hash => "/v1/hash",
            Shown::Full => "/v1/full",
        };
        self.ask(Ask { form: Form::Raw, path, token: Some(&self.rs256), shown, headers: &[] })
    }

    /// The outcome, shown by its certificate: an allow.
    pub(crate) fn decided(&self) -> (RequestView, Outcome) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (view, outcome) = runtime.block_on(async {
            let pdp = self.pdp();
            let pinned = pdp.pin();
            let (view, credentials) = decode(self.shown_by(Shown::Leaf), pinned.sealed()).unwrap();
            let outcome = pinned.decide(&view, credentials).await;
            (view, outcome)
        });
        assert!(outcome.decision.is_allow());
        (view, outcome)
    }

    /// The message of Envoy.
    pub(crate) fn ask(&self, ask: Ask<'_>) -> Bytes {
        let mut http = HttpRequest {
            id: "1234567890".into(),
            method: "GET".into(),
            scheme: "https".into(),
            host: "orders.example.com".into(),
            path: ask.path.into(),
            protocol: "HTTP/2".into(),
            size: -1,
            ..Default::default()
        };
        let mut lines = lines(ask.path, ask.token);
        let (certificate, xfcc) = self.shown(ask.shown);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        lines.extend(ask.headers.iter().map(owned));
        lines.extend(xfcc.map(|value| ("x-forwarded-client-cert".to_owned(), value)));
        match ask.form {
            Form::Raw => {
                let line = |(key, value): (String, String)| HeaderValue {
                    key,
                    raw_value: value.into(),
                    ..Default::default()
                };
                let headers = lines.into_iter().map(line).collect();
                http.header_map = Some(HeaderMap { headers });
            }
            Form::Map => http.headers = lines.into_iter().collect(),
        }
        let source = Peer {
            address: Some(address("10.1.2.3", 41234)),
            principal: FRONTEND.into(),
            certificate: certificate.unwrap_or_default(),
            ..Default::default()
        };
        let destination = Peer {
            address: Some(address("10.1.2.4", 8443)),
            principal: ORDERS.into(),
            ..Default::default()
        };
        let context = AttributeContext {
            source: Some(source),
            destination: Some(destination),
            request: Some(Request { time: None, http: Some(http) }),
            ..Default::default()
        };
        CheckRequest { attributes: Some(context) }.encode_to_vec().into()
    }

    /// `source.certificate` and XFCC.
    fn shown(&self, shown: Shown) -> (Option<String>, Option<String>) {
        let identity = &self.pki.frontend;
        let encoded = utf8_percent_encode(&identity.pem(), NON_ALPHANUMERIC).to_string();
        let hash = format!("By={ORDERS};Hash={}", identity.fingerprint().to_hex());
        match shown {
            Shown::Nothing => (None, None),
            Shown::Leaf => (Some(encoded), None),
            Shown::Hash => (None, Some(format!("{hash};URI={FRONTEND}"))),
            Shown::Full => {
                let full = format!("{hash};Cert=\"{encoded}\";Chain=\"{encoded}\";URI={FRONTEND}");
                (Some(encoded), Some(full))
            }
        }
    }

    /// The request split as the service splits it.
    pub(crate) fn decoded(
        &self,
        snapshot: &Snapshot,
        token: Option<&str>,
        certificate: bool,
    ) -> (RequestView, CredentialHeaders) {
        let message = self.check("/v1/orders", token, certificate);
        decode(message, snapshot.sealed()).unwrap()
    }

    /// The evidence of a request.
    pub(crate) fn evidence(
        &self,
        snapshot: &Snapshot,
        token: Option<&str>,
        certificate: bool,
    ) -> Evidence {
        let (_, credentials) = self.decoded(snapshot, token, certificate);
        evidence::collect(&credentials, None, &sources(), snapshot.token_places())
    }
}

/// `rules` allow rules over a tenth as many hosts, beside the demo's own.
pub(crate) fn others(rules: usize) -> String {
    let mut text = String::new();
    for host in 0..rules.div_ceil(10) {
        let _ = write!(
            text,
            "---\napiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: other-{host} }}\nspec:\n  target: {{ hosts: [service-{host}.example.com] }}\n  rules:\n"
        );
        for rule in 0..10 {
            let _ = writeln!(
                text,
                "    - {{ name: r{rule}, effect: allow, on: {{ methods: [GET], paths: [\"/v{rule}/things/{{id}}\"] }}, peer: {{ spiffe: [\"spiffe://prod.example/ns/web/sa/*\"] }} }}"
            );
        }
    }
    text
}

/// `message` as the body of a call.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

/// An answer without its frame that is an allow: status OK and no denial beside it.
pub(crate) fn assert_allow(answer: &[u8]) {
    let (_, message) = answer.split_at(5);
    let answer = CheckResponse::decode(message).unwrap();
    assert_eq!(answer.status.unwrap().code, 0);
}

/// The headers of a browser's request that went through a gateway.
fn lines(path: &str, token: Option<&str>) -> Vec<(String, String)> {
    let mut lines = vec![
        (":authority", "orders.example.com"),
        (":method", "GET"),
        (":path", path),
        (":scheme", "https"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB,en;q=0.9"),
        ("user-agent", "frontend/1.8.2 (linux; x86_64)"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-request-id", "5b2b5b0c-6b0e-4f1a-9f30-3f1f8b0c9c11"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
    ];
    let bearer = token.map(|token| format!("Bearer {token}"));
    lines.extend(bearer.as_deref().map(|value| ("authorization", value)));
    lines.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

fn address(ip: &str, port: u32) -> Address {
    let port_specifier = Some(PortSpecifier::PortValue(port));
    let socket = SocketAddress { address: ip.into(), port_specifier, ..Default::default() };
    Address { address: Some(AddressKind::SocketAddress(socket)) }
}
