//! The certificates, tokens and documents that everything is measured with: the demo's, and more of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::testbed::mint::{ISSUER, Issuer, Key};
use crate::testbed::pki::{ENVOY, FRONTEND, HOST};
use crate::testbed::{Folder, Pki};
use countersign::clock::{Clock as _, SystemClock};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::cores::{Cores, Room};
use crate::process::Server;
use crate::programs;
use crate::workload::{Ask, Shown, Workload};

/// Settings with everything on but what [`Setup`] adds.
const SETTINGS: &str = "\
listener:
  address: 127.0.0.1:${PORT}
  peerSources: { sourceCertificate: true, xfcc: true, leastEvidence: hash }
  shownHeaders: every
  drain: { delay: 0s, timeout: 1s }
admin: { address: 127.0.0.1:${ADMIN_PORT} }
log: { format: json, level: warn }
# Longer than on a mesh, where a late answer is worth nothing: here it would be a wrong answer.
deadline: 10s
";

const TRUST_DOMAIN: &str = include_str!("../../src/demo/documents/trust-domain.yaml");
const TOKEN_ISSUER: &str = include_str!("../../src/demo/documents/token-issuer.yaml");
/// One policy, of as many rules as the demo's.
const POLICY: &str = include_str!("policy.yaml");
const POLICY_OF_CHECKS: &str = include_str!("policy-of-checks.yaml");

/// The folder with the issuer's keys, and the file in it.
const KEYS: &str = "keys";
const KEY_SET: &str = "corp.jwks.json";

/// How many policies are in one file.
const POLICIES_PER_FILE: usize = 500;
/// One check in so many belongs to a trace that is kept.
const SAMPLED: usize = 100;

pub(crate) struct World {
    pub(crate) folder: Folder,
    pub(crate) pki: Pki,
    pub(crate) cores: Cores,
    /// The countersign that is measured, where it is not the one beside this program.
    build: Option<PathBuf>,
    issuer: Issuer,
    pem: String,
    hash: String,
    full: String,
    pub(crate) rs256: String,
    es256: String,
}

/// The set-up of a server of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) policies: usize,
    pub(crate) issuers: usize,
    pub(crate) revocations: usize,
    pub(crate) audit: bool,
    /// The folder with the issuer's keys. Servers watch it whole.
    pub(crate) keys: &'a str,
    /// Further settings, as YAML.
    pub(crate) settings: &'a str,
    pub(crate) room: Room,
}

/// How the caller is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Evidence {
    /// The certificate in `source.certificate`, as with `include_peer_certificate`.
    Leaf,
    /// The same and XFCC with the certificate and its chain, as with the shipped configuration of Envoy.
    Full,
    /// Hash and names in XFCC, as from a sidecar of Istio.
    Hash,
}

// === impl Setup ===

impl Setup<'_> {
    pub(crate) const EVERYTHING: Setup<'static> = Setup {
        policies: 100,
        issuers: 1,
        revocations: 0,
        audit: true,
        keys: KEYS,
        settings: "",
        room: Room::One,
    };
}

// === impl World ===

impl World {
    pub(crate) fn new(cores: Cores, build: Option<&Path>) -> Self {
        let now = SystemClock.now();
        let (pki, issuer, folder) =
            (Pki::new(now).unwrap(), Issuer::new(now).unwrap(), Folder::temporary().unwrap());
        pki.write(&folder).unwrap();
        folder.write(&format!("{KEYS}/{KEY_SET}"), issuer.key_set().unwrap()).unwrap();
        let pem = pki.frontend.pem();
        let encoded = utf8_percent_encode(&pem, NON_ALPHANUMERIC).to_string();
        let digest: String = pki
            .frontend
            .fingerprint()
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let hash = format!("By={ENVOY};Hash={digest};URI={FRONTEND}");
        let full = format!(
            "By={ENVOY};Hash={digest};Cert=\"{encoded}\";Chain=\"{encoded}\";URI={FRONTEND}"
        );
        let mint = |key| issuer.mint(key, &json!({})).unwrap();
        let (rs256, es256) = (mint(Key::Rsa), mint(Key::Ec));
        let build = build.map(Path::to_owned);
        Self { folder, pki, cores, build, issuer, pem, hash, full, rs256, es256 }
    }

    /// The countersign that is measured, for a reader.
    pub(crate) fn countersign(&self) -> String {
        let build = self.build.as_ref().map(|path| format!("`{}`", path.display()));
        build.unwrap_or_else(|| "as `cargo build --release` makes it".to_owned())
    }

    /// A server of ours with this setup, once it is ready.
    pub(crate) async fn start(&self, setup: Setup<'_>) -> Arc<Server> {
        let build = self.build.clone().unwrap_or_else(programs::countersign);
        self.start_build(&build, setup).await
    }

    /// The same of another build.
    pub(crate) async fn start_build(&self, build: &Path, setup: Setup<'_>) -> Arc<Server> {
        let documents = self.documents(setup);
        let mut settings = format!("{SETTINGS}documents: [./{documents}]\n{}\n", setup.settings);
        if setup.audit {
            settings.push_str("audit: { file: ./audit-${PORT}.jsonl }\n");
        }
        let place = (self.cores, setup.room);
        Arc::new(Server::countersign(build, place, &self.folder, &settings).await)
    }

    /// The folder with the documents of `setup`: as many hosts as policies, and one of them the host of the checks.
    pub(crate) fn documents(&self, setup: Setup<'_>) -> String {
        let Setup { policies, issuers, revocations, keys, .. } = setup;
        let folder = format!("documents-{policies}-{issuers}-{revocations}-{keys}");
        let write = |name: &str, text: &str| {
            self.folder.write(&format!("{folder}/{name}"), text).unwrap();
        };
        write("trust-domain.yaml", TRUST_DOMAIN);
        write("policy-of-checks.yaml", POLICY_OF_CHECKS);
        let issuer = TOKEN_ISSUER.replace("../keys/", &format!("../{keys}/"));
        let other = |n| {
            issuer
                .replace("name: corp", &format!("name: corp-{n}"))
                .replace("login.example.com", &format!("login-{n}.example.com"))
        };
        let all: Vec<String> =
            std::iter::once(issuer.clone()).chain((1..issuers).map(other)).collect();
        write("token-issuers.yaml", &all.join("---\n"));
        let others = (1..policies).map(|n| policy(&format!("p{n}"), &format!("h{n}.example.com")));
        let all: Vec<String> = others.chain([policy("orders", HOST)]).collect();
        for (number, part) in all.chunks(POLICIES_PER_FILE).enumerate() {
            write(&format!("policies-{number}.yaml"), &part.join("---\n"));
        }
        if revocations > 0 {
            write("revoked.txt", &revocation_list(revocations));
            write("revocation-list.yaml", REVOCATION_LIST);
        }
        folder
    }

    fn ask<'a>(&'a self, evidence: Evidence, token: &'a str) -> Ask<'a> {
        let (certificate, xfcc, path) = match evidence {
            Evidence::Leaf => (&*self.pem, "", "/v1/orders"),
            Evidence::Full => (&*self.pem, &*self.full, "/v1/full"),
            Evidence::Hash => ("", &*self.hash, "/v1/hash"),
        };
        let shown = Shown { certificate, xfcc };
        Ask { host: HOST, path, token: Some(token), shown, sampled: false, allowed: true }
    }

    /// One caller with one RS256 token, again and again.
    pub(crate) fn warm(&self, evidence: Evidence) -> Arc<Workload> {
        let ask = self.ask(evidence, &self.rs256);
        let sampled = |n| Ask { sampled: n == 0, ..ask };
        Arc::new(Workload::new((0..SAMPLED).map(sampled)))
    }

    /// The same with an ES256 token.
    pub(crate) fn es256(&self) -> Arc<Workload> {
        Arc::new(Workload::new([self.ask(Evidence::Leaf, &self.es256)]))
    }

    /// A caller without a token, where none is asked for.
    pub(crate) fn without_token(&self) -> Arc<Workload> {
        let ask = self.ask(Evidence::Leaf, "");
        Arc::new(Workload::new([Ask { path: "/v1/peer", token: None, ..ask }]))
    }

    /// So many tokens in turn, of as many users.
    pub(crate) fn tokens(&self, count: usize) -> Arc<Workload> {
        let claims = |n| json!({ "jti": format!("token-{n}"), "sub": format!("user-{n}") });
        let tokens: Vec<String> =
            (0..count).map(|n| self.issuer.mint(Key::Ec, &claims(n)).unwrap()).collect();
        Arc::new(Workload::new(tokens.iter().map(|token| self.ask(Evidence::Hash, token))))
    }

    /// Three allowed, then one each: no token, no certificate that may, no such path, a path that is not canonical.
    pub(crate) fn mixed(&self) -> Arc<Workload> {
        let allowed = self.ask(Evidence::Leaf, &self.rs256);
        let reports = Shown { certificate: &self.pki.reports.pem(), xfcc: "" };
        let denied = Ask { allowed: false, ..allowed };
        Arc::new(Workload::new([
            allowed,
            allowed,
            allowed,
            Ask { token: None, ..denied },
            Ask { shown: reports, ..denied },
            Ask { path: "/v2/nothing", ..denied },
            Ask { path: "/v1/orders/../admin", ..denied },
        ]))
    }

    /// Publishes the issuer's keys in the folder `keys`, with one more that was not there before.
    pub(crate) fn publish(&self, keys: &str) {
        let mut set: Value = serde_json::from_str(&self.issuer.key_set().unwrap()).unwrap();
        let all = set.pointer_mut("/keys").and_then(Value::as_array_mut).unwrap();
        let mut next = all.last().unwrap().clone();
        let id = format!("next-{}", SystemClock.now().as_millis());
        next.as_object_mut().unwrap().insert("kid".to_owned(), id.into());
        all.push(next);
        self.folder.write(&format!("{keys}/{KEY_SET}"), set.to_string()).unwrap();
    }
}

/// A policy as people write them.
fn policy(name: &str, host: &str) -> String {
    POLICY.replace("${NAME}", name).replace("${HOST}", host)
}

const REVOCATION_LIST: &str = "\
apiVersion: countersign.dev/v1alpha1
kind: RevocationList
metadata: { name: tokens }
spec: { from: { file: revoked.txt }, onStale: allow }
";

/// A list in the line form: so many tokens by UUID, none of them in use.
fn revocation_list(entries: usize) -> String {
    let mut text = format!("countersign-revocations/1\n@issuer {}\n@reason leaked\n", ISSUER);
    for n in 0..entries {
        let mixed = u32::try_from(n).unwrap().wrapping_mul(0x9e37_79b9);
        writeln!(text, "jti {mixed:08x}-0000-4000-8000-{n:012x}").unwrap();
    }
    text
}
