//! Contenders and their turns: ABAB..., so that what disturbs the machine disturbs all of them.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use crate::testbed::client::Client;
use crate::testbed::http1::Request;
use tokio::task::JoinHandle;

use crate::drive::{Caller, Pace, Turn, drive};
use crate::figures::{Figures, Series};
use crate::options::Options;
use crate::process::Server;
use crate::workload::Workload;

/// Pause between two changes that are made while checks go on.
const CHANGE_EVERY: Duration = Duration::from_millis(250);

/// A program that is measured.
pub(crate) struct Contender {
    pub(crate) name: String,
    target: Target,
    /// Whose processor time counts.
    servers: Vec<Arc<Server>>,
    connections: Option<usize>,
    /// A change that goes on all the time in its turns.
    change: Option<Change>,
    /// How many checks it has answered.
    answered: usize,
    pub(crate) closed: Series,
    pub(crate) open: Series,
}

enum Target {
    Grpc(Arc<Workload>),
    Https(Client, Arc<Request>),
}

pub(crate) type Change = Arc<dyn Fn() + Send + Sync>;

/// A change that is made again and again until this value goes.
struct Changing(JoinHandle<()>);

/// So many thousand checks a second one client on one core still sends when they are due.
const MOST_ON_TIME: f64 = 20.0;

/// Gives every contender its turns in a closed loop, and where `open` in an open loop too; the rate of that, if so.
pub(crate) async fn take_turns(
    all: &mut [&mut Contender],
    open: bool,
    options: &Options,
) -> Option<f64> {
    let duration = Duration::from_secs_f64(options.seconds());
    let mut slowest = f64::INFINITY;
    for contender in &mut *all {
        slowest = slowest.min(contender.warm_up(duration, options).await);
    }
    let usual = || (slowest / 2000.0).ceil().min(MOST_ON_TIME) * 1000.0;
    let rate = open.then(|| options.rate.unwrap_or_else(usual));
    for round in 1..=options.rounds() {
        if std::io::stderr().is_terminal() {
            eprint!("\rround {round} of {} ", options.rounds());
        }
        for contender in &mut *all {
            let figures = contender.turn(duration, None, options).await;
            contender.closed.take(figures);
            if let Some(rate) = rate {
                let figures = contender.turn(duration, Some(rate), options).await;
                contender.open.take(figures);
            }
        }
    }
    rate
}

// === impl Contender ===

impl Contender {
    pub(crate) fn grpc(name: &str, server: &Arc<Server>, workload: &Arc<Workload>) -> Self {
        Self::new(name, Target::Grpc(Arc::clone(workload)), vec![Arc::clone(server)])
    }

    /// The first of `servers` is the Envoy that takes the requests.
    pub(crate) fn https(
        name: &str,
        servers: Vec<Arc<Server>>,
        client: Client,
        request: &Arc<Request>,
    ) -> Self {
        Self::new(name, Target::Https(client, Arc::clone(request)), servers)
    }

    fn new(name: &str, target: Target, servers: Vec<Arc<Server>>) -> Self {
        let (closed, open) = (Series::default(), Series::default());
        let name = name.to_owned();
        Self { name, target, servers, connections: None, change: None, answered: 0, closed, open }
    }

    /// With so many connections, whatever the others have.
    pub(crate) fn on_connections(self, connections: usize) -> Self {
        Self { connections: Some(connections), ..self }
    }

    /// With `change` made again and again in its turns.
    pub(crate) fn during(self, change: Change) -> Self {
        Self { change: Some(change), ..self }
    }

    /// Until every check was sent once, so that all is remembered that can be; the checks a second in the end.
    async fn warm_up(&mut self, duration: Duration, options: &Options) -> f64 {
        let duration = duration.min(Duration::from_millis(500));
        let all = match &self.target {
            Target::Grpc(workload) => workload.len(),
            Target::Https(..) => 1,
        };
        loop {
            let figures = self.turn(duration, None, options).await;
            if self.answered >= all {
                return figures.per_second;
            }
        }
    }

    async fn turn(&mut self, duration: Duration, rate: Option<f64>, options: &Options) -> Figures {
        let callers = self.callers(options).await;
        let changing = self.change.clone().map(Changing::start);
        let before = self.processor_seconds();
        let turn: Turn = drive(callers, Pace { duration, rate, first: self.answered }).await;
        let used = self.processor_seconds() - before;
        drop(changing);
        self.answered = self.answered.wrapping_add(usize::try_from(turn.answers).unwrap());
        Figures::of(&self.name, &turn, used)
    }

    async fn callers(&self, options: &Options) -> Vec<Caller> {
        let mut callers = Vec::new();
        match &self.target {
            Target::Grpc(workload) => {
                let server = self.servers.first().unwrap();
                let connections = self.connections.unwrap_or(options.connections);
                // As many checks in flight however many connections there are.
                let streams = (options.connections * options.streams()).div_ceil(connections);
                for _ in 0..connections {
                    callers.extend(Caller::grpc(server.address, workload, streams).await);
                }
            }
            Target::Https(client, request) => {
                for _ in 0..options.streams() {
                    callers.push(Caller::https(client, request).await);
                }
            }
        }
        callers
    }

    fn processor_seconds(&self) -> f64 {
        self.servers.iter().map(|server| server.processor_seconds()).sum()
    }
}

// === impl Changing ===

impl Changing {
    fn start(change: Change) -> Self {
        Self(tokio::spawn(async move {
            loop {
                change();
                tokio::time::sleep(CHANGE_EVERY).await;
            }
        }))
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        self.0.abort();
    }
}
