//! The steps of docs/deploying.md, done: an authority is replaced.

use crate::testbed::Folder;
use crate::testbed::client::Client;
use crate::testbed::http1::Request;
use crate::testbed::pki::{Authority, FRONTEND, HOST, Usage};
use countersign::clock::{Clock as _, SystemClock};
use rcgen::SanType;

use crate::envoy;
use crate::load::Load;
use crate::reload::until;

async fn is_allowed(client: &Client, request: &Request) -> bool {
    client.send(request).await.unwrap().status == 200
}

/// P40: old beside new, then new alone: callers with a certificate of an authority that counts get in throughout, and
/// none by the old one afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_is_rotated_and_no_caller_is_refused_meanwhile() {
    let Some(props) = envoy::props() else { return };
    let folder = Folder::temporary().unwrap();
    let stage = envoy::raise(&props, &folder).await;
    let now = SystemClock.now();
    let authority = Authority::new("prod.example next CA", now).unwrap();
    let names = vec![SanType::URI(FRONTEND.try_into().unwrap())];
    let renewed = authority.issue("frontend", names, Usage::Client, now).unwrap();
    let (old, new) = (stage.client(Some(&stage.pki.frontend)), stage.client(Some(&renewed)));
    let (old, new) = (old.unwrap(), new.unwrap());
    let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
    assert!(is_allowed(&old, &request).await && !is_allowed(&new, &request).await);

    let both = format!("{}{}", stage.pki.ca().pem(), authority.pem());
    let load = Load::start(&old, &request);
    folder.write("ca/prod.pem", &both).unwrap();
    until(&new, &request, 200).await;
    assert!(is_allowed(&new, &request).await, "the new one counts");
    assert!(is_allowed(&old, &request).await, "beside the old one");
    let (sent, failed) = load.stop().await;
    assert!(sent > 0 && failed == [0u16; 0], "{failed:?} of {sent}");

    let load = Load::start(&new, &request);
    folder.write("ca/prod.pem", authority.pem()).unwrap();
    until(&old, &request, 403).await;
    assert!(!is_allowed(&old, &request).await, "the old one counts no longer");
    let (sent, failed) = load.stop().await;
    assert!(sent > 0 && failed == [0u16; 0], "{failed:?} of {sent}");
    stage.strike().await.unwrap();
}
