//! A flood of failed attempts through the real Envoy, and a bystander at the same address.

use std::sync::Arc;

use crate::testbed::Folder;
use crate::testbed::http1::{Connection, Request};
use crate::testbed::mint::{Issuer, Key};
use crate::testbed::pki::HOST;
use countersign::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::envoy;
use crate::load::Load;

/// P422: the flood gets 429 and `retry-after` through Envoy; no request of the bystander fails, with a token that was known before and with
/// a new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_throttled_and_a_bystander_at_its_address_is_not() {
    let Some(mut props) = envoy::props() else { return };
    props.files[0].1.push_str("throttle: { mode: enforce, failures: 5, per: 1h }\n");
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let stranger = Issuer::new(SystemClock.now()).unwrap();
    let list = Request::get(HOST, "/v1/orders");
    let bystander = stage.client(Some(&pki.frontend)).unwrap();
    let load = Load::start(&bystander, &list.clone().bearer(&stage.tokens.bearer));

    let mut answers = Vec::new();
    for number in 0..400 {
        let token = stranger.mint(Key::Ec, &json!({ "jti": number.to_string() })).unwrap();
        let client = stage.client(None).unwrap();
        answers.push(client.send(&list.clone().bearer(&token)).await.unwrap());
    }
    let fresh = list.clone().bearer(&stage.tokens.bound);
    assert_eq!(bystander.send(&fresh).await.unwrap().status, 200, "a new token");
    let (sent, failed) = load.stop().await;
    assert!(sent > 0);
    assert_eq!(failed, [0u16; 0], "of {sent} requests");

    let (first, rest) = answers.split_at(5);
    assert!(
        first.iter().all(|answer| answer.status == 401 && answer.header("retry-after").is_none())
    );
    for answer in rest {
        assert_eq!(answer.status, 429, "{}", answer.text());
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=720).contains(&wait), "{wait}");
        assert!(answer.header("www-authenticate").is_none());
    }
    let missing = stage.client(None).unwrap().send(&list).await.unwrap();
    assert_eq!(missing.status, 403, "a caller without credentials gets its usual answer");

    let admin = TcpStream::connect(stage.addresses().admin).await.unwrap();
    let status = Connection::new(admin).send(&Request::get("admin", "/status")).await.unwrap();
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    assert_eq!(status.pointer("/throttle/attempts/within"), Some(&json!(5)));
    assert_eq!(status.pointer("/throttle/mode"), Some(&json!("enforce")));
    stage.strike().await.unwrap();
}
