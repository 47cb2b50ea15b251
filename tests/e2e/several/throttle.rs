//! Failed attempts that replicas count together.

use std::time::Duration;

use crate::testbed::Folder;
use crate::testbed::mint::{Issuer, Key};
use countersign::clock::{Clock as _, SystemClock};
use serde_json::json;

use super::harness::{House, Replica, TURN};
use crate::redis::{Redis, free_port};

const FAILURES: usize = 10;

/// How many forged tokens are answered as ever before one is throttled.
async fn attempts(replica: &Replica, forged: &str) -> usize {
    let mut count = 0;
    loop {
        match replica.refuses(forged).await.as_deref() {
            Some("signature_invalid") => count += 1,
            Some("throttled") => return count,
            other => panic!("{other:?}"),
        }
        // The store's word counts from the next attempt on.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// P427: a source that was throttled by one replica is throttled by another at its second attempt. While the store is away each
/// replica counts alone: it neither lets more pass nor refuses anything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_throttle_together_and_alone_while_the_store_is_away() {
    let _turn = TURN.lock().await;
    let folder = Folder::temporary().unwrap();
    let Some(redis) = Redis::start(folder.path(), free_port()) else { return };
    let house = House::new();
    let more =
        format!("throttle: {{ mode: enforce, failures: {FAILURES}, per: 1h, shared: true }}");
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(house.replica(&redis.options(), &more).await);
    }
    let stranger = Issuer::new(SystemClock.now()).unwrap();
    let (good, forged) = (house.token(&json!({})), stranger.mint(Key::Ec, &json!({})).unwrap());

    assert_eq!(attempts(&replicas[0], &forged).await, FAILURES);
    let more = attempts(&replicas[1], &forged).await;
    assert!(more <= 3, "{more} more at another replica");
    for replica in &replicas[..2] {
        assert_eq!(replica.refuses(&good).await, None);
    }

    redis.kill();
    replicas[2].shows("/metrics", "countersign_store_up 0").await;
    assert_eq!(attempts(&replicas[2], &forged).await, FAILURES, "alone");
    assert_eq!(replicas[2].refuses(&good).await, None);
    let unshared = format!("countersign_throttle_unshared_total {FAILURES}");
    replicas[2].shows("/metrics", &unshared).await;
}
