//! The promises of the store, in memory and of its settings. `tests/e2e/store.rs` has a real Redis.

mod replay;
pub(crate) mod scripted;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::{FixedClock, UnixTime};
use crate::limits::MAX_SHARED_RECORD_BYTES;

fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(1_000_000 + secs)
}

fn bounded(first_uses: usize) -> (FixedClock, Store) {
    let clock = FixedClock::at(at(0));
    let options = StoreOptions::Memory(StoreMemoryOptions { first_uses });
    let store = Store::start(&options, Arc::new(clock.clone())).unwrap();
    (clock, store)
}

fn record(id: u8, text: &str) -> StoredRecord {
    StoredRecord { id: [id; 32], bytes: text.into(), expires: None }
}

#[tokio::test]
async fn a_second_use_is_seen_until_the_first_one_expires() {
    let (clock, store) = bounded(10);
    assert_eq!(store.first_use(&[1; 32], at(60)).await, Ok(FirstUse::First));
    assert_eq!(store.first_use(&[1; 32], at(60)).await, Ok(FirstUse::Seen));
    assert_eq!(store.first_use(&[2; 32], at(60)).await, Ok(FirstUse::First));
    clock.set(at(59));
    assert_eq!(store.first_use(&[1; 32], at(60)).await, Ok(FirstUse::Seen));
    clock.set(at(60));
    assert_eq!(store.first_use(&[1; 32], at(120)).await, Ok(FirstUse::First));
}

/// P67, P72: nothing that may be used again is forgotten to make room.
#[tokio::test]
async fn a_full_memory_refuses_and_forgets_nothing_that_counts() {
    let (clock, store) = bounded(2);
    assert_eq!(store.first_use(&[1; 32], at(60)).await, Ok(FirstUse::First));
    assert_eq!(store.first_use(&[2; 32], at(30)).await, Ok(FirstUse::First));
    assert_eq!(store.first_use(&[3; 32], at(60)).await, Err(StoreError::Full));
    assert_eq!(store.first_use(&[1; 32], at(60)).await, Ok(FirstUse::Seen));
    clock.set(at(30));
    assert_eq!(store.first_use(&[3; 32], at(60)).await, Ok(FirstUse::First));
    assert_eq!(store.first_use(&[1; 32], at(60)).await, Ok(FirstUse::Seen));
}

/// P82: a clock that went forward and back again makes nothing usable twice.
#[tokio::test]
async fn what_was_forgotten_is_not_first_again_when_the_clock_goes_back() {
    let (clock, store) = bounded(10);
    assert_eq!(store.first_use(&[1; 32], at(60)).await, Ok(FirstUse::First));
    clock.set(at(3600));
    assert_eq!(store.first_use(&[2; 32], at(3660)).await, Ok(FirstUse::First));
    clock.set(at(1));
    let answer = store.first_use(&[1; 32], at(60)).await;
    assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uses_at_a_time_one_is_the_first() {
    let (_clock, store) = bounded(10_000);
    let store = Arc::new(store);
    let uses = (0..1000).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.first_use(&[7; 32], at(60)).await })
    });
    let answers = futures_util::future::join_all(uses).await;
    let first = answers.into_iter().filter(|answer| matches!(answer, Ok(Ok(FirstUse::First))));
    assert_eq!(first.count(), 1);
}

#[tokio::test]
async fn records_are_read_in_order_by_pages_and_once() {
    let (_clock, store) = bounded(10);
    let mut position = store.position();
    for id in 1..=5 {
        store.publish(&record(id, "a"), 1).await.unwrap();
    }
    store.publish(&record(2, "b"), 2).await.unwrap();
    // P232: what arrives late replaces nothing that is later.
    store.publish(&record(2, "a"), 1).await.unwrap();
    assert!(position.has_changed().unwrap());
    let mut page = store.records_after(Position::default(), 2).await.unwrap();
    let mut read = page.records.clone();
    while page.more {
        page = store.records_after(page.position, 2).await.unwrap();
        read.extend(page.records.clone());
    }
    let expected: Vec<_> =
        [1, 3, 4, 5].map(|id| record(id, "a")).into_iter().chain([record(2, "b")]).collect();
    assert_eq!(read, expected);
    assert_eq!(page.position, *position.borrow_and_update());
    let nothing = store.records_after(page.position, 2).await.unwrap();
    assert_eq!((nothing.records.len(), nothing.more, nothing.restarted), (0, false, false));
    let other_life = Position { epoch: 99, revision: 3 };
    assert!(store.records_after(other_life, 2).await.unwrap().restarted);
    let large = StoredRecord { bytes: vec![0; MAX_SHARED_RECORD_BYTES + 1], ..record(1, "") };
    assert!(matches!(store.publish(&large, 0).await, Err(StoreError::TooLarge(_))));
}

fn options(text: &str) -> Result<StoreOptions, String> {
    let options: StoreOptions = serde_json::from_str(text).map_err(|error| error.to_string())?;
    options.check().map(|()| options)
}

#[test]
fn settings_that_cannot_stand_together_are_refused_without_showing_a_password() {
    for (text, hint) in [
        (r#"{"redis":{}}"#, "one of `url`, `cluster`"),
        (r#"{"redis":{"url":"redis://a","cluster":["redis://b"]}}"#, "one of `url`, `cluster`"),
        (r#"{"redis":{"cluster":[]}}"#, "one of `url`, `cluster`"),
        (
            r#"{"redis":{"url":"redis://a","sentinel":{"urls":["redis://b"],"master":"m"}}}"#,
            "one of `url`, `cluster`",
        ),
        (r#"{"redis":{"sentinel":{"urls":[],"master":"m"}}}"#, "one of `url`, `cluster`"),
        (
            r#"{"redis":{"sentinel":{"urls":["redis://b"],"master":""}}}"#,
            "`store.redis.sentinel.master`",
        ),
        (
            r#"{"redis":{"sentinel":{"urls":["redis://b","rediss://c"],"master":"m"}}}"#,
            "all be `redis://`, or all `rediss://`",
        ),
        (
            r#"{"redis":{"sentinel":{"urls":["redis://b"],"master":"m","username":"x"}}}"#,
            "`store.redis.sentinel.username`",
        ),
        (r#"{"redis":{"url":"redis://a","forgetful":"maybe"}}"#, "unknown variant"),
        (r#"{"redis":{"url":"redis://me:hunter2@a"}}"#, "password: { file: PATH }"),
        (r#"{"redis":{"url":"rediss://a/#insecure"}}"#, "`?` or `#`"),
        (r#"{"redis":{"url":"http://a"}}"#, "does not begin with"),
        (r#"{"redis":{"url":"redis://a","ca":"ca.pem"}}"#, "`rediss://`"),
        (r#"{"redis":{"url":"rediss://a","certificate":"a.pem"}}"#, "both `certificate` and `key`"),
        (r#"{"redis":{"url":"redis://a","username":"x"}}"#, "password"),
        (r#"{"redis":{"url":"redis://a","timeout":"0s"}}"#, "more than 0"),
        (r#"{"redis":{"url":"redis://a","timeout":"5s"}}"#, "at most 1s"),
        (r#"{"redis":{"url":"redis://a","prefix":"a b"}}"#, "prefix"),
        (r#"{"redis":{"url":"redis://a","onLoss":"allow"}}"#, "unknown variant"),
        (r#"{"memory":{"firstUses":0}}"#, "refuse every one-time credential"),
    ] {
        let error = options(text).unwrap_err();
        assert!(error.contains(hint) && !error.contains("hunter2"), "{text}: {error}");
    }
    let StoreOptions::Redis(redis) = options(r#"{"redis":{"url":"redis://a:6379/1"}}"#).unwrap()
    else {
        panic!("not Redis");
    };
    assert_eq!(redis.timeout.get(), Duration::from_millis(50));
    assert_eq!((redis.on_loss, &*redis.prefix), (OnLoss::Deny, "countersign"));
}

#[cfg(not(feature = "redis"))]
#[test]
fn a_build_without_redis_says_what_is_missing() {
    let options = serde_json::json!({ "redis": { "url": "redis://redis:6379" } });
    let options: StoreOptions = serde_json::from_value(options).unwrap();
    options.check().unwrap();
    let refused = Store::start(&options, Arc::new(crate::clock::SystemClock)).unwrap_err();
    assert_eq!(refused, "`store.redis` needs a build with the feature `redis`");
}
