//! A certified OpenID provider that is not ours (npm `oidc-provider`) through a real Envoy: discovery, rotation, introspection, tokens
//! bound to certificates and by DPoP. Tokens and proofs are made by the provider and `jose`, in `provider/server.mjs`.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

use crate::envoy;
use crate::testbed::Folder;
use crate::testbed::http1::{Connection, Request};

const HOST: &str = "provider.example.com";

const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("provider/package.json")),
    ("package-lock.json", include_str!("provider/package-lock.json")),
    ("server.mjs", include_str!("provider/server.mjs")),
];

const DOCUMENTS: &str = "\
apiVersion: countersign.dev/v1alpha1
kind: TokenIssuer
metadata: { name: provider }
spec:
  issuer: ISSUER
  audiences: [https://orders.example.com]
  withoutAudience: { clients: [shop] }
  keys: { discovery: {}, allowPlaintext: true }
  algorithms: [ES256]
  types: [at+jwt]
  introspection:
    url: ISSUER/token/introspection
    allowPlaintext: true
    client: { id: countersign, basic: { file: ../provider.secret } }
    cacheTtl: 1s
    timeout: 4s
---
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: provider }
spec:
  target: { hosts: [provider.example.com] }
  rules:
    - { name: plain, effect: allow, on: { paths: [/plain] }, token: { issuer: provider, scopes: [\"orders:read\"] } }
    - { name: certificate, effect: allow, on: { paths: [/certificate] }, token: { issuer: provider, binding: certificate } }
    - { name: dpop, effect: allow, on: { paths: [/dpop] }, token: { issuer: provider, binding: dpop } }
";

/// The provider, which ends with this value: its standard input closes.
struct Provider {
    address: String,
    _process: Child,
    /// It goes on writing, which fails where nothing reads.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Provider {
    /// `None`, loudly, where there is no Node.js on the PATH.
    async fn start() -> Option<Self> {
        let folder = match installed().await {
            Ok(folder) => folder,
            Err(why) => {
                let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
                let message =
                    format!("this test needs Node.js with npm: apt-get install nodejs npm: {why}");
                assert!(!ci, "{message}");
                eprintln!("SKIPPED: {message}");
                return None;
            }
        };
        let mut command = Command::new("node");
        command.arg("server.mjs").current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.next_line().await.unwrap().expect("the provider's address");
        Some(Self { address, _process: process, _output: lines })
    }

    /// Has the client beside the provider do something: a token, a proof, a revocation, a rotation.
    async fn ask(&self, what: &str, with: &[(&str, &str)]) -> String {
        let host = self.address.strip_prefix("http://").unwrap();
        let pair = |(name, value): &(&str, &str)| {
            format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
        };
        let query = with.iter().map(pair).collect::<Vec<_>>().join("&");
        let stream = TcpStream::connect(host).await.unwrap();
        let request = Request::get(host, format!("/test/{what}?{query}"));
        let response = Connection::new(stream).send(&request).await.unwrap();
        let body = String::from_utf8(response.body).unwrap();
        assert_eq!(response.status, 200, "{what}: {body}");
        body
    }

    async fn token(&self, kind: &str) -> String {
        self.ask("token", &[("kind", kind)]).await
    }
}

/// The folder with the provider and what it needs, installed once for each lock file.
async fn installed() -> Result<PathBuf, String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty());
    let cache = cache.map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let cache = cache.ok_or("no folder for caches")?.join("countersign");
    let lock = countersign::secret::Fingerprint::of(FILES[1].1.as_bytes()).to_hex();
    let folder = cache.join(format!("oidc-provider-{}", lock.get(..16).unwrap_or_default()));
    let done = folder.join("installed");
    let failed = |error: std::io::Error| error.to_string();
    std::fs::create_dir_all(&folder).map_err(failed)?;
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text).map_err(failed)?;
    }
    if !done.exists() {
        let arguments = ["ci", "--no-fund", "--no-audit", "--ignore-scripts"];
        let output = Command::new("npm").args(arguments).current_dir(&folder).output().await;
        let output = output.map_err(|error| format!("npm: {error}"))?;
        if !output.status.success() {
            return Err(format!("npm ci: {}", String::from_utf8_lossy(&output.stderr)));
        }
        std::fs::write(done, "").map_err(failed)?;
    }
    Ok(folder)
}

/// Discovery, keys that rotate under load beside junk, opaque tokens and their revocation, and both kinds of binding.
#[tokio::test]
async fn a_certified_provider_is_understood() {
    let Some(mut props) = envoy::props() else { return };
    let Some(provider) = Provider::start().await else { return };
    let documents = DOCUMENTS.replace("ISSUER", &provider.address);
    props.files.push(("policies/provider.yaml", documents));
    props.files.push(("provider.secret", "the-secret-of-countersign-0123456789abcd\n".to_owned()));
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let mut judged = async |path: &str, token: (&str, &str), proof: Option<&str>, other: bool| {
        let authorization = format!("{} {}", token.0, token.1);
        let mut request = Request::get(HOST, path).header("authorization", authorization);
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        let identity = if other { &pki.reports } else { &pki.frontend };
        let (answer, record) = envoy::ask(&mut stage, Some(identity), &request).await;
        (answer.status, record.text("/reason").unwrap_or_default().to_owned())
    };
    let allowed = (200, String::new());

    let jwt = provider.token("jwt").await;
    assert_eq!(judged("/plain", ("Bearer", &jwt), None, false).await, allowed);
    let (status, reason) = judged("/certificate", ("Bearer", &jwt), None, false).await;
    assert_eq!((status, reason.as_str()), (401, "binding_unavailable"));

    let opaque = provider.token("opaque").await;
    assert_eq!(judged("/plain", ("Bearer", &opaque), None, false).await, allowed);
    provider.ask("revoke", &[("token", &opaque)]).await;
    let refused = async {
        loop {
            let (status, reason) = judged("/plain", ("Bearer", &opaque), None, false).await;
            if status != 200 {
                return (status, reason);
            }
        }
    };
    assert_eq!(refused.await, (401, "introspection_inactive".to_owned()));

    let certificate = STANDARD.encode(pki_certificate(&folder));
    let bound =
        provider.ask("token", &[("kind", "certificate"), ("certificate", &certificate)]).await;
    assert_eq!(judged("/certificate", ("Bearer", &bound), None, false).await, allowed);
    let (status, reason) = judged("/certificate", ("Bearer", &bound), None, true).await;
    assert_eq!(
        (status, reason.as_str()),
        (401, "binding_mismatch"),
        "another client's certificate"
    );

    let bound = provider.token("dpop").await;
    let proof = async |url: &str| {
        let with = [("method", "GET"), ("url", url), ("token", bound.as_str())];
        provider.ask("proof", &with).await
    };
    let own = proof(&format!("https://{HOST}/dpop")).await;
    assert_eq!(judged("/dpop", ("DPoP", &bound), Some(&own), false).await, allowed);
    for (proof, expected) in [
        (Some(own.clone()), "token_replayed"),
        (None, "dpop_invalid"),
        (Some(proof(&format!("https://{HOST}/plain")).await), "dpop_invalid"),
    ] {
        let (status, reason) = judged("/dpop", ("DPoP", &bound), proof.as_deref(), false).await;
        assert_eq!((status, reason.as_str()), (401, expected));
    }
    rotate_under_load(&provider, &mut stage).await;
    stage.strike().await.unwrap();
}

fn pki_certificate(folder: &Folder) -> Vec<u8> {
    std::fs::read(folder.join("clients/frontend.pem")).unwrap()
}

/// Good tokens, each signed with the newest key, beside tokens with key ids of keys that were never published: none is refused, in three
/// rotations of which the last takes the old keys away.
async fn rotate_under_load(provider: &Provider, stage: &mut crate::testbed::Stage<'_>) {
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let junk = tokio::spawn({
        let (client, over) = (stage.client(Some(&stage.pki.frontend)).unwrap(), Arc::clone(&over));
        let template = provider.token("jwt").await;
        async move {
            for number in 0u32.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let header =
                    format!("{{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"junk-{number}\"}}");
                let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
                let rest = template.split_once('.').unwrap().1;
                let request = Request::get(HOST, "/plain").bearer(&format!("{encoded}.{rest}"));
                let answer = client.send(&request).await.unwrap();
                assert!(matches!(answer.status, 401 | 503), "{}", answer.status);
            }
        }
    });
    for alone in ["", "", "yes"] {
        provider.ask("rotate", &[("alone", alone)]).await;
        for _ in 0..15 {
            let token = provider.token("jwt").await;
            // As many callers as a service has: the key is new to all of them at once.
            let all = (0..4).map(|_| {
                let request = Request::get(HOST, "/plain").bearer(&token);
                let client = &client;
                async move { client.send(&request).await.unwrap() }
            });
            for answer in join_all(all).await {
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                assert_eq!(answer.status, 200, "after a rotation: {body}");
            }
        }
    }
    over.store(true, Ordering::Relaxed);
    junk.await.unwrap();
}
