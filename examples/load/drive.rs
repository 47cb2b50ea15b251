//! The load: checks sent in a closed or an open loop, and what became of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::testbed::client::Client;
use crate::testbed::http1::{Connection, Request};
use bytes::Bytes;
use countersign::clock::Stopwatch;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use crate::workload::{Frame, PREFIX_BYTES, Workload};

/// The results of one turn.
pub(crate) struct Turn {
    /// Answers in all.
    pub(crate) answers: u32,
    /// Answers that were not what they had to be; anything but zero makes the figures worthless.
    pub(crate) wrong: u32,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// Nanoseconds from a check to its answer.
    pub(crate) latency: Histogram<u64>,
}

/// How the checks are sent.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) duration: Duration,
    /// Checks a second, whatever became of those before: an open loop. As fast as the answers come where there is none.
    pub(crate) rate: Option<f64>,
    /// The number of the first check: which part of the workload it is.
    pub(crate) first: usize,
}

/// One that sends a check and waits for its answer.
pub(crate) enum Caller {
    Grpc { sender: SendRequest<Full<Bytes>>, workload: Arc<Workload> },
    Https { connection: Box<Connection<TlsStream<TcpStream>>>, request: Arc<Request> },
}

/// When each check of a turn is due.
struct Schedule {
    watch: Stopwatch,
    pace: Pace,
    every: Option<Duration>,
    /// How many have gone out. Who holds the lock waits for the clock, all others for the lock: one looks at the clock all
    /// the time, since timers have a grain of a millisecond.
    gone: tokio::sync::Mutex<u32>,
}

// === impl Caller ===

impl Caller {
    /// So many callers on one gRPC connection.
    pub(crate) async fn grpc(
        address: SocketAddr,
        workload: &Arc<Workload>,
        streams: usize,
    ) -> Vec<Self> {
        let sender = connect(address).await;
        let caller = || Self::Grpc { sender: sender.clone(), workload: Arc::clone(workload) };
        std::iter::repeat_with(caller).take(streams).collect()
    }

    /// One caller on an HTTPS connection of its own.
    pub(crate) async fn https(client: &Client, request: &Arc<Request>) -> Self {
        let connection = Box::new(client.connect().await.unwrap());
        Self::Https { connection, request: Arc::clone(request) }
    }

    /// True if the answer is what it had to be.
    async fn call(&mut self, number: usize) -> bool {
        match self {
            Self::Grpc { sender, workload } => check(sender, workload.frame(number)).await,
            Self::Https { connection, request } => {
                connection.send(request).await.is_ok_and(|answer| answer.status == 200)
            }
        }
    }
}

/// The message that a server answers one check with.
pub(crate) async fn answer_of(address: SocketAddr, frame: &Frame) -> Bytes {
    let mut body = ask(&mut connect(address).await, frame).await.unwrap();
    body.split_off(PREFIX_BYTES)
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn check(sender: &mut SendRequest<Full<Bytes>>, frame: &Frame) -> bool {
    ask(sender, frame).await.is_some_and(|body| frame.is_answered_by(&body))
}

/// The body of the answer, if there is one.
async fn ask(sender: &mut SendRequest<Full<Bytes>>, frame: &Frame) -> Option<Bytes> {
    let request =
        http::Request::post("http://countersign/envoy.service.auth.v3.Authorization/Check")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::new(frame.bytes.clone()))
            .unwrap();
    let response = sender.send_request(request).await.ok()?;
    Some(response.into_body().collect().await.ok()?.to_bytes())
}

/// Lets `callers` send checks until the turn is over.
pub(crate) async fn drive(callers: Vec<Caller>, pace: Pace) -> Turn {
    let turn = Arc::new(Mutex::new(Turn::empty()));
    let schedule = Arc::new(Schedule::new(pace));
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        let (schedule, turn) = (Arc::clone(&schedule), Arc::clone(&turn));
        tasks.spawn(async move {
            while let Some((number, due)) = schedule.next().await {
                let right = caller.call(number).await;
                let after = schedule.watch.elapsed().saturating_sub(due);
                turn.lock().unwrap().count(right, after);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mut turn = std::mem::replace(&mut *turn.lock().unwrap(), Turn::empty());
    turn.seconds = schedule.watch.elapsed().as_secs_f64();
    turn
}

// === impl Schedule ===

impl Schedule {
    fn new(pace: Pace) -> Self {
        let every = pace.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        Self { watch: Stopwatch::start(), pace, every, gone: tokio::sync::Mutex::new(0) }
    }

    /// The number of the next check and when it was due, from which its latency counts: a server that stalls cannot hide
    /// it by not being asked. `None` where the turn is over.
    async fn next(&self) -> Option<(usize, Duration)> {
        let mut gone = self.gone.lock().await;
        let due = match self.every {
            None => self.watch.elapsed(),
            Some(every) => every * *gone,
        };
        // On a machine that is very busy a short turn would have none at all.
        if due >= self.pace.duration && *gone > 0 {
            return None;
        }
        while self.watch.elapsed() < due {
            tokio::task::yield_now().await;
        }
        let number = self.pace.first.wrapping_add(usize::try_from(*gone).unwrap());
        *gone += 1;
        Some((number, due))
    }
}

// === impl Turn ===

impl Turn {
    fn empty() -> Self {
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        Self { answers: 0, wrong: 0, seconds: 0.0, latency }
    }

    fn count(&mut self, right: bool, after: Duration) {
        self.answers += 1;
        self.wrong += u32::from(!right);
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record(nanos.max(1));
    }
}
