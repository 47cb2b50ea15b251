//! Without countersign nothing passes.

use std::sync::Arc;
use std::time::Duration;

use crate::testbed::client::Client;
use crate::testbed::envoy::{Bootstrap, Envoy};
use crate::testbed::http1::Request;
use crate::testbed::pki::HOST;
use crate::testbed::server::Addresses;
use crate::testbed::upstream::Upstream;
use crate::testbed::{Folder, Pki};
use countersign::clock::{Clock as _, SystemClock};

use crate::envoy;

/// P2: the shipped configuration refuses where countersign cannot be reached.
#[tokio::test]
async fn envoy_refuses_when_countersign_was_never_there() {
    let Some(binary) = envoy::find() else { return };
    let folder = Folder::temporary().unwrap();
    let pki = Pki::new(SystemClock.now()).unwrap();
    pki.write(&folder).unwrap();
    let upstream = Upstream::start().await.unwrap();
    let unused = Addresses::free().unwrap().checks;
    let bootstrap = Bootstrap::sidecar_mtls(&folder, unused, upstream.address());
    let envoy = Envoy::start(&binary, &bootstrap, &folder).await.unwrap();

    let client = Client::new(envoy.listener(), pki.ca().der(), Some(&pki.frontend)).unwrap();
    let answer = client.send(&Request::get(HOST, "/v1/orders")).await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(upstream.requests(), 0);
    envoy.stop().await.unwrap();
}

/// P2: an outage closes the door, and the end of the outage opens it.
#[tokio::test]
async fn envoy_refuses_while_countersign_is_stopped() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let client = stage.client(Some(&pki.frontend)).unwrap();
    let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    assert_eq!(client.send(&request).await.unwrap().status, 200);

    stage.stop_server().await.unwrap();
    let before = stage.upstream.requests();
    for _ in 0..5 {
        let answer = client.send(&request).await.unwrap();
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    assert_eq!(stage.upstream.requests(), before);

    stage.start_server().await.unwrap();
    assert_eq!(answered(&client, &request, 200).await, 200);
    stage.strike().await.unwrap();
}

/// Envoy tries its broken connection to countersign again after a pause of its own choice: asks until it has.
async fn answered(client: &Client, request: &Request, wanted: u16) -> u16 {
    let mut status = 0;
    for _ in 0..200 {
        status = client.send(request).await.unwrap().status;
        if status == wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    status
}

/// The stricter setting that the shipped configuration offers: the handshake itself fails.
#[tokio::test]
async fn envoy_breaks_the_handshake_of_untrusted_certificates_where_it_is_set_to() {
    let Some(binary) = envoy::find() else { return };
    let folder = Folder::temporary().unwrap();
    let pki = Pki::new(SystemClock.now()).unwrap();
    pki.write(&folder).unwrap();
    let upstream = Upstream::start().await.unwrap();
    let unused = Addresses::free().unwrap().checks;
    let bootstrap = Bootstrap::sidecar_mtls(&folder, unused, upstream.address())
        .vary(envoy::VERIFY.0, envoy::VERIFY.1);
    let envoy = Envoy::start(&binary, &bootstrap, &folder).await.unwrap();
    let request = Request::get(HOST, "/v1/orders");
    for (identity, trusted) in
        [(&pki.frontend, true), (&pki.impostor, false), (&pki.expired, false)]
    {
        let client = Client::new(envoy.listener(), pki.ca().der(), Some(identity)).unwrap();
        assert_eq!(client.send(&request).await.is_ok(), trusted, "{}", identity.name());
    }
    envoy.stop().await.unwrap();
}
