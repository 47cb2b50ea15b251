//! The world the benchmarks decide in: the demo's certificates, tokens and documents, without its processes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that cannot be set up must fail"
)]
#![expect(dead_code, reason = "each benchmark uses its own part")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::demo::mint::{Issuer, Tokens};
use countersign::demo::{Folder, Pki};
use countersign::envoy::{CheckService, decode};
use countersign::evidence::{self, Evidence, PeerSources};
use countersign::pdp::{HttpsFetcher, KeyCache, Load, MemoryOptions, Pdp, PdpOptions, Snapshot};
use countersign::request::{CredentialHeaders, RequestView};
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

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

/// What is believed: what Envoy verified, and XFCC.
pub(crate) fn sources() -> PeerSources {
    PeerSources { source_certificate: true, xfcc: true, ..PeerSources::default() }
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
        ];
        for (name, text) in documents {
            folder.write(&format!("policies/{name}"), text).unwrap();
        }
        let mint = |key| issuer.mint(key, &serde_json::json!({})).unwrap();
        let (rs256, es256) =
            (mint(countersign::demo::mint::Key::Rsa), mint(countersign::demo::mint::Key::Ec));
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

    /// A service with warm memory, within a tokio runtime.
    pub(crate) fn service(&self) -> CheckService {
        let clock = Arc::new(SystemClock);
        let keys = Arc::new(KeyCache::new(clock.clone(), Arc::new(HttpsFetcher)));
        let options = PdpOptions {
            peer_sources: sources(),
            deadline: Duration::from_millis(150),
            memory: MemoryOptions::default(),
        };
        let pdp = Pdp::new(self.snapshot(), keys, clock, options);
        CheckService::new(Arc::new(pdp), Vec::new())
    }

    /// What Envoy sends with `encode_raw_headers` and `include_peer_certificate`: about 3 kB.
    pub(crate) fn check(&self, path: &str, token: Option<&str>, certificate: bool) -> CheckRequest {
        let mut lines = vec![
            (":authority", "orders.example.com".to_owned()),
            (":method", "GET".to_owned()),
            (":path", path.to_owned()),
            ("accept", "application/json".to_owned()),
            ("user-agent", "frontend/1.8.2 (linux; x86_64)".to_owned()),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            ("x-request-id", "5b2b5b0c-6b0e-4f1a-9f30-3f1f8b0c9c11".to_owned()),
            ("x-forwarded-proto", "https".to_owned()),
        ];
        lines.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
        let headers = lines
            .into_iter()
            .map(|(key, value)| HeaderValue {
                key: key.into(),
                raw_value: value.into(),
                ..Default::default()
            })
            .collect();
        let http = HttpRequest {
            id: "1234567890".into(),
            method: "GET".into(),
            scheme: "https".into(),
            host: "orders.example.com".into(),
            path: path.into(),
            protocol: "HTTP/2".into(),
            size: -1,
            header_map: Some(HeaderMap { headers }),
            ..Default::default()
        };
        let pem = self.pki.frontend.pem();
        let source = Peer {
            certificate: if certificate {
                utf8_percent_encode(&pem, NON_ALPHANUMERIC).to_string()
            } else {
                String::new()
            },
            ..Default::default()
        };
        let request = Some(Request { time: None, http: Some(http) });
        let context = AttributeContext { source: Some(source), request, ..Default::default() };
        CheckRequest { attributes: Some(context) }
    }

    /// The request split as the service splits it.
    pub(crate) fn decoded(
        &self,
        snapshot: &Snapshot,
        token: Option<&str>,
        certificate: bool,
    ) -> (RequestView, CredentialHeaders) {
        decode(self.check("/v1/orders", token, certificate), snapshot.sealed())
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
