//! A whole server on loopback: limits on connections and calls, ages, and an end in order.

mod revoked;

use std::io::ErrorKind;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::clock::FixedClock;
use crate::document::HumanDuration;
use crate::envoy::service::tests::{
    NOW, OPEN, Stalled, check, issuer, service_by, summary, token, with_headers,
};
use crate::envoy::{ListenAddress, SocketOptions};
use crate::limits::MAX_CHECK_REQUEST_BYTES;
use crate::pdp::{Observer, Outcome};
use crate::request::RequestView;

/// A server that runs.
struct Running {
    address: ListenAddress,
    status: Arc<ListenerStatus>,
    stop: oneshot::Sender<Stop>,
    serving: JoinHandle<()>,
}

/// A server whose one issuer never answers: a check with a token waits until its deadline of a second.
async fn start(options: ListenerOptions) -> Running {
    start_with(options, Vec::new()).await
}

async fn start_with(options: ListenerOptions, observers: Vec<Arc<dyn Observer>>) -> Running {
    let documents = format!("{OPEN}{}", issuer("one", "authorization: {}"));
    let clock = Arc::new(FixedClock::at(NOW));
    let service = service_by(&documents, Arc::new(Stalled), clock, observers)
        .at_most(options.concurrent_checks);
    let address = ListenAddress::Tcp(([127, 0, 0, 1], 0).into());
    let listener = Listener::bind(&address, SocketOptions::default()).await.unwrap();
    let (address, status) = (listener.address().unwrap(), service.status());
    let (stop, stopped) = oneshot::channel();
    let stopped = async { stopped.await.unwrap() };
    let server = Server { listener, tls: None, service, options };
    let serving = tokio::spawn(async move { server.serve(stopped).await });
    Running { address, status, stop, serving }
}

const fn millis(millis: u64) -> HumanDuration {
    HumanDuration::new(Duration::from_millis(millis))
}

impl Running {
    /// One connection, made at once, and made again by tonic when it ends.
    async fn channel(&self) -> Channel {
        let url = format!("http://{}", self.address);
        Endpoint::from_shared(url).unwrap().connect().await.unwrap()
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(self.address.to_string()).await
    }

    /// Waits until `holds`.
    async fn until(&self, what: &str, holds: impl Fn(&ListenerStatus) -> bool) {
        let waiting = async {
            while !holds(&self.status) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(waited.is_ok(), "{what}: {:?}", self.status);
    }
}

fn level(level: &AtomicU64) -> u64 {
    level.load(Ordering::SeqCst)
}

/// The answer to a check of an open path, which waits for nothing.
async fn quick(channel: &Channel) -> (i32, i32, String) {
    let mut client = AuthorizationClient::new(channel.clone());
    summary(client.check(check("/healthz", "")).await.unwrap().into_inner())
}

/// The answer to a check that waits for keys, at most `timeout` long.
async fn slow(channel: &Channel, timeout: Duration) -> (i32, i32, String) {
    let headers = vec![("authorization", format!("Bearer {}", token("one")))];
    let mut request = tonic::Request::new(with_headers(check("/healthz", ""), headers));
    request.set_timeout(timeout);
    let mut client = AuthorizationClient::new(channel.clone());
    summary(client.check(request).await.unwrap().into_inner())
}

fn allowed() -> (i32, i32, String) {
    (0, 200, String::new())
}

/// Counts decisions.
#[derive(Debug, Default)]
struct Decided(AtomicU64);

impl Observer for Decided {
    fn observe(&self, _view: &RequestView, _outcome: &Outcome) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_aged_connection_is_replaced_and_no_call_is_lost() {
    let mut options = ListenerOptions::default();
    options.connections.max_age = millis(20);
    let decided = Arc::new(Decided::default());
    let server = start_with(options, vec![decided.clone()]).await;
    let channel = server.channel().await;
    let mut answered = 0u64;
    while level(&server.status.aged) < 5 {
        let mut client = AuthorizationClient::new(channel.clone());
        match client.check(check("/healthz", "")).await {
            Ok(answer) => {
                assert_eq!(summary(answer.into_inner()), allowed());
                answered += 1;
            }
            // This client gives up a call that it has not sent yet when the connection ends; Envoy sends it on another.
            Err(status) => assert_eq!(status.code(), tonic::Code::Cancelled, "{status}"),
        }
    }
    assert_eq!(level(&decided.0), answered, "everything that arrived was answered");
    assert!(answered > 5, "{answered} calls");
    assert!(level(&server.status.accepted) >= 5, "{:?}", server.status);
}

/// P15: what was begun on an aged connection is finished.
#[tokio::test]
async fn a_call_outlives_the_age_of_its_connection() {
    let mut options = ListenerOptions::default();
    options.connections.max_age = millis(20);
    let server = start(options).await;
    let channel = server.channel().await;
    let waiting = tokio::spawn(async move { slow(&channel, Duration::from_secs(60)).await });
    server.until("the call waits", |status| level(&status.checks) == 1).await;
    server.until("its connection is aged", |status| level(&status.aged) == 1).await;
    assert_eq!(level(&server.status.checks), 1, "it still waits");
    assert_eq!(waiting.await.unwrap(), (14, 503, "keys_stale".into()));
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_the_others_are_not() {
    let mut options = ListenerOptions::default();
    options.connections.max = 2;
    let server = start(options).await;
    let (first, second) = (server.channel().await, server.channel().await);
    let third = server.connect().await.unwrap();
    server.until("the third is refused", |status| level(&status.refused) == 1).await;
    let mut byte = [0];
    let read = loop {
        third.readable().await.unwrap();
        match third.try_read(&mut byte) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => break other,
        }
    };
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    assert_eq!((quick(&first).await, quick(&second).await), (allowed(), allowed()));
    drop(first);
    server.until("one has gone", |status| level(&status.connections) == 1).await;
    assert_eq!(quick(&server.channel().await).await, allowed());
}

/// Invariant 2: too much to do is a denial with 503, at once, and not a gRPC error; what is being done goes on.
#[tokio::test]
async fn a_check_over_the_limit_is_denied_at_once() {
    let options = ListenerOptions { concurrent_checks: 1, ..ListenerOptions::default() };
    let server = start(options).await;
    let channel = server.channel().await;
    let busy = channel.clone();
    let waiting = tokio::spawn(async move { slow(&busy, Duration::from_secs(60)).await });
    server.until("one check waits", |status| level(&status.checks) == 1).await;
    assert_eq!(quick(&channel).await, (14, 503, "overloaded".into()));
    assert_eq!(waiting.await.unwrap(), (14, 503, "keys_stale".into()));
    assert_eq!(quick(&channel).await, allowed());
}

/// P15: the answer comes before Envoy gives up, however little time it gives.
#[tokio::test]
async fn a_check_is_denied_before_the_callers_own_timeout() {
    let server = start(ListenerOptions::default()).await;
    let channel = server.channel().await;
    // Our own deadline is a second, so that it is not what ends the wait.
    let answer = slow(&channel, Duration::from_millis(500)).await;
    assert_eq!(answer, (14, 503, "keys_stale".into()));
}

/// The answer to a call with these bytes, on a connection of its own.
async fn raw(server: &Running, body: Vec<u8>) -> CheckResponse {
    let io = TokioIo::new(server.connect().await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post("http://x/envoy.service.auth.v3.Authorization/Check")
        .header("content-type", "application/grpc")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap().get("grpc-status").unwrap(), "0");
    connection.abort();
    CheckResponse::decode(body.to_bytes().slice(5..)).unwrap()
}

fn framed(length: usize, message: Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
    bytes.extend(message);
    bytes
}

/// P17: however large or unreadable a message is, the answer is a denial with its own reason and not a gRPC error.
#[tokio::test]
async fn what_cannot_be_read_is_denied_with_its_reason() {
    let server = start(ListenerOptions::default()).await;
    let open = |body: usize| {
        let message = check("/healthz", &"x".repeat(body)).encode_to_vec();
        framed(message.len(), message)
    };
    let over = MAX_CHECK_REQUEST_BYTES;
    for (body, expected) in [
        (open(over / 2), allowed()),
        (open(over), (7, 403, "request_too_large".into())),
        (open(20 * over), (7, 403, "request_too_large".into())),
        (framed(3, vec![0xff; 3]), (7, 403, "encoding_invalid".into())),
        (framed(4, vec![0; 3]), (7, 403, "encoding_invalid".into())),
        (Vec::new(), (7, 403, "encoding_invalid".into())),
    ] {
        let length = body.len();
        assert_eq!(summary(raw(&server, body).await), expected, "{length} bytes");
    }
}

/// Panics when it is told.
#[derive(Debug)]
struct Broken;

impl Observer for Broken {
    fn observe(&self, _view: &RequestView, _outcome: &Outcome) {
        panic!("the observer is broken");
    }
}

/// Invariant 2, P27: a panic outside of deciding is a denial too, and the connection lives on.
#[tokio::test]
async fn a_panic_while_telling_of_a_decision_is_a_denial() {
    let server = start_with(ListenerOptions::default(), vec![Arc::new(Broken)]).await;
    let mut client = AuthorizationClient::new(server.channel().await);
    for _ in 0..2 {
        let answer = client.check(check("/healthz", "")).await.unwrap().into_inner();
        assert_eq!(summary(answer), (14, 503, String::new()));
    }
    assert_eq!(level(&server.status.accepted), 1);
}

#[tokio::test]
async fn other_calls_are_unimplemented() {
    let server = start(ListenerOptions::default()).await;
    let io = TokioIo::new(server.connect().await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post("http://x/envoy.service.auth.v3.Authorization/Other")
        .body(Full::new(Bytes::new()))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.headers().get("grpc-status").unwrap(), "12");
    connection.abort();
}

/// Not ready, then nobody new, then what was begun is finished, then the end.
#[tokio::test]
async fn serving_ends_in_order_and_loses_no_call() {
    let mut options = ListenerOptions::default();
    options.drain.delay = millis(300);
    let server = start(options).await;
    let channel = server.channel().await;
    let mut health = HealthClient::new(channel.clone());
    let busy = channel.clone();
    let waiting = tokio::spawn(async move { slow(&busy, Duration::from_secs(60)).await });
    server.until("one check waits", |status| level(&status.checks) == 1).await;

    server.stop.send(Stop::Gradual).unwrap();
    while !server.status.draining.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    let told = loop {
        let question = HealthCheckRequest { service: String::new() };
        let told = health.check(question).await.unwrap().into_inner().status();
        if told != ServingStatus::Serving {
            break told;
        }
    };
    assert_eq!(told, ServingStatus::NotServing);
    // During the delay everybody is served, also on new connections.
    let connecting = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    assert_eq!(quick(&connecting.connect().await.unwrap()).await, allowed());

    server.serving.await.unwrap();
    assert_eq!(waiting.await.unwrap(), (14, 503, "keys_stale".into()));
    let refused = TcpStream::connect(server.address.to_string()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(level(&server.status.connections), 0);
}

/// A dead Envoy, as after its machine lost power, sends no end of its connection: it is asked for a sign of life (HTTP/2
/// PING) and dropped without one. One that is only idle answers, and stays.
#[tokio::test]
async fn a_connection_without_a_sign_of_life_is_dropped_and_an_idle_one_is_not() {
    let mut options = ListenerOptions::default();
    options.connections.keep_alive.interval = millis(100);
    options.connections.keep_alive.timeout = millis(200);
    let server = start(options).await;
    let idle = server.channel().await;
    assert_eq!(quick(&idle).await, allowed());
    let dead = server.connect().await.unwrap();
    // The preface and empty settings (RFC 9113 section 3.4), and after that nothing any more.
    dead.writable().await.unwrap();
    dead.try_write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    server.until("both are open", |status| level(&status.connections) == 2).await;
    server.until("the dead one is dropped", |status| level(&status.connections) == 1).await;
    assert_eq!(quick(&idle).await, allowed());
    assert_eq!(level(&server.status.accepted), 2, "on the connection that it had");
    drop(dead);
}

/// A call that does not end, as watching health, does not keep the process.
#[tokio::test]
async fn serving_ends_although_a_call_does_not() {
    let mut options = ListenerOptions::default();
    options.connections.max_age_grace = millis(60_000);
    options.drain.timeout = millis(50);
    let server = start(options).await;
    let mut health = HealthClient::new(server.channel().await);
    let question = HealthCheckRequest { service: String::new() };
    let mut watching = health.watch(question).await.unwrap().into_inner();
    let word = |message: Option<tonic_health::pb::HealthCheckResponse>| message.unwrap().status();
    assert_eq!(word(watching.message().await.unwrap()), ServingStatus::Serving);
    server.stop.send(Stop::Prompt).unwrap();
    assert_eq!(word(watching.message().await.unwrap()), ServingStatus::NotServing);
    server.serving.await.unwrap();
}
