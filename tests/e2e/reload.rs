//! An edit of a policy takes effect at once, and no request suffers from it.

use std::time::Duration;

use crate::testbed::client::Client;
use crate::testbed::http1::Request;
use crate::testbed::pki::HOST;
use crate::testbed::{Folder, Stage};
use countersign::clock::Stopwatch;

use crate::envoy;
use crate::load::Load;

/// The time that the issue promises; the check is made through Envoy, under load.
const WITHIN: Duration = Duration::from_secs(2);

/// How long it takes after an edit until `request` is answered with `status`; the limit where it never is.
pub(crate) async fn until(client: &Client, request: &Request, status: u16) -> Duration {
    let watch = Stopwatch::start();
    while watch.elapsed() < WITHIN * 3 {
        if client.send(request).await.unwrap().status == status {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watch.elapsed()
}

fn policy(stage: &Stage<'_>) -> String {
    std::fs::read_to_string(stage.folder().join("policies/orders.yaml")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_edit_takes_effect_within_two_seconds_and_no_request_fails() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    let bearer = &stage.tokens.bearer;
    let list = Request::get(HOST, "/v1/orders").bearer(bearer);
    let create =
        Request::new("POST", HOST, "/v1/orders").header("content-length", "0").bearer(bearer);
    assert_eq!(client.send(&create).await.unwrap().status, 403);

    let load = Load::start(&client, &list);
    let before = policy(&stage);
    let rule = "on: { methods: [GET], paths: [\"/v1/orders\"] }";
    assert!(before.contains(rule), "{before}");
    let after = before.replace(rule, &rule.replace("[GET]", "[GET, POST]"));
    for (text, status) in [(&after, 200), (&before, 403), (&after, 200)] {
        folder.write("policies/orders.yaml", text).unwrap();
        let took = until(&client, &create, status).await;
        assert!(took < WITHIN, "an edit took {took:?} to give {status}");
    }
    let (sent, failed) = load.stop().await;
    assert!(sent > 20, "only {sent} requests were sent");
    assert_eq!(failed, [0u16; 0], "of {sent} requests");
    stage.strike().await.unwrap();
}

/// P77: a broken edit changes nothing, and says where it is broken.
#[tokio::test]
async fn a_broken_edit_keeps_the_last_good_policy_and_is_shown_with_its_place() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let client = stage.client(Some(&stage.pki.frontend)).unwrap();
    let list = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);

    let broken = policy(&stage).replacen("effect: allow", "efect: allow", 1);
    let line = broken.lines().position(|line| line.contains("efect")).unwrap() + 1;
    folder.write("policies/orders.yaml", &broken).unwrap();
    let place = format!("orders.yaml:{line}:");
    let told = said(&stage, &place).await;
    assert!(told.contains("efect"), "{told}");
    assert_eq!(client.send(&list).await.unwrap().status, 200);
    stage.strike().await.unwrap();
}

/// countersign's log, once `what` stands in it.
async fn said(stage: &Stage<'_>, what: &str) -> String {
    let watch = Stopwatch::start();
    loop {
        let log = std::fs::read_to_string(stage.folder().join("countersign.log")).unwrap();
        if log.contains(what) {
            return log;
        }
        assert!(watch.elapsed() < WITHIN * 3, "`{what}` is not in the log:\n{log}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
