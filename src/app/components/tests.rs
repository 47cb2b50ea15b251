//! Readiness with real key sets, files and lists, on a clock that the test sets.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::*;
use crate::admin::{HealthState, ReadinessOptions, RequiredAtStart};
use crate::clock::{FixedClock, UnixTime};
use crate::document::{self, Attachments, SourceFile, any_error};
use crate::pdp::{
    FetchError, FetchRequest, Fetched, Fetcher, KeyCache, RemoteFiles, RevocationRegister,
};
use crate::sync::lock;
use crate::trust::TrustStore;

const KEY_SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const BUNDLE: &str = r#"{"keys":[],"spiffe_refresh_hint":60}"#;
const LIST: &str = "countersign-revocations/1\n@sequence 1\nspiffe spiffe://prod.example/x\n";

/// Hosts that answer, all others do not.
#[derive(Debug, Default)]
struct Servers(Mutex<BTreeSet<&'static str>>);

impl Fetcher for Servers {
    fn fetch<'a>(&'a self, ask: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let host = ask.url.uri().host().unwrap_or_default().to_owned();
        let answers = lock(&self.0).contains(host.as_str());
        let text = match host.as_str() {
            "bundle.test" => BUNDLE,
            "list.test" => LIST,
            _ => KEY_SET,
        };
        let fetched = Fetched { body: Some(text.into()), ..Fetched::default() };
        Box::pin(async move { answers.then_some(fetched).ok_or(FetchError::Status(404)) })
    }
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {{ {spec} }}\n"
    )
}

fn issuer(name: &str) -> String {
    let keys = format!("keys: {{ url: 'https://{name}.test/jwks', refresh: 5m, maxStale: 1h }}");
    let spec = format!("issuer: {name}, audiences: [x], algorithms: [EdDSA], {keys}");
    document("TokenIssuer", name, &spec)
}

fn domain() -> String {
    let spec =
        "spiffe: prod.example, bundle: { remote: { url: 'https://bundle.test/b', refresh: 5m } }";
    document("TrustDomain", "prod", spec)
}

fn list(on_stale: &str) -> String {
    let from = "from: { remote: { url: 'https://list.test/l', refresh: 10s } }";
    document("RevocationList", "far", &format!("{from}, maxAge: 1h, onStale: {on_stale}"))
}

fn compiled(documents: &[String]) -> TrustStore {
    let mut problems = Vec::new();
    let file = SourceFile::new("/docs/a.yaml", documents.join("---\n"));
    let documents = document::parse(&file, &mut problems);
    let trust = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    assert!(!any_error(&problems), "{problems:?}");
    trust
}

struct Replica {
    clock: FixedClock,
    servers: Arc<Servers>,
    keys: Arc<KeyCache>,
    remote: Arc<RemoteFiles>,
    revocations: Arc<RevocationRegister>,
    components: Components,
    trust: TrustStore,
}

impl Replica {
    fn start(documents: &[String], answering: &[&'static str], options: ReadinessOptions) -> Self {
        let clock = FixedClock::at(UnixTime::from_secs(1_800_000_000));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let servers = Arc::new(Servers(Mutex::new(answering.iter().copied().collect())));
        let fetcher: Arc<dyn Fetcher> = servers.clone();
        let trust = compiled(documents);
        let keys = Arc::new(KeyCache::new(Arc::clone(&shared), Arc::clone(&fetcher)));
        let remote = Arc::new(RemoteFiles::new(Arc::clone(&shared), Arc::clone(&fetcher)));
        let register = RevocationRegister::saved_in(None, &trust, Arc::clone(&shared), fetcher);
        let revocations = Arc::new(register);
        keys.follow(&trust, None);
        remote.follow(&trust);
        let parts: Vec<Box<dyn Component>> = vec![
            Box::new(Arc::clone(&keys)),
            Box::new(Arc::clone(&remote)),
            Box::new(RevocationsComponent(Arc::clone(&revocations))),
        ];
        let components = Components { clock: shared, parts, readiness: Readiness::new(options) };
        Self { clock, servers, keys, remote, revocations, components, trust }
    }

    fn reload(&mut self, documents: &[String]) {
        let trust = compiled(documents);
        self.keys.follow(&trust, Some(&self.trust));
        self.remote.follow(&trust);
        self.revocations.follow(&trust);
        self.trust = trust;
    }

    /// Both clocks move, and what is then due is done.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        sleep(Duration::from_secs(61)).await;
    }

    fn is_ready(&self) -> bool {
        !self.components.health().iter().any(|part| part.condition == HealthState::NotReady)
    }

    /// The lines of `/readyz?verbose` of what is not as it should be.
    fn troubles(&self) -> Vec<String> {
        let parts = self.components.health().into_iter();
        parts
            .filter(|part| part.condition != HealthState::Good)
            .map(|part| part.to_string())
            .collect()
    }

    fn usable(&self) -> Vec<(String, bool)> {
        let all = KeyCache::status(&self.keys).into_iter();
        all.map(|own| (own.issuer, own.keys.is_some())).collect()
    }
}

/// P363: a new issuer with a wrong address is its own trouble.
#[tokio::test(start_paused = true)]
async fn a_new_issuer_without_keys_leaves_the_replica_ready() {
    let first = [issuer("good")];
    let mut replica = Replica::start(&first, &["good.test"], ReadinessOptions::default());
    replica.components.become_ready().await;
    assert!(replica.is_ready() && replica.troubles().is_empty(), "{:?}", replica.troubles());
    replica.reload(&[issuer("good"), issuer("wrong"), list("deny")]);
    replica.pass(Duration::from_secs(120)).await;
    let troubles = replica.troubles();
    assert!(replica.is_ready(), "{troubles:?}");
    assert!(
        troubles[0].starts_with("[~] keys of `wrong` from https://wrong.test: never fetched; "),
        "{troubles:?}"
    );
    assert!(
        troubles[1].starts_with("[~] revocation list far: never read, every credential is refused"),
        "{troubles:?}"
    );
    assert_eq!(replica.usable(), [("good".to_owned(), true), ("wrong".to_owned(), false)]);
}

/// P364: keys past `maxStale` refuse their own tokens and take no replica away.
#[tokio::test(start_paused = true)]
async fn keys_past_max_stale_leave_the_replica_ready() {
    let documents = [issuer("good"), issuer("old")];
    let replica =
        Replica::start(&documents, &["good.test", "old.test"], ReadinessOptions::default());
    replica.components.become_ready().await;
    lock(&replica.servers.0).remove("old.test");
    replica.pass(Duration::from_secs(2 * 3600)).await;
    let troubles = replica.troubles();
    assert!(replica.is_ready() && troubles.len() == 1, "{troubles:?}");
    assert!(
        troubles[0].starts_with("[~] keys of `old` from https://old.test: too old to be used"),
        "{troubles:?}"
    );
    assert_eq!(replica.usable(), [("good".to_owned(), true), ("old".to_owned(), false)]);
}

/// P365: lists and files that were never there hold up the first start for a while, unless all are required or every credential
/// is refused without them.
#[tokio::test(start_paused = true)]
async fn lists_and_files_that_never_come_are_waited_for() {
    let wait = Duration::from_secs(10);
    for (on_stale, require, expected) in [
        ("allow", RequiredAtStart::Documents, Some(wait)),
        ("allow", RequiredAtStart::All, None),
        ("deny", RequiredAtStart::Documents, None),
    ] {
        let documents = [issuer("good"), domain(), list(on_stale)];
        let options = ReadinessOptions { require, ..ReadinessOptions::default() };
        let replica = Replica::start(&documents, &["good.test"], options);
        let began = Instant::now();
        let ready = replica.components.become_ready();
        let reached = tokio::time::timeout(Duration::from_secs(600), ready).await.is_ok();
        assert_eq!(reached.then(|| began.elapsed()), expected, "{on_stale}");
        let sign = if reached { "[~]" } else { "[-]" };
        let troubles = replica.troubles();
        let expected = [
            "file `prod/bundle` from https://bundle.test: never fetched",
            "revocation list far: never read",
        ];
        for (trouble, expected) in troubles.iter().zip(expected) {
            assert!(trouble.starts_with(&format!("{sign} {expected}")), "{troubles:?}");
        }
        assert_eq!((troubles.len(), replica.is_ready()), (2, reached));
        // Whatever was missing is there in the end.
        lock(&replica.servers.0).extend(["bundle.test", "list.test"]);
        replica.pass(Duration::from_secs(120)).await;
        assert!(replica.is_ready() && replica.troubles().is_empty(), "{:?}", replica.troubles());
    }
}
