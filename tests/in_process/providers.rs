//! Each document of `docs/providers.md`, as it stands there, against metadata, key sets and tokens in the form of its provider
//! (`tests/data/providers`), good and bad.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::authn::{self, Caches, NoCache, SignedToken, TokenCache, TokenIdentity};
use countersign::clock::{Clock as _, FixedClock, UnixTime};
use countersign::document::{self, Attachments, SourceFile, any_error};
use countersign::evidence::{self, PeerSources};
use countersign::pdp::{FetchError, FetchRequest, Fetched, Fetcher, KeyCache};
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::secret::Fingerprint;
use countersign::trust::TrustStore;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

use crate::docs::root;

const NOW: i64 = 1_800_000_000;

/// Claims that are times, which cases write as seconds from now.
const TIMES: [&str; 4] = ["iat", "nbf", "exp", "auth_time"];

/// A provider's servers: bodies by address.
#[derive(Debug, Default)]
struct Servers(Mutex<BTreeMap<String, String>>);

/// Remembers every token.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<Fingerprint, Arc<SignedToken>>>);

impl TokenCache for Memory {
    fn lookup(&self, token: &Fingerprint) -> Option<Arc<SignedToken>> {
        self.0.lock().unwrap().get(token).cloned()
    }

    fn keep(&self, token: &Arc<SignedToken>) {
        self.0.lock().unwrap().insert(*token.fingerprint(), Arc::clone(token));
    }
}

impl Fetcher for Servers {
    fn fetch<'a>(&'a self, ask: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let body = self.0.lock().unwrap().get(&ask.url.uri().to_string()).cloned();
        Box::pin(async move {
            let body = body.ok_or(FetchError::Timeout)?;
            Ok(Fetched { body: Some(body.into()), ..Fetched::default() })
        })
    }
}

/// The keys that cases name.
struct Keys(BTreeMap<&'static str, RsaKeyPair>);

impl Keys {
    fn new() -> Self {
        let made = |name| (name, RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        Self(["first", "second", "other"].map(made).into())
    }

    /// A key set with the numbers of the keys that it names.
    fn set(&self, keys: &Value) -> String {
        let mut keys = keys.clone();
        for key in keys.as_array_mut().unwrap() {
            let public = self.0.get(key["n"].as_str().unwrap()).unwrap().public_key();
            let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            key["n"] = encode(public.modulus().big_endian_without_leading_zero()).into();
            key["e"] = encode(public.exponent().big_endian_without_leading_zero()).into();
        }
        json!({ "keys": keys }).to_string()
    }

    fn token(&self, key: &str, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encode(header), encode(claims));
        let Some(pair) = self.0.get(key) else { return format!("{input}.c2VjcmV0") };
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A provider's servers as one document sees them.
struct Provider {
    trust: TrustStore,
    cache: KeyCache,
    clock: FixedClock,
    memory: Memory,
}

impl Provider {
    async fn new(document: &str, case: &Value, keys: &Keys) -> Self {
        let mut bodies = BTreeMap::new();
        for (url, metadata) in case["metadata"].as_object().unwrap() {
            bodies.insert(url.clone(), metadata.to_string());
        }
        for (url, set) in case["keys"].as_object().unwrap() {
            bodies.insert(url.clone(), keys.set(set));
        }
        Self::at(document, Arc::new(Servers(Mutex::new(bodies)))).await
    }

    async fn at(document: &str, servers: Arc<Servers>) -> Self {
        let mut files = Attachments::default();
        let authority = rcgen::generate_simple_self_signed(["kubernetes".to_owned()]).unwrap();
        files.insert("ca.crt".into(), Ok(authority.cert.pem().into_bytes()));
        files.insert("token".into(), Ok(b"token\n".to_vec()));
        let mut problems = Vec::new();
        let documents = document::parse(&SourceFile::new("page.yaml", document), &mut problems);
        let trust = TrustStore::compile(&documents, &files, &mut problems);
        assert!(!any_error(&problems), "{document}\n{problems:?}");
        let clock = FixedClock::at(UnixTime::from_secs(NOW));
        let cache = KeyCache::new(Arc::new(clock.clone()), servers);
        cache.follow(&trust, None);
        cache.settled().await;
        Self { trust, cache, clock, memory: Memory::default() }
    }

    /// The token as it is verified, or the reason why it is not.
    async fn judge(&self, name: &str, token: &str) -> Result<TokenIdentity, String> {
        let mut headers = Headers::default();
        headers.push("authorization", HeaderValue::new(format!("Bearer {token}").into_bytes()));
        let (_, credentials) =
            CredentialHeaders::split(headers, &SealedNames::default(), None, None);
        let places = self.trust.token_places();
        let evidence = evidence::collect(&credentials, None, &PeerSources::default(), &places);
        let tokens = evidence.tokens.as_ref().unwrap();
        let patience = Duration::from_secs(10);
        let material = self.cache.gather(tokens, &self.trust, &self.memory, patience).await;
        let memory = Caches { certificates: &NoCache, tokens: &self.memory };
        let subject =
            authn::authenticate(&evidence, &self.trust, &material, memory, self.clock.now());
        match subject.tokens().rejection() {
            Some(rejection) => Err(rejection.reason().to_string()),
            None => Ok(subject.token(name).unwrap().clone()),
        }
    }
}

/// The documents of the page, by their names.
fn documents() -> BTreeMap<String, String> {
    let page = fs::read_to_string(root().join("docs/providers.md")).unwrap();
    let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let named = |block: &str| {
        let name = block.split("metadata: { name: ").nth(1).unwrap().split(" }").next().unwrap();
        (name.to_owned(), block.to_owned())
    };
    blocks.map(named).collect()
}

/// `base` with the members of `changes`; `null` removes one.
fn changed(base: &Value, changes: &Value) -> Value {
    let mut all: Map<String, Value> = base.as_object().unwrap().clone();
    for (name, value) in changes.as_object().into_iter().flatten() {
        all.insert(name.clone(), value.clone());
        all.retain(|_, value| !value.is_null());
    }
    Value::Object(all)
}

fn token_of(case: &Value, changes: &Value, keys: &Keys) -> String {
    let mut claims = changed(&case["claims"], &changes["claims"]);
    for name in TIMES {
        if let Some(offset) = claims.get(name).and_then(Value::as_i64) {
            claims[name] = (NOW + offset).into();
        }
    }
    let key = changes["key"].as_str().unwrap_or("first");
    keys.token(key, &changed(&case["header"], &changes["header"]), &claims)
}

/// How the token differs from what is expected of it.
fn differences(token: &TokenIdentity, expected: &Value) -> String {
    let mut found = String::new();
    for (name, value) in expected.as_object().into_iter().flatten() {
        let own = match name.as_str() {
            "subject" => json!(token.subject()),
            "client" => json!(token.client()),
            "tenant" => json!(token.tenant()),
            "scopes" => json!(token.scopes()),
            "claims" => {
                let own = |(at, _): (&String, &Value)| (at.clone(), json!(token.claim(at)));
                Value::Object(value.as_object().unwrap().iter().map(own).collect())
            }
            other => panic!("`{other}` is not known"),
        };
        if own != *value {
            let _ = write!(found, " {name} is {own}, expected {value}");
        }
    }
    found
}

/// P469: each recipe accepts the tokens of its provider and refuses those that are for others, of another kind, of another tenant or
/// forged.
#[tokio::test]
async fn each_recipe_accepts_its_providers_tokens_and_no_others() {
    let (documents, keys) = (documents(), Keys::new());
    let (mut tested, mut wrong) = (BTreeSet::new(), Vec::new());
    for entry in fs::read_dir(root().join("tests/data/providers")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap();
        let name = case["document"].as_str().unwrap();
        let provider = Provider::new(documents.get(name).unwrap(), &case, &keys).await;
        let plain = json!({ "why": "as it is", "expect": case["expect"] });
        let good = case["good"].as_array().unwrap();
        for changes in std::iter::once(&plain).chain(good) {
            let token = token_of(&case, changes, &keys);
            let found = match provider.judge(name, &token).await {
                Ok(token) => differences(&token, &changes["expect"]),
                Err(reason) => format!(" is refused: {reason}"),
            };
            wrong
                .extend((!found.is_empty()).then(|| format!("{name}: {}:{found}", changes["why"])));
        }
        for changes in case["bad"].as_array().unwrap() {
            let token = token_of(&case, changes, &keys);
            let found = provider.judge(name, &token).await.err();
            let expected = changes["reason"].as_str();
            let is_wrong = found.as_deref() != expected;
            wrong.extend(
                is_wrong.then(|| {
                    format!("{name}: {}: {found:?}, expected {expected:?}", changes["why"])
                }),
            );
        }
        tested.insert(name.to_owned());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(tested, documents.keys().cloned().collect());
}

/// Two sources of one issuer, and a token by the key `first`, which it calls `k`.
async fn two_sources(more: &str, east: &Value, west: Option<&Value>) -> (Provider, Arc<Servers>) {
    let keys = "keys: { url: 'https://east.example/keys' }, moreKeys: [{ url: 'https://west.example/keys' }]";
    let document = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: corp }}\nspec: {{ issuer: 'https://a.example', audiences: [orders], algorithms: [RS256], {keys}{more} }}\n"
    );
    let servers = Arc::new(Servers::default());
    publish(&servers, east, west);
    (Provider::at(&document, Arc::clone(&servers)).await, servers)
}

/// One pair of keys for all tests of two sources, since RSA keys take long to make.
fn pairs() -> &'static Keys {
    static KEYS: std::sync::OnceLock<Keys> = std::sync::OnceLock::new();
    KEYS.get_or_init(Keys::new)
}

fn publish(servers: &Servers, east: &Value, west: Option<&Value>) {
    let mut bodies = servers.0.lock().unwrap();
    let both = [("https://east.example/keys", Some(east)), ("https://west.example/keys", west)];
    let sets = both.into_iter().filter_map(|(url, set)| Some((url.into(), pairs().set(set?))));
    *bodies = sets.collect();
}

fn by_first(kid: &str) -> String {
    let claims = json!({ "iss": "https://a.example", "sub": "alice", "aud": "orders", "client_id": "web", "iat": NOW - 60, "exp": NOW + 3600 });
    pairs().token("first", &json!({ "alg": "RS256", "kid": kid }), &claims)
}

fn key(pair: &str, kid: &str) -> Value {
    json!({ "kty": "RSA", "kid": kid, "n": pair, "e": "AQAB" })
}

/// P494: a remembered token whose key has moved to another source of its issuer is verified with it.
#[tokio::test]
async fn a_key_that_moves_between_sources_stays_good() {
    let (first, second) = (json!([key("first", "k")]), json!([key("second", "x")]));
    let (provider, servers) = two_sources("", &first, Some(&second)).await;
    let token = by_first("k");
    assert!(provider.judge("corp", &token).await.is_ok());
    publish(&servers, &second, Some(&first));
    provider.clock.advance(Duration::from_secs(301));
    provider.cache.recheck();
    while provider.cache.status().iter().any(|own| own.next_fetch <= provider.clock.now()) {
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        assert_eq!(provider.judge("corp", &token).await.map(drop), Ok(()));
    }
}

/// P493, P495: a key that is denied is denied under the name that another source has for it, also where that one is asked after the
/// token was remembered; a token that names it is refused while a source is away.
#[tokio::test]
async fn a_key_is_denied_by_the_name_of_another_source() {
    let (first, second) = (json!([key("first", "k")]), json!([key("second", "x")]));
    let alias = json!([key("first", "stolen")]);
    let deny = ", denyKids: [stolen]";
    let refused = || Err(String::from("key_unknown"));
    let (provider, servers) = two_sources(deny, &first, Some(&second)).await;
    assert!(provider.judge("corp", &by_first("k")).await.is_ok());
    publish(&servers, &first, Some(&alias));
    provider.clock.advance(Duration::from_secs(301));
    provider.cache.recheck();
    while provider.cache.status().iter().any(|own| own.next_fetch <= provider.clock.now()) {
        tokio::task::yield_now().await;
    }
    for kid in ["k", "stolen"] {
        assert_eq!(provider.judge("corp", &by_first(kid)).await.map(drop), refused(), "{kid}");
    }
    let (provider, _) = two_sources(deny, &first, None).await;
    assert!(provider.judge("corp", &by_first("k")).await.is_ok());
    assert_eq!(provider.judge("corp", &by_first("stolen")).await.map(drop), refused());
    let unknown = provider.judge("corp", &by_first("z")).await.map(drop);
    assert_eq!(unknown, Err(String::from("keys_stale")));
}

/// The table of the page is that of the program.
#[test]
fn the_table_of_profiles_is_what_profiles_set() {
    let page = fs::read_to_string(root().join("docs/providers.md")).unwrap();
    for row in page.lines().filter(|line| line.starts_with("| `") && !line.contains("`profile`")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let word = cells[1].trim_matches('`');
        let profile: document::IssuerProfile = serde_json::from_value(json!(word)).unwrap();
        let defaults = profile.defaults();
        let list = |names: &[&str]| {
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(cells[2].contains("discovery"), defaults.discovery, "{word}");
        assert_eq!(cells[3], list(defaults.algorithms), "{word}");
        assert_eq!(cells[4], list(defaults.types), "{word}");
        if !defaults.required_claims.is_empty() {
            assert_eq!(cells[5], list(defaults.required_claims), "{word}");
        }
        assert_eq!(cells[6], list(defaults.client_claim.as_slice()), "{word}");
        let hours = defaults.max_lifetime.map_or(24, |most| most.as_secs() / 3600);
        assert_eq!(cells[7], format!("`{hours}h`"), "{word}");
    }
}
