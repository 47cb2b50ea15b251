//! Connections that strangers open and do nothing with: they cost slots of their own, for a bounded time, and each address has
//! its share.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::*;
use crate::limits::{
    FIRST_BYTE_TIMEOUT, FIRST_CALL_TIMEOUT, HEALTH_TIMEOUT, MAX_GREETING, MAX_HEALTH_CALLS,
    MAX_HEALTH_WATCHES_PER_ADDRESS,
};

/// The share of one address in the connections that have not said anything yet.
pub(super) const GREETING_OF_ONE: usize = MAX_GREETING / 4;

/// The beginning of HTTP/2, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

impl Running {
    /// A connection from another address of this machine.
    async fn connect_from(&self, address: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        socket.connect(self.address.to_string().parse().unwrap()).await.unwrap()
    }

    /// One that has said that it speaks HTTP/2, and was answered, or was closed.
    async fn greeted_from(&self, address: &str) -> (TcpStream, bool) {
        let mut stream = self.connect_from(address).await;
        let _ = stream.write_all(PREFACE).await;
        let greeted = matches!(stream.read(&mut [0; 9]).await, Ok(1..));
        (stream, greeted)
    }
}

/// Reads to the end, which comes.
async fn ends(stream: &mut TcpStream) {
    // A connection that is reset has ended as well.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// P302: many more connections that say nothing than there may be, from one address: the client beside them, at the same address,
/// connects and is answered.
#[tokio::test]
async fn silent_connections_displace_each_other_and_keep_no_client_out() {
    let server = start(ListenerOptions::default()).await;
    let mut silent = Vec::new();
    for _ in 0..GREETING_OF_ONE + 44 {
        silent.push(server.connect().await.unwrap());
    }
    server.until("the oldest go", |status| level(&status.refused) == 44).await;
    ends(&mut silent[0]).await;
    assert_eq!(quick(&server.channel().await).await, allowed());
    let most = u64::try_from(GREETING_OF_ONE).unwrap();
    assert!(level(&server.status.greeting) <= most, "{:?}", server.status);
    assert_eq!(level(&server.status.connections), 1, "silent ones take no slot of others");
}

/// P302: of the open connections, too, one address has half at most; the other half is for others.
#[tokio::test]
async fn one_address_does_not_open_all_connections_that_there_are() {
    let mut options = ListenerOptions::default();
    options.connections.max = 4;
    let server = start(options).await;
    let mut open = Vec::new();
    for (address, expected) in [
        ("127.0.0.1", true),
        ("127.0.0.1", true),
        ("127.0.0.1", false),
        ("127.0.0.2", true),
        ("127.0.0.3", true),
        ("127.0.0.4", false),
    ] {
        let (stream, greeted) = server.greeted_from(address).await;
        assert_eq!(greeted, expected, "{address}: {:?}", server.status);
        open.push(stream);
    }
    assert_eq!(level(&server.status.refused), 2);
    open.remove(0);
    server.until("one has gone", |status| level(&status.connections) == 3).await;
    assert_eq!(quick(&server.channel().await).await, allowed());
}

/// P302: a connection on which nothing is said ends, and so does one on which little is said and nothing asked.
#[tokio::test(start_paused = true)]
async fn a_connection_without_a_call_ends() {
    let server = start(ListenerOptions::default()).await;
    let begun = tokio::time::Instant::now();
    let mut silent = server.connect().await.unwrap();
    ends(&mut silent).await;
    assert!(begun.elapsed() >= FIRST_BYTE_TIMEOUT && begun.elapsed() < FIRST_CALL_TIMEOUT);
    for said in [&b"P"[..], &PREFACE[..20], PREFACE] {
        let begun = tokio::time::Instant::now();
        let mut idle = server.connect().await.unwrap();
        idle.write_all(said).await.unwrap();
        ends(&mut idle).await;
        assert!(begun.elapsed() >= FIRST_CALL_TIMEOUT, "{said:?}: {:?}", begun.elapsed());
        assert!(begun.elapsed() <= 3 * FIRST_CALL_TIMEOUT, "{said:?}: {:?}", begun.elapsed());
    }
    server.until("all have gone", |status| level(&status.connections) == 0).await;
    // The last one was asked to go, and went.
    assert_eq!(level(&server.status.refused), 3);
}

/// One with calls stays.
#[tokio::test(start_paused = true)]
async fn a_connection_with_a_call_stays() {
    let server = start(ListenerOptions::default()).await;
    let channel = server.channel().await;
    assert_eq!(quick(&channel).await, allowed());
    tokio::time::sleep(3 * FIRST_CALL_TIMEOUT).await;
    assert_eq!(quick(&channel).await, allowed());
    assert_eq!((level(&server.status.accepted), level(&server.status.refused)), (1, 0));
}

/// A watcher of health on `channel`; none where there are too many.
async fn watch(
    channel: &Channel,
) -> Option<tonic::Streaming<tonic_health::pb::HealthCheckResponse>> {
    let question = HealthCheckRequest { service: String::new() };
    match HealthClient::new(channel.clone()).watch(question).await {
        Ok(answer) => Some(answer.into_inner()),
        Err(status) => {
            assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status}");
            None
        }
    }
}

/// P305: however many calls of health a connection makes and however many connections there are, so many watch, and checks and
/// questions about health are answered beside them.
#[tokio::test]
async fn watchers_of_health_are_bounded() {
    let server = start(ListenerOptions::default()).await;
    let mut watching = Vec::new();
    for _ in 0..MAX_HEALTH_WATCHES_PER_ADDRESS / MAX_HEALTH_CALLS {
        let channel = server.channel().await;
        for _ in 0..2 * MAX_HEALTH_CALLS {
            watching.extend(watch(&channel).await.map(|stream| (channel.clone(), stream)));
        }
    }
    assert_eq!(watching.len(), MAX_HEALTH_WATCHES_PER_ADDRESS);
    let channel = server.channel().await;
    assert!(watch(&channel).await.is_none(), "the share of the address is used up");
    let question = HealthCheckRequest { service: String::new() };
    let answer = HealthClient::new(channel.clone()).check(question).await.unwrap().into_inner();
    assert_eq!(answer.status(), ServingStatus::Serving);
    assert_eq!(quick(&watching[0].0).await, allowed());
    // A watcher that goes makes room.
    watching.clear();
    while watch(&channel).await.is_none() {
        tokio::task::yield_now().await;
    }
}

/// P305: a call of health whose message never ends has its end, too.
#[tokio::test(start_paused = true)]
async fn a_call_of_health_that_is_never_complete_ends() {
    let server = start(ListenerOptions::default()).await;
    let io = TokioIo::new(server.connect().await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..2 * MAX_HEALTH_CALLS {
        let body = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<hyper::body::Frame<Bytes>, io::Error>,
        >());
        let request = http::Request::post("http://x/grpc.health.v1.Health/Check")
            .header("content-type", "application/grpc")
            .body(body)
            .unwrap();
        let begun = tokio::time::Instant::now();
        let response = sender.send_request(request).await.unwrap();
        // Of gRPC: 4 is "deadline exceeded".
        assert_eq!(response.headers().get("grpc-status").unwrap(), "4");
        assert!(begun.elapsed() >= HEALTH_TIMEOUT);
    }
    connection.abort();
}
