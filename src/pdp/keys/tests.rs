//! Rotation, outage, flood and reload, on a clock that the test sets.

mod over_time;
mod replay;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::*;
use crate::authn::{Credential, NoCache, Presenter, verify_tokens_traced};
use crate::clock::FixedClock;
use crate::clock::UnixTime;
use crate::document::{self, Attachments, SourceFile};
use crate::evidence::{PeerSources, Presented, collect};
use crate::pdp::fetch::{FetchError, FetchRequest, Fetched};
use crate::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};

const LONG: Duration = Duration::from_secs(20);

/// An issuer's server: gives each next answer when it is let, and counts.
#[derive(Debug)]
struct Server {
    answers: Mutex<VecDeque<Option<String>>>,
    let_through: Semaphore,
    fetches: AtomicUsize,
}

impl Server {
    /// Answers with sets of these key ids in turn, the last one again and again; `None` is an outage.
    fn new(answers: &[Option<&[&str]>]) -> Arc<Self> {
        let answers = answers.iter().map(|ids| ids.map(key_set)).collect();
        Arc::new(Self {
            answers: Mutex::new(answers),
            let_through: Semaphore::new(Semaphore::MAX_PERMITS),
            fetches: AtomicUsize::new(0),
        })
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl Fetcher for Server {
    fn fetch<'a>(&'a self, _: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        Box::pin(async move {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            self.let_through.acquire().await.unwrap().forget();
            let mut answers = lock(&self.answers);
            let answer =
                if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            match answer.flatten() {
                Some(text) => Ok(Fetched { body: Some(text.into()), ..Fetched::default() }),
                None => Err(FetchError::Timeout),
            }
        })
    }
}

fn key_set(ids: &[&str]) -> String {
    let keys: Vec<_> = ids
        .iter()
        .map(|id| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{id}","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#))
        .collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn trust(urls: &[(&str, &str)]) -> TrustStore {
    let documents: Vec<_> = urls
        .iter()
        .map(|(name, url)| format!(
            "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: {name} }}\nspec:\n  issuer: {name}\n  audiences: [x]\n  algorithms: [EdDSA]\n  keys: {{ url: '{url}', refresh: 5m, maxStale: 1h }}\n"
        ))
        .collect();
    let mut problems = Vec::new();
    let file = SourceFile::new("a.yaml", documents.join("---\n"));
    let documents = document::parse(&file, &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    assert_eq!(problems, []);
    store
}

fn token(iss: &str, kid: &str) -> Vec<PresentedToken> {
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = encode(format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#));
    let claims = encode(format!(r#"{{"iss":"{iss}"}}"#));
    let mut headers = Headers::default();
    headers.push(
        "authorization",
        HeaderValue::new(format!("Bearer {header}.{claims}.AAAA").into_bytes()),
    );
    let (_, credentials) = CredentialHeaders::split(headers, &SealedNames::default(), None, None);
    let places = [crate::request::TokenPlace::Authorization];
    collect(&credentials, None, &PeerSources::default(), &places).tokens.unwrap()
}

struct House {
    clock: FixedClock,
    server: Arc<Server>,
    cache: KeyCache,
    trust: TrustStore,
}

impl House {
    fn new(answers: &[Option<&[&str]>]) -> Self {
        Self::built(answers, |cache| cache)
    }

    fn built(answers: &[Option<&[&str]>], more: impl FnOnce(KeyCache) -> KeyCache) -> Self {
        let clock = FixedClock::at(UnixTime::from_secs(1_000_000));
        let server = Server::new(answers);
        let fetcher: Arc<dyn Fetcher> = server.clone();
        let cache = more(KeyCache::new(Arc::new(clock.clone()), fetcher));
        let trust = trust(&[("a", "https://a.example/jwks")]);
        cache.follow(&trust, None);
        Self { clock, server, cache, trust }
    }

    /// The key ids at hand for a token that names `kid`.
    async fn ids_for(&self, kid: &str) -> Option<Vec<String>> {
        let material = self.cache.gather(&token("a", kid), &self.trust, &NoCache, LONG).await;
        let keys = material.keys("a")?;
        Some(keys.keys().iter().filter_map(|key| key.id().map(str::to_owned)).collect())
    }

    /// Moves the clock, and lets the task notice and finish what is then due.
    async fn pass(&self, time: Duration) {
        let before = self.server.fetches();
        self.clock.advance(time);
        let refresh_state = Arc::clone(&lock(&self.cache.entries)[0].shared.refresh_state);
        refresh_state.recheck();
        let mut completed = refresh_state.ended();
        let moving = refresh_state.schedule().is_moving(self.clock.now());
        if moving && self.server.fetches() == before {
            completed.changed().await.unwrap();
        }
    }
}

/// The first request waits for the first fetch; the next ones wait for nothing.
#[tokio::test]
async fn keys_are_fetched_once_for_many_requests() {
    let house = House::new(&[Some(&["k"])]);
    let all = join_all((0..100).map(|_| house.ids_for("k"))).await;
    assert!(all.iter().all(|ids| ids.as_deref() == Some(&["k".to_owned()][..])));
    assert_eq!(house.server.fetches(), 1);
}

/// P61: 10,000 tokens with made-up key ids cause one fetch, and wait for nothing after it.
#[tokio::test]
async fn a_flood_of_unknown_key_ids_causes_one_fetch() {
    let house = House::new(&[Some(&["k"])]);
    house.cache.settled().await;
    for n in 0..10_000 {
        assert_eq!(house.ids_for(&format!("random-{n}")).await, Some(vec!["k".to_owned()]));
    }
    assert_eq!(house.server.fetches(), 2);
}

/// P260: a new key works at once, whenever the set was fetched last.
#[tokio::test]
async fn a_new_key_is_found_by_its_first_token() {
    let house = House::new(&[Some(&["old"]), Some(&["old", "new"])]);
    house.cache.settled().await;
    assert_eq!(house.ids_for("new").await, Some(vec!["old".to_owned(), "new".to_owned()]));
    assert_eq!(house.server.fetches(), 2);
}

/// P62: a key that the issuer withdrew is gone after the refresh, although no token asked for another.
#[tokio::test]
async fn a_withdrawn_key_is_gone_after_the_refresh() {
    let house = House::new(&[Some(&["old"]), Some(&["new"])]);
    house.cache.settled().await;
    house.pass(Duration::from_secs(300)).await;
    assert_eq!(house.ids_for("old").await, Some(vec!["new".to_owned()]));
}

#[tokio::test]
async fn an_outage_is_survived_up_to_max_stale() {
    let house = House::new(&[Some(&["k"]), None]);
    house.cache.settled().await;
    for _ in 0..11 {
        house.pass(Duration::from_secs(300)).await;
        assert_eq!(house.ids_for("k").await, Some(vec!["k".to_owned()]));
    }
    house.pass(Duration::from_secs(301)).await;
    assert_eq!(house.ids_for("k").await, None);
    let status = &house.cache.status()[0];
    assert!(status.keys.is_none() && status.failures > 10 && status.fetched_at.is_some());
}

/// No request waits longer than its patience, and without keys there are none.
#[tokio::test]
async fn patience_is_bounded() {
    let house = House::new(&[Some(&["k"])]);
    house.server.let_through.forget_permits(Semaphore::MAX_PERMITS);
    let soon = Duration::from_millis(10);
    let material = house.cache.gather(&token("a", "k"), &house.trust, &NoCache, soon).await;
    assert!(material.keys("a").is_none());
    house.server.let_through.add_permits(1);
    assert_eq!(house.ids_for("k").await, Some(vec!["k".to_owned()]));
}

/// A reload keeps the keys of an address that stays, and forgets those of one that goes.
#[tokio::test]
async fn keys_survive_a_reload_that_keeps_their_address() {
    let mut house = House::new(&[Some(&["k"])]);
    house.cache.settled().await;
    let more = trust(&[("a", "https://a.example/jwks"), ("b", "https://b.example/jwks")]);
    house.cache.follow(&more, Some(&house.trust));
    house.cache.settled().await;
    let issuers = |house: &House| {
        let status = house.cache.status().into_iter();
        status.map(|status| status.issuer).collect::<Vec<_>>()
    };
    assert_eq!((house.server.fetches(), issuers(&house)), (2, vec!["a".into(), "b".into()]));
    house.trust = more;
    assert_eq!(house.ids_for("k").await, Some(vec!["k".to_owned()]));
    let fewer = trust(&[("b", "https://b.example/jwks")]);
    house.cache.follow(&fewer, Some(&house.trust));
    assert_eq!(issuers(&house), ["b"]);
    let held = house.ids_for("k").await;
    assert_eq!(held, Some(vec!["k".to_owned()]), "requests may still hold the previous snapshot");
    house.cache.follow(&fewer, Some(&fewer));
    assert_eq!((house.server.fetches(), house.ids_for("k").await), (2, None));
}

/// A restart while the issuer is down serves at once from what was kept.
#[tokio::test]
async fn saved_keys_survive_a_restart_while_the_issuer_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |cache: KeyCache| cache.saved_in(folder.path().to_owned());
    let house = House::built(&[Some(&["k"])], kept);
    house.cache.settled().await;
    let file = || {
        std::fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .any(|entry| entry.path().extension().is_some_and(|extension| extension == "json"))
    };
    while !file() {
        tokio::task::yield_now().await;
    }
    drop(house);
    let restarted = House::built(&[None], kept);
    assert_eq!(restarted.ids_for("k").await, Some(vec!["k".to_owned()]));
    restarted.cache.settled().await;
    assert_eq!(restarted.ids_for("k").await, Some(vec!["k".to_owned()]));
}

/// P52: keys are looked up by issuer first; another issuer's token gets none of them.
#[tokio::test]
async fn material_holds_the_keys_of_the_named_issuer_only() {
    let house = House::new(&[Some(&["k"])]);
    house.cache.settled().await;
    let material = house.cache.gather(&token("b", "k"), &house.trust, &NoCache, LONG).await;
    assert!(material.keys("a").is_none() && material.keys("b").is_none());
}

/// P144: a key that is unknown while the issuer does not answer is no fault of the token, and a key that the issuer does not have
/// is.
#[tokio::test]
async fn a_key_is_unknown_for_certain_only_where_the_issuer_answers() {
    for (second, expected) in [(None, 503), (Some(&["k"][..]), 401)] {
        let house = House::new(&[Some(&["k"]), second]);
        let judged = async |kid: &str| {
            let presented = token("a", kid);
            let material = house.cache.gather(&presented, &house.trust, &NoCache, LONG).await;
            let (peer, proof) = (&Credential::Absent, &Presented::Absent);
            let by = Presenter { peer, proof, request: None };
            let now = house.clock.now();
            let verified = verify_tokens_traced(
                &presented,
                by,
                &house.trust,
                &material,
                &NoCache,
                now,
                &mut |_| {},
            );
            let why = verified.unwrap_err();
            (why.reason().as_str(), why.client_answer().status())
        };
        assert_eq!(judged("k").await, ("signature_invalid", 401));
        assert_eq!(judged("new").await, ("key_unknown", expected));
        assert_eq!(judged("k").await, ("signature_invalid", 401), "a known key is known");
    }
}
