//! Without countersign nothing passes.

use countersign::clock::{Clock as _, SystemClock};
use countersign::demo::client::Client;
use countersign::demo::envoy::{Bootstrap, Envoy};
use countersign::demo::http1::Request;
use countersign::demo::pki::HOST;
use countersign::demo::server::free_address;
use countersign::demo::upstream::Upstream;
use countersign::demo::{Folder, Pki};

use crate::envoy;

/// P2: the shipped configuration refuses where countersign cannot be reached.
#[tokio::test]
async fn envoy_refuses_when_countersign_was_never_there() {
    let Some(binary) = envoy::find() else { return };
    let folder = Folder::temporary().unwrap();
    let pki = Pki::new(SystemClock.now()).unwrap();
    pki.write(&folder).unwrap();
    let upstream = Upstream::start().await.unwrap();
    let nobody = free_address().await.unwrap();
    let bootstrap = Bootstrap::sidecar_mtls(&folder, nobody, upstream.address());
    let envoy = Envoy::start(&binary, &bootstrap, &folder).await.unwrap();

    let client = Client::new(envoy.listener(), pki.ca().der(), Some(&pki.frontend)).unwrap();
    let answer = client.send(&Request::get(HOST, "/v1/orders")).await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(upstream.requests(), 0);
    envoy.stop().await.unwrap();
}
