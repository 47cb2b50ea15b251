//! A caller with good credentials, at a steady rate through Envoy, and a look at the server's memory and descriptors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::clock::Stopwatch;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::client::TlsStream;

use super::Figures;
use crate::testbed::Stage;
use crate::testbed::client::Client;
use crate::testbed::http1::{Connection, Request};
use crate::testbed::pki::HOST;

/// Connections, on each of which a request goes out every [`PAUSE`]: 50 a second.
const CONNECTIONS: usize = 2;
const PAUSE: Duration = Duration::from_millis(40);

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Bystander {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<(Duration, String)>>>,
}

/// The most that a process had in use, in KiB, and open.
pub(super) struct Watched {
    stop: Arc<AtomicBool>,
    task: JoinHandle<(u64, usize)>,
}

impl Bystander {
    /// Each connection has its first answer when this returns: the thread of Envoy that has it is connected to the server, and needs no
    /// connection that the attack may leave none of.
    pub(super) async fn start(stage: &Stage<'_>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let request = Request::get(HOST, "/v1/orders").bearer(&stage.tokens.bearer);
        let mut tasks = Vec::new();
        for _ in 0..CONNECTIONS {
            let client = stage.client(Some(&stage.pki.frontend)).unwrap();
            let mut open = client.connect().await.unwrap();
            let answer = open.send(&request).await.unwrap();
            assert_eq!(answer.status, 200, "before the attack");
            tasks.push(tokio::spawn(ask(client, open, request.clone(), Arc::clone(&stop))));
        }
        Self { tasks, stop }
    }

    pub(super) fn watch_server(&self, id: u32) -> Watched {
        let stop = Arc::clone(&self.stop);
        Watched { task: tokio::spawn(watch(id, Arc::clone(&stop))), stop }
    }

    pub(super) async fn stop(self) -> Figures {
        self.stop.store(true, Ordering::SeqCst);
        let mut answers = Vec::new();
        for task in self.tasks {
            answers.extend(task.await.unwrap());
        }
        let last = answers.last().map(|(_, answer)| answer.clone()).unwrap_or_default();
        answers.sort();
        let at = |share: usize| {
            let last = answers.len().saturating_sub(1);
            answers.get(last.saturating_mul(share) / 100).map_or(Duration::ZERO, |(time, _)| *time)
        };
        Figures {
            sent: u64::try_from(answers.len()).unwrap(),
            p50: at(50),
            p99: at(99),
            longest: at(100),
            failed: answers
                .iter()
                .map(|(_, answer)| answer)
                .filter(|a| *a != "200")
                .cloned()
                .collect(),
            last,
            ..Figures::default()
        }
    }
}

/// Asks until it is stopped: how long each answer took, and its status or what came instead.
async fn ask(
    client: Client,
    first: Connection<TlsStream<TcpStream>>,
    request: Request,
    stop: Arc<AtomicBool>,
) -> Vec<(Duration, String)> {
    let mut answers = Vec::new();
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = Some(first);
    while !stop.load(Ordering::SeqCst) {
        ticks.tick().await;
        let watch = Stopwatch::start();
        let answer = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => client.connect().await?,
            };
            let answer = open.send(&request).await?;
            Ok::<_, std::io::Error>((open, answer.status))
        };
        let answer = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok((open, status))) => {
                connection = Some(open);
                status.to_string()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        answers.push((watch.elapsed(), answer));
    }
    answers
}

impl Watched {
    pub(super) async fn stop(self) -> (u64, usize) {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

async fn watch(id: u32, stop: Arc<AtomicBool>) -> (u64, usize) {
    let (mut memory, mut descriptors) = (0, 0);
    while !stop.load(Ordering::SeqCst) {
        memory = memory.max(memory_kib(id).unwrap_or_default());
        let open = std::fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count);
        descriptors = descriptors.max(open);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (memory, descriptors)
}

/// The memory of a process that could not be read again from files.
fn memory_kib(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
