//! A whole server on loopback: limits on connections and calls, ages, and an end in order.

mod bounds;
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
        .at_most(options.concurrent_checks)
        .shown(options.shown_headers);
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

    async fn connect(&self) -> io::Result<TcpStream> {
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

/// Panics on demand.
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

/// Not ready, then no new connections, then checks in flight are finished, then the end.
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
    let status = loop {
        let question = HealthCheckRequest { service: String::new() };
        let status = health.check(question).await.unwrap().into_inner().status();
        if status != ServingStatus::Serving {
            break status;
        }
    };
    assert_eq!(status, ServingStatus::NotServing);
    // During the delay every client is served, also on new connections.
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

/// A frame on `stream`.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// The headers of a check with this `:authority`: a literal each, none of them remembered.
fn fields(authority: &str) -> Vec<u8> {
    let path = "/envoy.service.auth.v3.Authorization/Check";
    let mut fields = vec![0x83, 0x86];
    for (name, value) in [(1, authority), (4, path)] {
        fields.extend([0x40 | name, u8::try_from(value.len()).unwrap()]);
        fields.extend(value.as_bytes());
    }
    fields
}

/// The kinds, flags and payloads of the frames that come after `sent`, up to the first of `last`.
async fn frames_after(server: &Running, sent: Vec<u8>, last: u8) -> Vec<(u8, u8, Vec<u8>)> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let stream = server.connect().await.unwrap();
    let (mut read, mut write) = stream.into_split();
    tokio::spawn(async move {
        let start =
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, b""), &sent].concat();
        // The server may end the connection while this is being written.
        let _ = write.write_all(&start).await;
        std::future::pending::<()>().await;
    });
    let mut frames = Vec::new();
    loop {
        let mut header = [0; 9];
        if read.read_exact(&mut header).await.is_err() {
            return frames;
        }
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        read.read_exact(&mut payload).await.unwrap();
        frames.push((header[3], header[4], payload));
        if header[3] == last {
            return frames;
        }
    }
}

/// P161: Envoy's own names of clusters are no authorities of URIs, and their calls are answered all the same.
#[tokio::test]
async fn a_call_is_answered_whatever_its_authority() {
    let server = start(ListenerOptions::default()).await;
    let message = check("/healthz", "").encode_to_vec();
    let body = framed(message.len(), message);
    for authority in [
        "auth|countersign",
        "outbound|9001||countersign.auth.svc.cluster.local",
        "securitypolicy/shop/countersign/extauth/0",
        "a@",
        "[",
        "a:b:c",
        "%",
        "{}",
        "countersign",
    ] {
        let call = [frame(1, 4, 1, &fields(authority)), frame(0, 1, 1, &body)].concat();
        let frames = frames_after(&server, call, 0).await;
        let (_, _, answer) = frames.last().unwrap();
        assert!(answer.len() > 5, "{authority}: {frames:?}");
        let answer = CheckResponse::decode(&answer[5..]).unwrap();
        assert_eq!(summary(answer), allowed(), "{authority}");
    }
    // Nothing can be written where there is no room: this one is refused, and counted.
    let call = [frame(1, 4, 1, &fields("")), frame(0, 1, 1, &body)].concat();
    let frames = frames_after(&server, call, 3).await;
    assert_eq!(frames.last().map(|frame| frame.0), Some(3), "{frames:?}");
    assert_eq!((level(&server.status.reset), level(&server.status.broken)), (1, 0));
}

/// P162: callers that go away end their own calls, and not the connection that all others come on.
#[tokio::test]
async fn calls_that_are_given_up_do_not_end_their_connection() {
    let server = start(ListenerOptions::default()).await;
    let calls: Vec<u8> = (0..2000)
        .map(|call| 2 * call + 1)
        .flat_map(|id| [frame(1, 4, id, &fields("a")), frame(3, 0, id, &[0, 0, 0, 8])].concat())
        .collect();
    let ping = frame(6, 0, 0, b"12345678");
    let frames = frames_after(&server, [calls, ping].concat(), 6).await;
    assert!(!frames.iter().any(|(kind, ..)| *kind == 7), "{frames:?}");
    assert_eq!(frames.last().map(|(kind, ..)| *kind), Some(6), "the connection still answers");
    assert_eq!(level(&server.status.broken), 0);
}

/// P160: with tracing, Envoy copies the caller's headers into the call. As many as Envoy can be set to take are no reason to
/// refuse it.
#[tokio::test]
async fn a_call_is_answered_however_much_metadata_it_has() {
    let server = start(ListenerOptions::default()).await;
    let message = check("/healthz", "").encode_to_vec();
    for (entries, bytes) in [(1, 17 << 10), (1, 60 << 10), (8, 1 << 20), (1000, 64)] {
        let io = TokioIo::new(server.connect().await.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut request = http::Request::post("http://x/envoy.service.auth.v3.Authorization/Check")
            .header("grpc-timeout", "nonsense")
            .header("content-type", "application/grpc+proto")
            .header("grpc-encoding", "gzip");
        for entry in 0..entries {
            request = request.header(format!("x-{entry}"), "a".repeat(bytes));
        }
        let body = Full::new(Bytes::from(framed(message.len(), message.clone())));
        let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200, "{entries} of {bytes}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let answer = CheckResponse::decode(body.slice(5..)).unwrap();
        assert_eq!(summary(answer), allowed(), "{entries} of {bytes}");
        connection.abort();
    }
    assert_eq!((level(&server.status.reset), level(&server.status.broken)), (0, 0));
}
