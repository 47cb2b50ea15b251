//! The walks of the model of a key set's life (docs/models.md), step by step with the same observations.

use std::path::PathBuf;

use http::HeaderValue;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::pdp::fetch::Validators;
use crate::walks::{Replayed, repeat, settle};

/// Longer than the waits of a request for another, and than a failed fetch that is repeated for a request; shorter than any other.
const WHILE: Duration = Duration::from_millis(101);

/// Longer than a walk takes.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A fetch under way: its source, the answer that it gets, and its end.
type Flight = (&'static str, Fetched, oneshot::Sender<bool>);

/// The servers of both addresses.
#[derive(Debug, Default)]
struct Providers {
    /// The number of the key that the first one publishes.
    published: Mutex<u32>,
    flights: Mutex<Vec<Flight>>,
}

impl Providers {
    /// The set is the one that is there when the fetch begins.
    fn answer(&self, ask: &FetchRequest<'_>) -> Fetched {
        let first = ask.url.to_string().contains("first.example");
        let id = if first { format!("first-{}", lock(&self.published)) } else { "other-0".into() };
        let etag = Some(HeaderValue::from_str(&format!("\"{id}\"")).unwrap());
        let validators = Validators { etag, modified: None };
        let is_known = ask.known == Some(&validators);
        let body = (!is_known).then(|| key_set(&[&id]).into());
        Fetched { body, validators, ..Fetched::default() }
    }

    /// True if `source` is being asked.
    fn is_asked(&self, source: &str) -> bool {
        let flights = lock(&self.flights);
        flights.iter().any(|(name, _, end)| *name == source && !end.is_closed())
    }

    fn end(&self, source: &str, well: bool) {
        let mut flights = lock(&self.flights);
        flights.retain(|(.., end)| !end.is_closed());
        let place = flights.iter().position(|(name, ..)| *name == source).unwrap();
        flights.remove(place).2.send(well).unwrap();
    }
}

impl Fetcher for Providers {
    fn fetch<'a>(&'a self, ask: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let source = match (ask.url.to_string().contains("first"), ask.access.timeout.as_secs()) {
            (true, 10) => "first",
            (true, _) => "longer",
            (false, _) => "other",
        };
        let (end, ended) = oneshot::channel();
        let answer = self.answer(&ask);
        lock(&self.flights).push((source, answer.clone(), end));
        Box::pin(
            async move { if ended.await.unwrap() { Ok(answer) } else { Err(FetchError::Timeout) } },
        )
    }
}

/// A server, its documents, and a token that waits.
struct World {
    clock: FixedClock,
    providers: Arc<Providers>,
    folder: Option<tempfile::TempDir>,
    cache: Arc<KeyCache>,
    documents: Vec<String>,
    trust: Arc<TrustStore>,
    asked: Option<JoinHandle<&'static str>>,
    /// The source that it needs.
    needed: String,
    last: &'static str,
}

fn compiled(sources: &[String]) -> Arc<TrustStore> {
    let keys = |source: &str| match source {
        "first" => "url: 'https://first.example/jwks', maxStale: 10m, timeout: 10s",
        "longer" => "url: 'https://first.example/jwks', maxStale: 15m, timeout: 11s",
        _ => "url: 'https://other.example/jwks', maxStale: 10m, timeout: 10s",
    };
    let document = |(place, source): (usize, &String)| {
        format!(
            "apiVersion: countersign.dev/v1alpha1\nkind: TokenIssuer\nmetadata: {{ name: i{place} }}\nspec:\n  issuer: i{place}\n  audiences: [x]\n  algorithms: [EdDSA]\n  keys: {{ {}, refresh: 5m }}\n",
            keys(source)
        )
    };
    let documents: Vec<_> = sources.iter().enumerate().map(document).collect();
    let mut problems = Vec::new();
    let file = SourceFile::new("a.yaml", documents.join("---\n"));
    let documents = document::parse(&file, &mut problems);
    let store = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    assert_eq!(problems, []);
    Arc::new(store)
}

fn begin(clock: &FixedClock, providers: &Arc<Providers>, folder: Option<PathBuf>) -> Arc<KeyCache> {
    let cache = KeyCache::new(Arc::new(clock.clone()), providers.clone());
    Arc::new(match folder {
        Some(folder) => cache.saved_in(folder),
        None => cache,
    })
}

impl Replayed for World {
    fn begin(scene: &str) -> Self {
        let (issuers, kept) = scene.split_once(' ').unwrap();
        let documents = issuers.strip_prefix("issuers=").unwrap().split(',').map(str::to_owned);
        let documents: Vec<_> = documents.collect();
        let clock = FixedClock::at(UnixTime::from_secs(1_800_000_000));
        let providers = Arc::new(Providers::default());
        let folder = (kept == "kept=true").then(|| tempfile::tempdir().unwrap());
        let place = folder.as_ref().map(|folder| folder.path().to_owned());
        let (cache, trust) = (begin(&clock, &providers, place), compiled(&documents));
        cache.follow(&trust, None);
        let (needed, asked, last) = (String::new(), None, "-");
        Self { clock, providers, folder, cache, documents, trust, asked, needed, last }
    }

    async fn step(&mut self, step: &str) {
        let words: Vec<_> = step.split(' ').collect();
        match words[0] {
            "publish" => *lock(&self.providers.published) += 1,
            "ask" => self.ask(words[1].parse().unwrap(), words[2]),
            "hang-up" => self.hang_up(),
            "answer" => self.providers.end(words[1], true),
            "fail" => self.providers.end(words[1], false),
            "change" => {
                self.hang_up();
                words[2].clone_into(&mut self.documents[words[1].parse::<usize>().unwrap()]);
                let trust = compiled(&self.documents);
                self.cache.follow(&trust, Some(&self.trust));
                self.trust = trust;
            }
            "pass" => {
                self.clock.advance(Duration::from_secs(words[1].parse().unwrap()));
                self.cache.recheck();
            }
            "restart" => {
                self.hang_up();
                let place = self.folder.as_ref().map(|folder| folder.path().to_owned());
                self.cache = begin(&self.clock, &self.providers, None);
                settle().await;
                self.cache = begin(&self.clock, &self.providers, place);
                self.cache.follow(&self.trust, None);
            }
            other => panic!("`{other}` is no step"),
        }
        settle().await;
        let waits = self.asked.as_ref().is_some_and(|asked| !asked.is_finished());
        if waits && !self.providers.is_asked(&self.needed) {
            tokio::time::sleep(WHILE).await;
        }
        if let Some(asked) = self.asked.take_if(|asked| asked.is_finished()) {
            self.last = asked.await.unwrap();
        }
    }

    /// For each issuer: the key in force, and whether its source is being asked. Then the result of the last token.
    fn observation(&self) -> String {
        let status = self.cache.status();
        let one = |(place, source): (usize, &String)| {
            let status = status.iter().find(|status| status.issuer == format!("i{place}"));
            let keys = status.and_then(|status| status.keys.as_ref());
            let id = keys.and_then(|keys| keys.keys()[0].id());
            let key = id.and_then(|id| id.rsplit('-').next()).unwrap_or("-");
            format!("{key}{}", if self.providers.is_asked(source) { "~" } else { "" })
        };
        let issuers: Vec<_> = self.documents.iter().enumerate().map(one).collect();
        let last = if self.asked.is_some() { "waits" } else { self.last };
        format!("{} {last}", issuers.join(" "))
    }
}

impl World {
    /// A token of the issuer names the key.
    fn ask(&mut self, issuer: usize, key: &str) {
        self.needed.clone_from(&self.documents[issuer]);
        let address = if self.documents[issuer] == "other" { "other" } else { "first" };
        let (id, kid) = (format!("i{issuer}"), format!("{address}-{key}"));
        let (cache, trust) = (Arc::clone(&self.cache), Arc::clone(&self.trust));
        self.asked = Some(tokio::spawn(async move {
            let material = cache.gather(&token(&id, &kid), &trust, &NoCache, PATIENCE).await;
            match material.keys(&id) {
                Some(keys) if keys.has(&kid) => "allowed",
                Some(_) if material.outdated(&id).is_none() => "refused",
                _ => "unsure",
            }
        }));
    }

    fn hang_up(&mut self) {
        self.last = "-";
        if let Some(asked) = self.asked.take() {
            asked.abort();
        }
    }
}

/// P670, P671: a key set lives as its model says, step by step.
#[tokio::test(start_paused = true)]
async fn a_key_set_goes_as_its_model_says() {
    let count = repeat::<World>("key_set").await;
    assert!(count > 4000, "{count}");
}

/// Takes the steps, and says what is seen then.
async fn after(scene: &str, steps: &[&str]) -> String {
    let mut world = World::begin(scene);
    settle().await;
    for step in steps {
        world.step(step).await;
    }
    world.observation()
}

/// P670: two issuers have one address, with other settings. Whichever settings one of them gets, and however old the other's set is, a
/// key that it saw withdrawn verifies nothing again, and keys that it had stay.
#[tokio::test(start_paused = true)]
async fn settings_that_change_begin_with_the_newest_keys_of_their_address() {
    let scene = "issuers=first,longer kept=false";
    let rotated = ["answer first", "answer longer", "publish", "ask 1 1", "answer longer"];
    assert_eq!(after(scene, &rotated).await, "0 1 allowed");
    let joined = [&rotated[..], &["change 1 first", "fail first"]].concat();
    assert_eq!(after(scene, &joined).await, "1 1 -");
    let back = ["change 0 longer", "pass 300", "answer longer", "change 0 first", "fail first"];
    let back = [&rotated[..], &["publish"], &back].concat();
    assert_eq!(after(scene, &back).await, "2 2 -");
    let had = ["answer longer", "fail first", "change 1 first", "fail first"];
    assert_eq!(after(scene, &had).await, "0 0 -");
}

/// P671: of two fetches of one address the one that began first ends last. It is not saved over the other.
#[tokio::test(start_paused = true)]
async fn the_fetch_that_began_last_is_saved() {
    let late = ["publish", "ask 1 1", "answer longer", "answer longer", "answer first"];
    let scene = "issuers=first,longer kept=true";
    assert_eq!(after(scene, &late).await, "0 1 allowed");
    let restarted = [&late[..], &["restart", "fail first", "fail longer"]].concat();
    assert_eq!(after(scene, &restarted).await, "1 1 -");
}
