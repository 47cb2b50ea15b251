//! A rotation drill against a real HTTPS server: an issuer rotates its keys, goes down, comes back with others, answers garbage and
//! stalls, under a flood of made-up key ids. Hours pass on a fake clock.

use std::sync::Arc;
use std::time::Duration;

use crate::drill::{Issuer, MINUTE, Mood, serve};
use crate::introspection::view;
use countersign::authn::{self, Caches, NoCache};
use countersign::clock::{Clock as _, FixedClock, UnixTime};
use countersign::document::{self, Attachments, SourceFile};
use countersign::evidence::{self, PeerSources};
use countersign::pdp::{HttpsFetcher, KeyCache, Load, Pdp, PdpOptions, VerificationCacheOptions};
use countersign::policy::Decision;
use countersign::reason::Reason;
use countersign::request::{CredentialHeaders, HeaderValue, Headers, SealedNames};
use countersign::trust::TrustStore;

const START: i64 = 1_800_000_000;
struct Drill {
    issuer: Arc<Issuer>,
    clock: FixedClock,
    trust: TrustStore,
    cache: KeyCache,
}

impl Drill {
    async fn new(ids: &[&'static str], first: Mood) -> Self {
        let clock = FixedClock::at(UnixTime::from_secs(START));
        let issuer = Arc::new(Issuer::new(ids, first, &clock));
        let text = serve(Arc::clone(&issuer)).await;
        let mut problems = Vec::new();
        let documents = document::parse(&SourceFile::new("drill.yaml", text), &mut problems);
        let trust = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
        assert_eq!(problems, []);
        let cache = KeyCache::new(Arc::new(clock.clone()), Arc::new(HttpsFetcher::default()));
        cache.follow(&trust, None);
        cache.settled().await;
        Self { issuer, clock, trust, cache }
    }

    /// The outcome for `token` now.
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
        let material = self.cache.gather(tokens, &self.trust, &NoCache, patience).await;
        let memory = Caches { certificates: &NoCache, tokens: &NoCache };
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
    /// tokens with made-up key ids must not either. One of those may be `keys_pending` where others have used up what asks for keys.
    async fn pass(&self, seconds: i64, good: &[&str], gone: &[&str]) {
        let end = self.clock.now().as_secs() + seconds;
        while self.clock.now().as_secs() < end {
            self.clock.advance(Duration::from_secs(15));
            self.cache.recheck();
            self.let_fetches_end().await;
            let at = self.clock.now().as_secs() - START;
            for kid in good {
                let judged = self.judge(&self.issuer.token(kid, kid)).await;
                assert_eq!(judged, Ok(()), "wrong denial of `{kid}` at {at} s");
            }
            for kid in gone {
                let judged = self.judge(&self.issuer.token(kid, kid)).await;
                let refused = matches!(judged, Err(Reason::KeyUnknown | Reason::KeysPending));
                assert!(refused, "`{kid}` at {at} s: {judged:?}");
            }
            for n in 0..3 {
                let made_up = self.issuer.token("attacker", &format!("{at}-{n}"));
                let judged = self.judge(&made_up).await;
                assert!(matches!(judged, Err(Reason::KeyUnknown | Reason::KeysPending)));
            }
        }
    }

    /// Simulated time must not run ahead of a real fetch.
    async fn let_fetches_end(&self) {
        while self.cache.status().iter().any(|status| status.next_fetch <= self.clock.now()) {
            tokio::task::yield_now().await;
        }
    }
}

/// P59, P61, P62, and section 3 of issue 4: zero wrong denials while keys are inside `maxStale`, zero wrong allows, and no more
/// fetches a minute than their budgets have.
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
    drill.pass(15, &["b"], &["a"]).await;
    // Back with other keys, without overlap: they work at once.
    issuer.set(Mood::Publishing(vec!["c"]));
    drill.pass(5 * MINUTE, &["c"], &["a", "b"]).await;
    assert!(issuer.busiest_minute() <= 27, "{} fetches in a minute", issuer.busiest_minute());
}

/// P61: 10,000 made-up key ids in one second.
#[tokio::test]
async fn a_second_of_ten_thousand_key_ids_costs_one_fetch() {
    let drill = Drill::new(&["a", "attacker"], Mood::Publishing(vec!["a"])).await;
    drill.clock.advance(Duration::from_secs(60));
    let before = drill.issuer.fetches();
    for n in 0..10_000 {
        let made_up = drill.issuer.token("attacker", &format!("made-up-{n}"));
        // The issuer was asked for the first one only: the others may be new.
        let expected = if n == 0 { Reason::KeyUnknown } else { Reason::KeysPending };
        assert_eq!(drill.judge(&made_up).await, Err(expected));
    }
    assert_eq!(drill.issuer.fetches() - before, 1);
}

/// After `maxStale` nothing is trusted any more, and the first fetch that works heals.
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

/// P264, P265: a decision point judges again with the newest keys, and blames no token for an answer that comes too late.
#[tokio::test]
async fn a_replaced_key_is_noticed_and_a_late_one_is_pending() {
    let clock = FixedClock::at(UnixTime::from_secs(START));
    let ids = ["a", "b", "attacker"];
    let issuer = Arc::new(Issuer::new(&ids, Mood::Publishing(vec!["a"]), &clock));
    let folder = tempfile::tempdir().unwrap();
    let policy = "---\napiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: { name: orders }\nspec:\n  target: { hosts: [orders.example] }\n  rules: [{ name: read, effect: allow, on: { methods: [GET] }, token: { issuer: corp } }]\n";
    let documents = format!("{}{policy}", serve(Arc::clone(&issuer)).await);
    std::fs::write(folder.path().join("documents.yaml"), documents).unwrap();
    let load = Load::from_paths(&[folder.path().to_owned()]);
    let snapshot = load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems));
    let keys = Arc::new(KeyCache::new(Arc::new(clock.clone()), Arc::new(HttpsFetcher::default())));
    let options = PdpOptions {
        peer_sources: PeerSources::default(),
        deadline: Duration::from_secs(1),
        memory: VerificationCacheOptions::default(),
    };
    let pdp = Pdp::new(snapshot, Arc::clone(&keys), Arc::new(clock.clone()), options);
    keys.settled().await;
    let judge = async |signer: &'static str, kid: &str| {
        let pinned = pdp.pin();
        let token = format!("Bearer {}", issuer.token(signer, kid));
        let mut headers = Headers::default();
        headers.push("authorization", HeaderValue::new(token.into_bytes()));
        let (headers, credentials) = CredentialHeaders::split(headers, pinned.sealed(), None, None);
        let outcome = pinned.decide(&view("GET", headers), credentials).await;
        match outcome.decision {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(denial) => {
                let why = denial.rejection;
                Err((why.reason(), why.client_answer().status()))
            }
        }
    };
    assert_eq!(judge("a", "a").await, Ok(()));
    assert_eq!(judge("attacker", "a").await, Err((Reason::SignatureInvalid, 401)));
    clock.advance(Duration::from_secs(60));
    issuer.set(Mood::Replaced("b", "a"));
    assert_eq!(judge("b", "a").await, Ok(()));
    assert_eq!(judge("a", "a").await, Err((Reason::SignatureInvalid, 401)));
    clock.advance(Duration::from_secs(60));
    issuer.set(Mood::Stalling);
    assert_eq!(judge("a", "new").await, Err((Reason::KeysPending, 503)));
}

impl Drill {
    async fn let_fetches_end_after_recheck(&self) {
        self.cache.recheck();
        self.let_fetches_end().await;
    }
}
