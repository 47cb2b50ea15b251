//! Revocations on one replica.

use std::time::Duration;

use crate::testbed::Folder;
use serde_json::{Value, json};

use super::harness::{House, TURN, until};
use crate::redis::{Redis, free_port};

/// P64: on every replica within a second; while Redis is away what is known stays in force, what is revoked counts where it
/// was revoked, and all of that is said; when it is back, with nothing in it, everybody knows everything again.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_in_force_on_all_replicas_and_survives_the_loss_of_redis() {
    let _turn = TURN.lock().await;
    let redis_folder = Folder::temporary().unwrap();
    let Some(redis) = Redis::start(redis_folder.path(), free_port()) else { return };
    let (house, store) = (House::new(), redis.options());
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(house.replica(&store, "").await);
    }
    let token = |jti: &str| house.token(&json!({ "jti": jti }));
    let [first, second, third] = &replicas[..] else { panic!() };

    let mut delays = Vec::new();
    for n in 0..30 {
        let (jti, author) = (format!("t-{n}"), &replicas[n % 3]);
        let token = token(&jti);
        assert_eq!(author.refuses(&token).await, None);
        let (code, told) = author.revoke(&jti, &["--reason", "drill"]).await;
        let told: Value = serde_json::from_str(&told).unwrap();
        // A machine that is busy with something else may let Redis answer late: the others hear of it a moment later.
        let shared = told["not_shared"].is_null();
        assert_eq!(code, i32::from(!shared), "{told}");
        let reached = if shared { "all" } else { "this" };
        assert_eq!((&told["replicas"], &told["store"]), (&json!(reached), &json!("redis")));
        assert_eq!(
            author.refuses(&token).await.as_deref(),
            Some("token_revoked"),
            "the next request"
        );
        delays.push(until(&replicas, &token, Some("token_revoked")).await);
    }
    delays.sort_unstable();
    let (median, worst) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    println!("in force on 3 replicas: median {median:?}, p99 (of 30) {worst:?}");
    assert!(worst < Duration::from_secs(5), "{worst:?}");

    let undone = token("t-0");
    let (code, told) = second.revoke("t-0", &["--undo"]).await;
    assert_eq!(code, 0, "{told}");
    until(&replicas, &undone, None).await;

    let port = redis.kill();
    let known = token("t-1");
    until(&replicas, &known, Some("token_revoked")).await;
    let local = token("local");
    let (code, told) = third.revoke("local", &[]).await;
    assert_eq!(code, 1, "not on every replica: {told}");
    assert_eq!(third.refuses(&local).await.as_deref(), Some("token_revoked"));
    assert_eq!(first.refuses(&local).await, None, "it cannot know");
    first.shows("/metrics", "countersign_revocation_store_failing 1").await;
    third.shows("/metrics", "countersign_revocation_unshared 1").await;
    first.shows("/status", "\"up\": false").await;

    let back = Redis::start(redis_folder.path(), port).unwrap();
    until(&replicas, &local, Some("token_revoked")).await;
    until(&replicas, &known, Some("token_revoked")).await;
    until(&replicas, &undone, None).await;
    let fresh = house.replica(&back.options(), "").await;
    let newcomers = [fresh];
    until(&newcomers, &known, Some("token_revoked")).await;
    until(&newcomers, &local, Some("token_revoked")).await;
    until(&newcomers, &undone, None).await;
    let (code, listed) = newcomers[0].run(&["revocations", "--output", "json"]).await;
    assert_eq!(code, 0, "{listed}");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 30, "t-1 to t-29, and local");
}

/// P64, P67: no request waits for a Redis that takes questions and does not answer them, and what is revoked meanwhile
/// counts where it was revoked. A replica that starts again while Redis is away refuses what it knew, and tells the Redis
/// that comes back with nothing in it.
#[tokio::test(flavor = "multi_thread")]
async fn neither_a_stalled_redis_nor_a_restart_lets_a_revoked_token_in() {
    let _turn = TURN.lock().await;
    let redis_folder = Folder::temporary().unwrap();
    let Some(redis) = Redis::start(redis_folder.path(), free_port()) else { return };
    let (house, store) = (House::new(), redis.options());
    let kept = "stateFolder: ./state\nrevocations: { beforeFirstSync: { lastKnown: 1h } }\n";
    let mut replicas = [house.replica(&store, kept).await, house.replica(&store, "").await];
    let token = |jti: &str| house.token(&json!({ "jti": jti }));
    let (known, stalled, local) = (token("known"), token("stalled"), token("local"));
    let refused = Some("token_revoked");
    assert_eq!(replicas[0].revoke("known", &[]).await.0, 0);
    until(&replicas, &known, refused).await;

    redis.signal("STOP");
    let (answered, (code, told)) = tokio::join!(
        async {
            for _ in 0..20 {
                for replica in &replicas {
                    assert_eq!(replica.refuses(&known).await.as_deref(), refused);
                    assert_eq!(replica.refuses(&token("other")).await, None);
                }
            }
        },
        replicas[1].revoke("stalled", &[]),
    );
    let () = answered;
    assert_eq!(code, 1, "not on every replica: {told}");
    assert_eq!(replicas[1].refuses(&stalled).await.as_deref(), refused);
    for replica in &replicas {
        replica.shows("/metrics", "countersign_revocation_store_failing 1").await;
    }
    redis.signal("CONT");
    until(&replicas, &stalled, refused).await;

    let port = redis.kill();
    assert_eq!(replicas[0].revoke("local", &[]).await.0, 1);
    let [first, second] = replicas;
    let first = first.restart().await;
    for revoked in [&known, &stalled, &local] {
        assert_eq!(first.refuses(revoked).await.as_deref(), refused);
    }
    assert_eq!(first.refuses(&token("other")).await, None);
    first.shows("/readyz?verbose", "[~] running revocations: the last known stay in force").await;
    first.shows("/readyz?verbose", "[~] store: redis, not usable yet").await;
    assert!(first.log().contains("running revocations as they were saved before the start"));

    let _back = Redis::start(redis_folder.path(), port).unwrap();
    replicas = [first, second];
    for revoked in [&known, &stalled, &local] {
        until(&replicas, revoked, refused).await;
    }
}
