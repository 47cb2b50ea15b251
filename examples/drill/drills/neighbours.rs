//! Services that countersign depends on die, stall or lie.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock as _, FixedClock, SystemClock};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::callers::neighbour;
use super::{Count, Figures, Ground, Plan, during};
use crate::drill::{Issuer, Mood, serve};
use crate::redis::{Redis, free_port};
use crate::testbed::http1::Request;
use crate::testbed::pki::HOST;
use crate::testbed::{Folder, Stage};

/// How long each state lasts.
const MOMENT: Duration = Duration::from_millis(300);

/// An issuer that has every trouble in turn, and whose tokens are sent all the time.
pub(super) async fn dead_issuer(ground: Ground) -> Figures {
    let clock = FixedClock::at(SystemClock.now());
    let issuer = Arc::new(Issuer::new(&["a", "b"], Mood::Publishing(vec!["a"]), &clock));
    let plan =
        Plan { files: vec![neighbour(&serve(Arc::clone(&issuer)).await)], ..Plan::default() };
    during(ground, plan, async |stage, count| {
        let moods = [
            Mood::Down,
            Mood::Garbage,
            Mood::Stalling,
            Mood::Redirecting,
            Mood::Replaced("b", "a"),
        ];
        for mood in moods.iter().cycle() {
            issuer.set(mood.clone());
            let tokens = [issuer.token("a", "a"), issuer.token("b", "b")];
            tokio::join!(sleep(MOMENT), ask(stage, &tokens, &count));
        }
    })
    .await
}

async fn ask(stage: &Stage<'_>, tokens: &[String], count: &Count) {
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    for token in tokens {
        let _ = client.send(&Request::get(HOST, "/v1/orders").bearer(token)).await;
        count.one();
    }
}

pub(super) async fn broken_tls(ground: Ground) -> Figures {
    let clock = FixedClock::at(SystemClock.now());
    let issuer = Arc::new(Issuer::new(&["a"], Mood::Publishing(vec!["a"]), &clock));
    let document = serve(Arc::clone(&issuer)).await;
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.try_write(b"220 mail.example.com ESMTP\r\n");
        }
    });
    let (before, after) = document.split_once("localhost:").unwrap();
    let (_, after) = after.split_once('/').unwrap();
    let document = format!("{before}localhost:{port}/{after}");
    let plan = Plan { files: vec![neighbour(&document)], ..Plan::default() };
    during(ground, plan, async |stage, count| {
        loop {
            ask(stage, &[issuer.token("a", "a")], &count).await;
            sleep(MOMENT / 10).await;
        }
    })
    .await
}

pub(super) async fn dead_collector(ground: Ground) -> Figures {
    let more = format!("otlp: {{ endpoint: \"http://127.0.0.1:{}\" }}\n", free_port());
    let file = "audit: { file: ./audit.jsonl }";
    let settings = vec![(file, "audit: { file: ./audit.jsonl, otlp: {} }".to_owned())];
    during(ground, Plan { settings, more, ..Plan::default() }, async |stage, count| {
        loop {
            ask(stage, std::slice::from_ref(&stage.tokens.no_scope), &count).await;
            sleep(MOMENT / 10).await;
        }
    })
    .await
}

/// `trouble` of a Redis that keeps the uses of the one-time tokens of an issuer.
async fn redis(ground: Ground, trouble: impl AsyncFn(Redis) -> Option<Redis>) -> Figures {
    let folder = Folder::temporary().unwrap();
    let redis = Redis::start(folder.path(), free_port());
    let mut redis = Some(redis.expect("this drill needs `redis-server`"));
    let port = redis.as_ref().unwrap().port;
    let store = format!("store: {{ redis: {{ {} }} }}\n", redis.as_ref().unwrap().options());
    during(ground, Plan { more: store, ..Plan::default() }, async |_, count| {
        loop {
            sleep(MOMENT).await;
            redis = match redis.take() {
                Some(there) => trouble(there).await,
                None => Redis::start(folder.path(), port),
            };
            count.one();
        }
    })
    .await
}

pub(super) async fn dead_redis(ground: Ground) -> Figures {
    redis(ground, async |redis| {
        redis.kill();
        None
    })
    .await
}

pub(super) async fn stalled_redis(ground: Ground) -> Figures {
    redis(ground, async |redis| {
        redis.signal("STOP");
        sleep(MOMENT * 3).await;
        redis.signal("CONT");
        Some(redis)
    })
    .await
}
