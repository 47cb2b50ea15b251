//! An issuer for rotation drills: keys, a real HTTPS server with moods, and the times at which it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::clock::{Clock as _, FixedClock};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub(crate) const MINUTE: i64 = 60;

/// The behaviour of the issuer's server.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    /// Publishes these keys.
    Publishing(Vec<&'static str>),
    /// Publishes the first of these keys under the name of the second.
    Replaced(&'static str, &'static str),
    /// Takes connections and drops them.
    Down,
    /// Answers 200 with something else.
    Garbage,
    /// Takes connections and says nothing.
    Stalling,
    /// Leads to an address that is not to be asked.
    Redirecting,
}

/// The issuer: its signing keys, its server, and the times at which that was asked.
pub(crate) struct Issuer {
    pairs: BTreeMap<&'static str, Ed25519KeyPair>,
    mood: Mutex<Mood>,
    clock: FixedClock,
    asked: Mutex<Vec<i64>>,
}

impl Issuer {
    pub(crate) fn new(ids: &[&'static str], first: Mood, clock: &FixedClock) -> Self {
        let pairs = ids.iter().map(|id| (*id, Ed25519KeyPair::generate().unwrap())).collect();
        Self { pairs, mood: Mutex::new(first), clock: clock.clone(), asked: Mutex::default() }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How often the server was asked.
    pub(crate) fn fetches(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// How often the server was asked in the busiest minute.
    pub(crate) fn busiest_minute(&self) -> usize {
        let asked = self.asked.lock().unwrap();
        let within =
            |from: i64| asked.iter().filter(|at| (from..from + MINUTE).contains(*at)).count();
        asked.iter().map(|at| within(*at)).max().unwrap_or_default()
    }

    fn answer(&self) -> Option<String> {
        let mood = self.mood.lock().unwrap().clone();
        self.asked.lock().unwrap().push(self.clock.now().as_secs());
        let body = match mood {
            Mood::Down => return Some(String::new()),
            Mood::Stalling => return None,
            Mood::Redirecting => {
                let target = "http://169.254.169.254/latest/meta-data";
                return Some(format!(
                    "HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n"
                ));
            }
            Mood::Garbage => String::from("<html>maintenance</html>"),
            Mood::Replaced(key, id) => {
                let mut jwk = self.jwk(key);
                jwk["kid"] = json!(id);
                json!({ "keys": [jwk] }).to_string()
            }
            Mood::Publishing(ids) => {
                let keys: Vec<_> = ids.iter().map(|id| self.jwk(id)).collect();
                json!({ "keys": keys }).to_string()
            }
        };
        Some(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }

    fn jwk(&self, id: &str) -> serde_json::Value {
        let x = URL_SAFE_NO_PAD.encode(self.pairs.get(id).unwrap().public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": x })
    }

    /// A fresh token signed with the key `signer` that says it is signed with `kid`.
    pub(crate) fn token(&self, signer: &str, kid: &str) -> String {
        let now = self.clock.now().as_secs();
        let header = json!({ "alg": "EdDSA", "kid": kid }).to_string();
        let claims = json!({ "iss": "corp", "aud": "us", "iat": now, "exp": now + 60 }).to_string();
        let input =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pairs.get(signer).unwrap().sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Serves `issuer` over TLS on a free port; the document that follows it.
pub(crate) async fn serve(issuer: Arc<Issuer>) -> String {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec![String::from("localhost")]).unwrap();
    let leaf = leaf.signed_by(&key, &rcgen::Issuer::from_params(&ca, &ca_key)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, issuer) = (acceptor.clone(), Arc::clone(&issuer));
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.ok()?;
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await.ok()?;
                match issuer.answer() {
                    Some(answer) => stream.write_all(answer.as_bytes()).await.ok()?,
                    None => std::future::pending().await,
                }
                stream.shutdown().await.ok()
            });
        }
    });
    let ca = pem.replace("\r\n", "\n").replace('\n', "\n        ");
    format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec:\n  issuer: corp\n  audiences: [us]\n  algorithms: [EdDSA]\n  keys:\n    url: https://localhost:{port}/jwks\n    refresh: 5m\n    maxStale: 1h\n    ca:\n      inline: |\n        {ca}\n"
    )
}
