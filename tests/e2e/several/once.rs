//! Credentials that work once, on all replicas together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::testbed::Folder;
use countersign::clock::{Clock as _, SystemClock};
use serde_json::json;
use tokio::task::JoinHandle;

use super::caller;
use super::harness::{House, Replica, TURN};
use crate::redis::{Redis, free_port};

/// How often each answer was given: `allow`, or the reason of a denial.
type Answers = BTreeMap<String, usize>;

/// The credential that a caller shows.
#[derive(Clone)]
struct Shown {
    token: String,
    proof: Option<String>,
}

/// The caller's key, and its token.
struct Caller {
    key: caller::Key,
    token: String,
}

impl Caller {
    fn new(house: &House) -> Self {
        let key = caller::Key::new();
        let token = house.token(&json!({ "cnf": { "jkt": key.thumbprint() } }));
        Self { key, token }
    }

    fn proof(&self, jti: &str) -> Shown {
        let (url, now) = ("https://orders.example.com/v1/orders", SystemClock.now().as_secs());
        let changes = (&json!({}), &json!({ "jti": jti }));
        let proof = self.key.proof(&self.token, (url, now), changes);
        Shown { token: self.token.clone(), proof: Some(proof) }
    }
}

/// A token that works once.
fn voucher(house: &House, jti: &str) -> Shown {
    let token = house.token(&json!({ "iss": "https://vouchers.example.com", "jti": jti }));
    Shown { token, proof: None }
}

/// Begins to use each of `shown` on every one of `replicas`, all of them at a time.
fn begin(replicas: &[Arc<Replica>], shown: &[Shown]) -> Vec<JoinHandle<Option<String>>> {
    let each = shown.iter().flat_map(|shown| replicas.iter().map(move |replica| (replica, shown)));
    each.map(|(replica, shown)| {
        let (replica, Shown { token, proof }) = (Arc::clone(replica), shown.clone());
        tokio::spawn(async move {
            match proof {
                None => replica.refuses(&token).await,
                Some(proof) => replica.refuses_proof(&token, &proof).await,
            }
        })
    })
    .collect()
}

async fn ended(uses: Vec<JoinHandle<Option<String>>>) -> Vec<Option<String>> {
    let used = futures_util::future::join_all(uses).await;
    used.into_iter().map(Result::unwrap).collect()
}

async fn use_at_once(replicas: &[Arc<Replica>], shown: &[Shown]) -> Answers {
    let mut counts = Answers::new();
    for answer in ended(begin(replicas, shown)).await {
        *counts.entry(answer.unwrap_or_else(|| "allow".into())).or_default() += 1;
    }
    counts
}

/// Of so many uses one was. A machine that is busy with something else may let answers of Redis come late: no allow either.
fn one_is_allowed(mut judged: Answers, uses: usize) {
    assert_eq!(judged.values().sum::<usize>(), uses, "{judged:?}");
    judged.remove("store_unavailable");
    assert_eq!(judged.remove("allow"), Some(1), "{judged:?}");
    assert!(judged.remove("token_replayed").is_some_and(|count| count > uses / 2), "{judged:?}");
    assert!(judged.is_empty(), "{judged:?}");
}

fn answers(expected: &[(&str, usize)]) -> Answers {
    expected.iter().map(|(answer, count)| ((*answer).to_owned(), *count)).collect()
}

/// P67, P68: of 1,000 parallel uses of one `jti` on three replicas one is allowed. Redis is killed while more of them are
/// under way: then what works once is refused, or remembered by each replica alone where that was chosen, everything else
/// goes on, no request waits, and all of that is logged. Redis comes back, and all is as before, without a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_uses_on_three_replicas_one_is_allowed_whatever_becomes_of_redis() {
    let _turn = TURN.lock().await;
    let redis_folder = Folder::temporary().unwrap();
    let Some(redis) = Redis::start(redis_folder.path(), free_port()) else { return };
    let (house, store) = (House::new(), redis.options());
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Arc::new(house.replica(&store, "").await));
    }
    let alone = Arc::new(house.replica(&format!("{store}, onLoss: local"), "").await);
    let caller = Caller::new(&house);

    let token = voucher(&house, "v-1");
    for replica in &replicas {
        replica.remember(&token.token).await;
    }
    one_is_allowed(use_at_once(&replicas, &vec![token; 334]).await, 1002);
    one_is_allowed(use_at_once(&replicas, &vec![caller.proof("one"); 30]).await, 90);

    let proofs: Vec<_> = (0..300).map(|n| voucher(&house, &format!("during-{n}"))).collect();
    let under_way = begin(&replicas, &proofs);
    while under_way.iter().filter(|used| used.is_finished()).count() < 100 {
        tokio::task::yield_now().await;
    }
    let port = redis.kill();
    // A fast machine may have answered all of them before Redis was gone: these come after it.
    let late: Vec<_> = (0..20).map(|n| voucher(&house, &format!("late-{n}"))).collect();
    let late = begin(&replicas, &late);
    let mut during = ended(under_way).await;
    during.extend(ended(late).await);
    assert!(during.iter().any(Option::is_none), "some before");
    assert!(during.iter().flatten().any(|reason| reason == "store_unavailable"), "some after");
    for uses in during.chunks(3) {
        let allowed = uses.iter().filter(|answer| answer.is_none()).count();
        assert!(allowed <= 1, "{uses:?}");
        let reasons = uses.iter().flatten();
        let expected =
            |reason: &String| matches!(&**reason, "token_replayed" | "store_unavailable");
        assert!(reasons.clone().all(expected), "{uses:?}");
    }

    for replica in replicas.iter().chain([&alone]) {
        replica.shows("/readyz?verbose", "[~] store: redis, lost").await;
        assert!(replica.page("/readyz").await.contains("200 OK"), "the other requests go on");
        replica.shows("/metrics", "countersign_store_up 0").await;
        replica.shows("/status", "\"up\": false").await;
        assert!(replica.log().contains("the shared store is lost; reconnecting"));
        assert_eq!(replica.refuses(&house.token(&json!({}))).await, None, "P68: a reusable token");
    }
    let lost = vec![caller.proof("lost"); 30];
    let judged = use_at_once(&replicas, &lost).await;
    assert_eq!(
        judged,
        answers(&[("store_unavailable", 90)]),
        "what cannot be determined is denied"
    );
    let judged = use_at_once(&[Arc::clone(&alone)], &lost).await;
    assert_eq!(judged, answers(&[("allow", 1), ("token_replayed", 29)]), "chosen: alone");

    let back = Redis::start(redis_folder.path(), port);
    assert!(back.is_some());
    for replica in replicas.iter().chain([&alone]) {
        replica.shows("/metrics", "countersign_store_up 1").await;
        replica.shows("/readyz?verbose", "[+] store: redis").await;
        assert!(replica.log().contains("the shared store answers again"));
    }
    let all = [&replicas[..], &[alone]].concat();
    one_is_allowed(use_at_once(&all, &vec![caller.proof("again"); 30]).await, 120);
}
