//! Providers with habits, over minutes: tokio's time is paused, and the wall clock follows it.

use std::collections::BTreeMap;

use http::HeaderValue;
use tokio::time::{Instant, sleep};

use super::*;
use crate::pdp::fetch::Validators;
use crate::pdp::follow::{FetchOptions, PacedFetcher};
use crate::trust::Access;

/// The time of tokio as a wall clock.
#[derive(Debug)]
struct Wall(Instant);

impl Clock for Wall {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(1_800_000_000).plus(self.0.elapsed())
    }
}

/// The behaviour of a provider: how long it takes, and its answer.
type Habit =
    Box<dyn FnMut(&FetchRequest<'_>, Duration) -> (Duration, Result<Fetched, FetchError>) + Send>;

/// A provider, and when it was asked for which path.
struct Provider {
    began: Instant,
    habit: Mutex<Habit>,
    asked: Mutex<Vec<(Duration, String)>>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}

impl Fetcher for Provider {
    fn fetch<'a>(&'a self, ask: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let at = self.began.elapsed();
        lock(&self.asked).push((at, ask.url.uri().path().to_owned()));
        let (takes, answer) = lock(&self.habit)(&ask, at);
        Box::pin(async move {
            sleep(takes).await;
            answer
        })
    }
}

impl Provider {
    fn new(
        habit: impl FnMut(&FetchRequest<'_>, Duration) -> (Duration, Result<Fetched, FetchError>)
        + Send
        + 'static,
    ) -> Arc<Self> {
        let habit: Habit = Box::new(habit);
        let (habit, asked) = (Mutex::new(habit), Mutex::default());
        Arc::new(Self { began: Instant::now(), habit, asked })
    }

    /// Publishes these keys, from these times on.
    fn publishing(sets: &[(u64, &[&'static str])]) -> Arc<Self> {
        let sets: Vec<_> = sets.iter().map(|(from, ids)| (*from, key_set(ids))).collect();
        Self::new(move |_, at| {
            let now = sets.iter().rfind(|(from, _)| at.as_secs() >= *from);
            (millis(20), Ok(text(&now.unwrap().1)))
        })
    }

    fn asked(&self) -> Vec<Duration> {
        lock(&self.asked).iter().map(|(at, _)| *at).collect()
    }

    /// The most requests within any `window`.
    fn busiest(&self, window: Duration) -> usize {
        let asked = self.asked();
        let within =
            |from: Duration| asked.iter().filter(|at| (from..from + window).contains(*at)).count();
        asked.iter().map(|at| within(*at)).max().unwrap_or_default()
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn text(text: &str) -> Fetched {
    Fetched { body: Some(text.to_owned().into()), ..Fetched::default() }
}

fn cache(provider: &Arc<Provider>) -> KeyCache {
    KeyCache::new(Arc::new(Wall(provider.began)), provider.clone())
}

/// True if a token of the issuer `a` with this key id finds its key within the patience of a check.
async fn finds(cache: &KeyCache, trust: &TrustStore, kid: &str) -> bool {
    let material = cache.gather(&token("a", kid), trust, &NoCache, millis(135)).await;
    material.keys("a").is_some_and(|keys| keys.has(kid))
}

fn many(count: usize) -> TrustStore {
    let names: Vec<_> = (0..count).map(|n| format!("i{n}")).collect();
    let urls: Vec<_> = names.iter().map(|name| format!("https://login.example/{name}")).collect();
    let both = names.iter().zip(&urls);
    trust(&both.map(|(name, url)| (name.as_str(), url.as_str())).collect::<Vec<_>>())
}

/// P262: a provider that answers 429 above 20 requests a second gives keys to 25 issuers, also without a cap of ours.
#[tokio::test(start_paused = true)]
async fn many_issuers_behind_a_limit_get_their_keys() {
    for says_when in [false, true] {
        let mut recent = VecDeque::new();
        let provider = Provider::new(move |_, at| {
            recent.retain(|before| at.saturating_sub(*before) < secs(1));
            recent.push_back(at);
            let refused = match says_when {
                false => FetchError::Status(429),
                true => FetchError::Busy(429, secs(1)),
            };
            (millis(20), if recent.len() > 20 { Err(refused) } else { Ok(text(&key_set(&["k"]))) })
        });
        let (cache, trust) = (cache(&provider), many(25));
        cache.follow(&trust, None);
        sleep(secs(60)).await;
        assert!(cache.status().iter().all(|status| status.keys.is_some()), "{says_when}");
    }
}

/// P262: retries of issuers that failed together do not come together.
#[tokio::test(start_paused = true)]
async fn retries_are_not_in_lockstep() {
    let provider = Provider::new(|_, _| (millis(5), Err(FetchError::Status(503))));
    let (cache, trust) = (cache(&provider), many(25));
    cache.follow(&trust, None);
    sleep(secs(60)).await;
    let later: Vec<_> = provider.asked().into_iter().filter(|at| *at > millis(400)).collect();
    let mut at_once: BTreeMap<u128, usize> = BTreeMap::new();
    for at in &later {
        *at_once.entry(at.as_millis() / 100).or_default() += 1;
    }
    assert!(at_once.values().all(|count| *count <= 15), "{at_once:?}");
    assert!(later.len() <= 25 * 8, "less and less often: {}", later.len());
}

/// P263: however many issuers a host has, and whatever it answers, it gets no more requests a second than are set.
#[tokio::test(start_paused = true)]
async fn no_host_gets_more_requests_than_are_set() {
    for answers in [true, false] {
        let provider = Provider::new(move |_, _| match answers {
            true => (millis(30), Ok(text(&key_set(&["k"])))),
            false => (millis(30), Err(FetchError::Status(500))),
        });
        let paced = PacedFetcher::new(provider.clone(), &FetchOptions::default());
        let cache = KeyCache::new(Arc::new(Wall(provider.began)), Arc::new(paced));
        cache.follow(&many(300), None);
        sleep(secs(600)).await;
        assert!(provider.busiest(secs(1)) <= 10, "{}", provider.busiest(secs(1)));
        assert!(!answers || cache.status().iter().all(|status| status.keys.is_some()));
    }
}

/// P263: a request that waits for keys goes before the fetches that nothing waits for.
#[tokio::test(start_paused = true)]
async fn a_waiting_request_goes_first() {
    let provider = Provider::publishing(&[(0, &["k"])]);
    let paced = Arc::new(PacedFetcher::new(provider.clone(), &FetchOptions::default()));
    let url = |path: &str| crate::trust::KeyUrl::parse(&format!("https://a.example/{path}"), false);
    let (late, urgent) = (url("late").unwrap(), url("urgent").unwrap());
    for _ in 0..100 {
        let (paced, late) = (Arc::clone(&paced), late.clone());
        tokio::spawn(async move {
            let access = Access::plain(millis(100));
            paced.fetch(FetchRequest::keys(&late, &access)).await.map(drop)
        });
    }
    tokio::task::yield_now().await;
    let access = Access::plain(millis(100));
    paced
        .fetch(FetchRequest {
            wanted: Some(&Arc::new(1.into())),
            ..FetchRequest::keys(&urgent, &access)
        })
        .await
        .unwrap();
    let place = lock(&provider.asked).iter().position(|(_, path)| path == "/urgent");
    assert!(place.unwrap() <= 2, "{place:?}");
}

/// P260: a rotation without overlap costs nothing, neither after a refresh just before (`no-cache`), nor beside junk.
#[tokio::test(start_paused = true)]
async fn a_rotation_denies_no_good_token() {
    for (junk_every, most) in [(None, 0), (Some(2000), 0), (Some(500), 0), (Some(50), 1)] {
        let provider = Provider::new(|_, at| {
            let set = key_set(&[if at < secs(91) { "old" } else { "new" }]);
            (millis(20), Ok(Fetched { max_age: Some(Duration::ZERO), ..text(&set) }))
        });
        let (cache, trust) =
            (Arc::new(cache(&provider)), Arc::new(trust(&[("a", "https://a.example/jwks")])));
        cache.follow(&trust, None);
        cache.settled().await;
        if let Some(every) = junk_every {
            let (cache, trust) = (Arc::clone(&cache), Arc::clone(&trust));
            tokio::spawn(async move {
                for n in 0.. {
                    assert!(!finds(&cache, &trust, &format!("made-up-{n}")).await);
                    sleep(millis(every)).await;
                }
            });
        }
        let good = (0..6000).map(|n| {
            let (cache, trust, began) = (Arc::clone(&cache), Arc::clone(&trust), provider.began);
            tokio::spawn(async move {
                let at = millis(n * 20);
                sleep(at).await;
                let kid = if began.elapsed() < millis(91_000) { "old" } else { "new" };
                finds(&cache, &trust, kid).await
            })
        });
        let found = join_all(good).await;
        let denied = found.into_iter().filter(|found| !*found.as_ref().unwrap()).count();
        assert!(denied <= most, "{denied}, with junk every {junk_every:?} ms");
        let busiest = provider.busiest(secs(60));
        assert!(busiest <= 20, "{busiest} fetches in a minute");
    }
}

/// P445: junk with key ids that are named again and again has a bound too, and delays a new key by the gap of its budget.
#[tokio::test(start_paused = true)]
async fn repeated_junk_is_bounded() {
    let provider = Provider::publishing(&[(0, &["old"]), (91, &["new"])]);
    let (cache, trust) =
        (Arc::new(cache(&provider)), Arc::new(trust(&[("a", "https://a.example/jwks")])));
    cache.follow(&trust, None);
    cache.settled().await;
    let junk = {
        let (cache, trust) = (Arc::clone(&cache), Arc::clone(&trust));
        tokio::spawn(async move {
            for n in 0.. {
                finds(&cache, &trust, &format!("made-up-{}", n / 2)).await;
                sleep(millis(50)).await;
            }
        })
    };
    sleep(secs(91)).await;
    let began = Instant::now();
    while !finds(&cache, &trust, "new").await {
        sleep(millis(20)).await;
    }
    assert!(began.elapsed() <= millis(1600), "{:?}", began.elapsed());
    junk.abort();
    assert!(provider.busiest(secs(60)) <= 58, "{}", provider.busiest(secs(60)));
}

/// P496: made-up key ids at 64 tenants of one host, each named twice, leave the new key of one of them its turn: it is the one that is
/// named again and again.
#[tokio::test(start_paused = true)]
async fn junk_at_other_tenants_does_not_delay_a_new_key() {
    for named in [2, 8] {
        let provider = Provider::publishing(&[(0, &["old"]), (11, &["new"])]);
        let paced = PacedFetcher::new(provider.clone(), &FetchOptions::default());
        let cache = Arc::new(KeyCache::new(Arc::new(Wall(provider.began)), Arc::new(paced)));
        let trust = Arc::new(many(64));
        cache.follow(&trust, None);
        cache.settled().await;
        let junk: Vec<_> = (0..64)
            .map(|tenant| {
                let (cache, trust) = (Arc::clone(&cache), Arc::clone(&trust));
                tokio::spawn(async move {
                    for n in 0.. {
                        let token = token(&format!("i{tenant}"), &format!("made-up-{}", n / named));
                        cache.gather(&token, &trust, &NoCache, millis(135)).await;
                        sleep(millis(100)).await;
                    }
                })
            })
            .collect();
        sleep(secs(11)).await;
        let began = Instant::now();
        let has_new = |material: &Material| material.keys("i7").is_some_and(|keys| keys.has("new"));
        while !has_new(&cache.gather(&token("i7", "new"), &trust, &NoCache, millis(135)).await) {
            sleep(millis(20)).await;
        }
        assert!(began.elapsed() <= secs(3), "{:?} beside {named}", began.elapsed());
        junk.iter().for_each(tokio::task::JoinHandle::abort);
        assert!(provider.busiest(secs(1)) <= 10, "{}", provider.busiest(secs(1)));
    }
}

/// P260: a provider that hung does not delay a new key after it is back.
#[tokio::test(start_paused = true)]
async fn a_provider_that_hung_is_asked_again_at_once() {
    let provider = Provider::new(|_, at| match at.as_secs() {
        0..10 => (millis(20), Ok(text(&key_set(&["old"])))),
        10..15 => (secs(2), Err(FetchError::Timeout)),
        _ => (millis(20), Ok(text(&key_set(&["new"])))),
    });
    let (cache, trust) = (cache(&provider), trust(&[("a", "https://a.example/jwks")]));
    cache.follow(&trust, None);
    sleep(secs(10)).await;
    let mut found = 0;
    while provider.began.elapsed() < secs(30) {
        if finds(&cache, &trust, "new").await {
            found = found.max(30_000 - provider.began.elapsed().as_millis());
        }
        sleep(millis(20)).await;
    }
    assert!(
        found >= 12_800,
        "found {found} ms before the end, and the provider was back 15 s before"
    );
}

/// P445: a key id that is named before its key is published is not refused for long after.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_used_before_it_is_published_is_found() {
    for published in [11, 12, 16] {
        let provider = Provider::publishing(&[(0, &["old"]), (published, &["old", "new"])]);
        let (cache, trust) = (cache(&provider), trust(&[("a", "https://a.example/jwks")]));
        cache.follow(&trust, None);
        sleep(secs(10)).await;
        while !finds(&cache, &trust, "new").await {
            sleep(millis(100)).await;
        }
        let late = provider.began.elapsed() - secs(published);
        assert!(late <= millis(1700), "{late:?}");
    }
}

/// P264: a fetch that a token caused and that comes too late is no verdict about the token.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_is_pending() {
    let mut first = true;
    let provider = Provider::new(move |_, _| {
        let takes = if std::mem::take(&mut first) { millis(20) } else { millis(400) };
        (takes, Ok(text(&key_set(&["k"]))))
    });
    let (cache, trust) = (cache(&provider), trust(&[("a", "https://a.example/jwks")]));
    cache.follow(&trust, None);
    cache.settled().await;
    let outdated = async |kid: &str| {
        let material = cache.gather(&token("a", kid), &trust, &NoCache, millis(135)).await;
        material.outdated("a")
    };
    assert_eq!(outdated("new").await, Some(Outdated::Pending));
    sleep(secs(1)).await;
    assert_eq!(outdated("new").await, None, "the answer was that there is no such key");
}

/// P265: new key material under the same key id, and for tokens that name no key, is noticed by the first signature that fails.
#[tokio::test(start_paused = true)]
async fn replaced_keys_are_noticed() {
    let provider = Provider::new(|_, at| {
        let set = key_set(&["k"]);
        let other = set.replace(
            "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
        );
        (millis(20), Ok(text(if at < secs(10) { &set } else { &other })))
    });
    let (cache, trust) = (cache(&provider), trust(&[("a", "https://a.example/jwks")]));
    cache.follow(&trust, None);
    sleep(secs(9)).await;
    let presented = token("a", "k");
    let again = async || {
        let material = cache.gather(&presented, &trust, &NoCache, millis(135)).await;
        cache.gather_changed(&presented, &trust, &material, millis(135)).await
    };
    assert!(again().await.is_none(), "they are the same");
    sleep(secs(2)).await;
    let fresh = again().await.unwrap();
    assert_eq!((fresh.keys("a").unwrap().keys().len(), fresh.outdated("a")), (1, None));
    for _ in 0..6000 {
        assert!(again().await.is_none());
        sleep(millis(10)).await;
    }
    assert!(provider.busiest(secs(60)) <= 33, "{}", provider.busiest(secs(60)));
}

/// P266: keys stay through an outage of half an hour while everything about how they are fetched changes, also over a restart.
#[tokio::test(start_paused = true)]
async fn keys_outlive_every_change_of_their_settings() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::new(|_, at| match at.as_secs() {
        0..5 => (millis(20), Ok(text(&key_set(&["k"])))),
        _ => (millis(20), Err(FetchError::Http)),
    });
    let url = "https://a.example/jwks";
    let mut trust_now = trust(&[("a", url)]);
    let mut cache_now = cache(&provider).saved_in(folder.path().to_owned());
    cache_now.follow(&trust_now, None);
    cache_now.settled().await;
    while std::fs::read_dir(folder.path()).unwrap().next().is_none() {
        sleep(millis(10)).await;
    }
    let ca = "ca: { inline: \"-----BEGIN CERTIFICATE-----\\nAA==\\n-----END CERTIFICATE-----\" }";
    for minute in 0..30 {
        sleep(secs(60)).await;
        let next = match minute % 4 {
            0 => trust_with(&format!("url: '{url}', refresh: 10m, maxStale: 2h")),
            1 => trust_with(&format!("url: '{url}', {ca}, maxStale: {}m", 60 + minute)),
            2 => {
                cache_now = cache(&provider).saved_in(folder.path().to_owned());
                cache_now.follow(&trust_now, None);
                continue;
            }
            _ => trust(&[("a", url)]),
        };
        cache_now.follow(&next, Some(&trust_now));
        trust_now = next;
        assert!(finds(&cache_now, &trust_now, "k").await, "minute {minute}");
    }
}

/// The issuer `a` with these `keys`.
fn trust_with(keys: &str) -> TrustStore {
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: a }}\nspec:\n  issuer: a\n  audiences: [x]\n  algorithms: [EdDSA]\n  keys: {{ {keys} }}\n"
    );
    let mut problems = Vec::new();
    let documents = document::parse(&SourceFile::new("a.yaml", text), &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    assert_eq!(problems, []);
    store
}

/// P267: an empty set, or one without a usable key, takes nothing away.
#[tokio::test(start_paused = true)]
async fn a_set_without_keys_takes_nothing_away() {
    let provider = Provider::new(|_, at| match at.as_secs() {
        0..5 => (millis(20), Ok(text(&key_set(&["k"])))),
        _ => (
            millis(20),
            Ok(text(r#"{"keys":[{"kty":"OKP","crv":"X25519","x":"AA","use":"enc"}]}"#)),
        ),
    });
    let (cache, trust) = (cache(&provider), trust(&[("a", "https://a.example/jwks")]));
    cache.follow(&trust, None);
    sleep(secs(1000)).await;
    assert!(finds(&cache, &trust, "k").await);
    let status = &cache.status()[0];
    assert!(status.failures > 2, "{status:?}");
    assert!(status.error.as_ref().unwrap().contains("no key that can be used"), "{status:?}");
}

/// P268: keys that did not change are not sent again, and count as fetched.
#[tokio::test(start_paused = true)]
async fn unchanged_keys_are_confirmed() {
    let version = || Validators { etag: Some(HeaderValue::from_static("\"1\"")), modified: None };
    let provider = Provider::new(move |ask, at| {
        let body = match ask.known {
            None if at < secs(5) => Some(key_set(&["k"]).into()),
            known => {
                assert_eq!(known, Some(&version()));
                None
            }
        };
        (millis(20), Ok(Fetched { body, validators: version(), ..Fetched::default() }))
    });
    let (cache, trust) = (cache(&provider), trust(&[("a", "https://a.example/jwks")]));
    cache.follow(&trust, None);
    sleep(secs(7200)).await;
    assert!(finds(&cache, &trust, "k").await, "`maxStale` is an hour");
    assert!(provider.asked().len() > 20);
}
