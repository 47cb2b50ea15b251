//! Files on servers over time: what stays, what lapses, and what each server is known by.

use std::collections::VecDeque;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::*;
use crate::clock::FixedClock;
use crate::document::{self, Attachments, SourceFile};
use crate::pdp::fetch::FetchError;
use crate::trust::tests::pki::{NOW, trust_domain};

/// Gives its answers one after the other, and then fails.
#[derive(Debug, Default)]
struct Server(Mutex<VecDeque<Bytes>>, Mutex<usize>);

impl Fetcher for Server {
    fn fetch<'a>(&'a self, _: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        *lock(&self.1) += 1;
        let next = lock(&self.0).pop_front();
        let answer = next.map(|body| Fetched { body: Some(body), ..Fetched::default() });
        Box::pin(async { answer.ok_or(FetchError::Status(503)) })
    }
}

const BUNDLE: &str = "https://spire.test/bundle";

fn trust(more: &str) -> TrustStore {
    let spec =
        format!("{{ spiffe: prod.example, bundle: {{ remote: {{ url: '{BUNDLE}'{more} }} }} }}");
    let mut problems = Vec::new();
    let source = SourceFile::new("docs/trust.yaml", trust_domain("prod", &spec));
    let documents = document::parse(&source, &mut problems);
    TrustStore::compile(&documents, &Attachments::default(), &mut problems)
}

fn files(
    folder: &tempfile::TempDir,
    clock: &FixedClock,
    answers: &[Bytes],
) -> (RemoteFiles, Arc<Server>) {
    let server = Arc::new(Server(Mutex::new(answers.to_vec().into()), Mutex::default()));
    let files = RemoteFiles::new(Arc::new(clock.clone()), server.clone());
    (files.saved_in(Some(folder.path().to_owned())), server)
}

fn bundle() -> Bytes {
    json!({ "keys": [], "spiffe_refresh_hint": 60 }).to_string().into()
}

/// P269: a bundle outlives a restart and a change of how it is fetched, until it is too old.
#[tokio::test(start_paused = true)]
async fn a_bundle_outlives_a_restart_and_lapses() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), FixedClock::at(NOW));
    let (before, _) = files(&folder, &clock, &[bundle()]);
    before.follow(&trust(""));
    before.changed().notified().await;
    let hint = before.status()[0].next_fetch.since(NOW);
    assert!(hint <= Duration::from_secs(60), "`spiffe_refresh_hint` counts: {hint:?}");
    before.approve(&before.newest());
    before.follow(&trust(", refresh: 20m"));
    assert_eq!(before.good().get(BUNDLE), Some(&bundle()));
    drop(before);
    clock.advance(Duration::from_secs(23 * 3600));
    let (after, _) = files(&folder, &clock, &[]);
    after.follow(&trust(""));
    assert_eq!(after.newest().get(BUNDLE), Some(&bundle()));
    clock.advance(Duration::from_secs(3601));
    assert!(after.newest().is_empty(), "`maxStale` is 24 h");
    after.changed().notified().await;
    assert!(after.status()[0].stale);
    let (longer, _) = files(&folder, &clock, &[]);
    longer.follow(&trust(", maxStale: 48h"));
    assert_eq!(longer.newest().len(), 1);
}

/// P491: a bundle endpoint of the profile `https_spiffe` is known by `ca` until it has published authorities that are in force, and
/// then by those; one of another trust domain by `ca` alone. When what it published is too old, `ca` counts again.
#[tokio::test(start_paused = true)]
async fn a_bundle_endpoint_is_known_by_what_it_published() {
    const ID: &str = "spiffe://prod.example/spire/server";
    let known = bundle();
    let trust = |own: &str| {
        let remote = format!("{{ url: '{BUNDLE}', spiffeId: '{ID}', ca: first.json }}");
        let spec = format!("{{ spiffe: {own}, bundle: {{ remote: {remote} }} }}");
        let mut problems = Vec::new();
        let source = SourceFile::new("docs/trust.yaml", trust_domain("prod", &spec));
        let documents = document::parse(&source, &mut problems);
        let mut attached = Attachments::default();
        attached.insert("docs/first.json".into(), Ok(b"first".to_vec()));
        TrustStore::compile(&documents, &attached, &mut problems)
    };
    for (own, published) in [("prod.example", true), ("other.example", false)] {
        let (folder, clock) = (tempfile::tempdir().unwrap(), FixedClock::at(NOW));
        let (remote, _) = files(&folder, &clock, std::slice::from_ref(&known));
        remote.follow(&trust(own));
        let known_by = || {
            let entries = lock(&remote.entries);
            let access = entries.values().next().unwrap().shared.access().into_owned();
            assert_eq!(access.spiffe.unwrap().as_str(), ID);
            access.authorities.unwrap()
        };
        assert_eq!(known_by(), b"first");
        remote.changed().notified().await;
        assert_eq!(known_by(), b"first", "it may not compile");
        remote.approve(&remote.newest());
        assert_eq!(known_by() == *known, published);
        clock.advance(Duration::from_secs(24 * 3600 + 1));
        assert_eq!(known_by(), b"first");
    }
}

/// P271: two documents that name one address with different authorities of its server have a file each, and neither lends the
/// other its trust; with the same ones the stricter times count.
#[tokio::test(start_paused = true)]
async fn the_authorities_of_a_server_are_those_of_each_document() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), FixedClock::at(NOW));
    let spec = |spiffe: &str, more: &str| {
        format!("{{ spiffe: {spiffe}, bundle: {{ remote: {{ url: '{BUNDLE}'{more} }} }} }}")
    };
    let compile = |one: &str, two: &str| {
        let text = trust_domain("one", &spec("one.example", one))
            + &trust_domain("two", &spec("two.example", two));
        let mut problems = Vec::new();
        let documents = document::parse(&SourceFile::new("docs/t.yaml", text), &mut problems);
        let mut attached = Attachments::default();
        for ca in ["a.pem", "b.pem"] {
            attached.insert(format!("docs/{ca}").into(), Ok(ca.into()));
        }
        TrustStore::compile(&documents, &attached, &mut problems)
    };
    let (remote, server) = files(&folder, &clock, &[bundle(), bundle()]);
    remote.follow(&compile(", ca: a.pem", ", ca: b.pem"));
    remote.changed().notified().await;
    tokio::task::yield_now().await;
    assert_eq!((remote.newest().len(), *lock(&server.1)), (2, 2));
    // Another authority is another file: what the old one vouched for does not count.
    let folder = tempfile::tempdir().unwrap();
    let (remote, _) = files(&folder, &clock, &[bundle()]);
    remote.follow(&compile(", ca: a.pem", ", ca: a.pem, maxStale: 20m"));
    remote.changed().notified().await;
    assert_eq!(remote.newest().len(), 1);
    remote.approve(&remote.newest());
    remote.follow(&compile(", ca: b.pem", ", ca: b.pem"));
    assert!(remote.newest().is_empty());
    let folder = tempfile::tempdir().unwrap();
    let (remote, _) = files(&folder, &clock, &[bundle()]);
    remote.follow(&compile(", ca: a.pem, maxStale: 10h", ", ca: a.pem, maxStale: 20m"));
    remote.changed().notified().await;
    clock.advance(Duration::from_secs(1201));
    assert!(remote.newest().is_empty(), "the stricter `maxStale` counts");
}

/// P270: an unknown authority has the files of its trust domain fetched, and a flood of them no more than its budget.
#[tokio::test(start_paused = true)]
async fn an_unknown_authority_has_its_trust_domain_asked() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), FixedClock::at(NOW));
    let (remote, server) = files(&folder, &clock, &[bundle(), bundle(), bundle(), bundle()]);
    remote.follow(&trust(", refresh: 1h"));
    remote.changed().notified().await;
    for second in 0..3 {
        for name in ["prod", "other"].repeat(100) {
            remote.ask_for_authorities(name);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        clock.set(NOW.plus(Duration::from_secs(second)));
    }
    assert_eq!(*lock(&server.1), 3, "the first, and two that were asked for");
}
