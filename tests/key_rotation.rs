//! A rotation drill against a real HTTPS server: an issuer rotates its keys, goes down, comes back with others, answers garbage and
//! stalls, under a flood of made-up key ids. Hours pass on a clock that is told what time it is.

#![expect(clippy::unwrap_used, reason = "a drill that cannot be set up must fail")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::authn::{self, Memory, NoMemory};
use countersign::clock::{Clock as _, FixedClock, UnixTime};
use countersign::document::{self, Attachments, SourceFile};
use countersign::evidence::{self, PeerSources};
use countersign::pdp::{HttpsFetcher, KeyCache};
use countersign::reason::Reason;
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::trust::TrustStore;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const START: i64 = 1_800_000_000;
const MINUTE: i64 = 60;

/// What the issuer's server does.
#[derive(Clone, Debug)]
enum Mood {
    /// Publishes these keys.
    Publishing(Vec<&'static str>),
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
struct Issuer {
    pairs: BTreeMap<&'static str, Ed25519KeyPair>,
    mood: Mutex<Mood>,
    clock: FixedClock,
    asked: Mutex<Vec<i64>>,
}

impl Issuer {
    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
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
    fn token(&self, signer: &str, kid: &str) -> String {
        let now = self.clock.now().as_secs();
        let header = json!({ "alg": "EdDSA", "kid": kid }).to_string();
        let claims = json!({ "iss": "corp", "aud": "us", "iat": now, "exp": now + 60 }).to_string();
        let input =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pairs.get(signer).unwrap().sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Serves `issuer` over TLS on a free port; the port and the authority.
async fn serve(issuer: Arc<Issuer>) -> (u16, String) {
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
    (port, pem)
}

struct Drill {
    issuer: Arc<Issuer>,
    clock: FixedClock,
    trust: TrustStore,
    cache: KeyCache,
}

impl Drill {
    async fn new(ids: &[&'static str], first: Mood) -> Self {
        let clock = FixedClock::at(UnixTime::from_secs(START));
        let pairs = ids.iter().map(|id| (*id, Ed25519KeyPair::generate().unwrap())).collect();
        let issuer = Arc::new(Issuer {
            pairs,
            mood: Mutex::new(first),
            clock: clock.clone(),
            asked: Mutex::default(),
        });
        let (port, ca) = serve(Arc::clone(&issuer)).await;
        let ca = ca.replace("\r\n", "\n").replace('\n', "\n        ");
        let text = format!(
            "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec:\n  issuer: corp\n  audiences: [us]\n  algorithms: [EdDSA]\n  keys:\n    url: https://localhost:{port}/jwks\n    refresh: 5m\n    maxStale: 1h\n    ca:\n      inline: |\n        {ca}\n"
        );
        let mut problems = Vec::new();
        let documents = document::parse(&SourceFile::new("drill.yaml", text), &mut problems);
        let trust = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
        assert_eq!(problems, []);
        let cache = KeyCache::new(Arc::new(clock.clone()), Arc::new(HttpsFetcher));
        cache.follow(&trust, None);
        cache.settled().await;
        Self { issuer, clock, trust, cache }
    }

    /// What becomes of `token` now.
    async fn judge(&self, token: &str) -> Result<(), Reason> {
        let mut headers = Headers::default();
        headers.push("authorization", HeaderValue::new(format!("Bearer {token}").into_bytes()));
        let (_, credentials) =
            CredentialHeaders::split(headers, &SealedNames::default(), None, None);
        let sources = PeerSources::default();
        let places = self.trust.token_places();
        let evidence = evidence::collect(&credentials, None, &sources, &places);
        let tokens = evidence.tokens.as_ref().unwrap();
        let patience = Duration::from_secs(10);
        let material = self.cache.gather(tokens, &self.trust, &NoMemory, patience).await;
        let memory = Memory { certificates: &NoMemory, tokens: &NoMemory };
        let now = self.clock.now();
        let subject = authn::authenticate(&evidence, &self.trust, &material, memory, now);
        match subject.tokens().rejection() {
            Some(rejection) => Err(rejection.reason()),
            None => {
                assert!(subject.token("corp").is_some());
                Ok(())
            }
        }
    }

    /// Lets `seconds` pass, in steps. At each, tokens of `good` must be allowed, tokens of `gone` must not, and a handful of
    /// tokens with made-up key ids must not either.
    async fn pass(&self, seconds: i64, good: &[&str], gone: &[&str]) {
        let end = self.clock.now().as_secs() + seconds;
        while self.clock.now().as_secs() < end {
            self.clock.advance(Duration::from_secs(5));
            self.cache.recheck();
            self.let_fetches_end().await;
            let at = self.clock.now().as_secs() - START;
            for kid in good {
                let judged = self.judge(&self.issuer.token(kid, kid)).await;
                assert_eq!(judged, Ok(()), "wrong denial of `{kid}` at {at} s");
            }
            for kid in gone {
                let judged = self.judge(&self.issuer.token(kid, kid)).await;
                assert_eq!(judged, Err(Reason::KeyUnknown), "wrong allow of `{kid}` at {at} s");
            }
            for n in 0..5 {
                let made_up = self.issuer.token("attacker", &format!("{at}-{n}"));
                assert_eq!(self.judge(&made_up).await, Err(Reason::KeyUnknown));
            }
        }
    }

    /// Simulated time must not run ahead of a real fetch.
    async fn let_fetches_end(&self) {
        while self.cache.status().iter().any(|status| status.next_fetch <= self.clock.now()) {
            tokio::task::yield_now().await;
        }
    }

    /// How often the server was asked in the busiest minute.
    fn busiest_minute(&self) -> usize {
        let asked = self.issuer.asked.lock().unwrap();
        let within =
            |from: i64| asked.iter().filter(|at| (from..from + MINUTE).contains(*at)).count();
        asked.iter().map(|at| within(*at)).max().unwrap_or_default()
    }
}

/// P59, P61, P62, and section 3 of issue 4: zero wrong denials while keys are inside `maxStale`, zero wrong allows, and no more than
/// two fetches a minute.
#[tokio::test]
async fn keys_rotate_and_fail_under_a_flood_without_a_wrong_decision() {
    let ids = ["a", "b", "c", "d", "attacker"];
    let drill = Drill::new(&ids, Mood::Publishing(vec!["a"])).await;
    let issuer = &drill.issuer;
    drill.pass(2 * MINUTE, &["a"], &[]).await;
    // With overlap: published, then used, then the old one withdrawn.
    issuer.set(Mood::Publishing(vec!["a", "b"]));
    drill.pass(5 * MINUTE, &["a"], &[]).await;
    drill.pass(5 * MINUTE, &["a", "b"], &[]).await;
    issuer.set(Mood::Publishing(vec!["b"]));
    drill.pass(MINUTE, &["b"], &[]).await;
    drill.pass(5 * MINUTE, &["b"], &["a"]).await;
    // Half an hour of outages of every kind.
    for mood in [Mood::Down, Mood::Garbage, Mood::Redirecting] {
        issuer.set(mood);
        drill.pass(10 * MINUTE, &["b"], &["a"]).await;
    }
    issuer.set(Mood::Stalling);
    drill.pass(40, &["b"], &["a"]).await;
    // Back with other keys, without overlap: at most one cooldown until they are known.
    issuer.set(Mood::Publishing(vec!["c"]));
    drill.pass(30, &[], &["a"]).await;
    drill.pass(5 * MINUTE, &["c"], &["a", "b"]).await;
    assert!(drill.busiest_minute() <= 2, "{} fetches in a minute", drill.busiest_minute());
}

/// P61: 10,000 made-up key ids in one second.
#[tokio::test]
async fn a_second_of_ten_thousand_key_ids_costs_one_fetch() {
    let drill = Drill::new(&["a", "attacker"], Mood::Publishing(vec!["a"])).await;
    drill.clock.advance(Duration::from_secs(60));
    let before = drill.issuer.asked.lock().unwrap().len();
    for n in 0..10_000 {
        let made_up = drill.issuer.token("attacker", &format!("made-up-{n}"));
        assert_eq!(drill.judge(&made_up).await, Err(Reason::KeyUnknown));
    }
    assert_eq!(drill.issuer.asked.lock().unwrap().len() - before, 1);
}

/// After `maxStale` nothing is believed any more, and the first fetch that works heals.
#[tokio::test]
async fn an_outage_beyond_max_stale_denies_and_heals() {
    let drill = Drill::new(&["a", "attacker"], Mood::Publishing(vec!["a"])).await;
    drill.issuer.set(Mood::Down);
    drill.clock.advance(Duration::from_secs(3601));
    drill.let_fetches_end_after_recheck().await;
    let token = |drill: &Drill| drill.issuer.token("a", "a");
    assert_eq!(drill.judge(&token(&drill)).await, Err(Reason::KeysStale));
    drill.issuer.set(Mood::Publishing(vec!["a"]));
    drill.clock.advance(Duration::from_secs(30));
    assert_eq!(drill.judge(&token(&drill)).await, Ok(()));
}

impl Drill {
    async fn let_fetches_end_after_recheck(&self) {
        self.cache.recheck();
        self.let_fetches_end().await;
    }
}
