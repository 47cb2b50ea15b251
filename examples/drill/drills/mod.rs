//! The drills, what each promises, and the ground on which they take place.

mod bystander;
mod callers;
mod listener;
mod machine;
mod neighbours;
mod plan;
mod wire;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bystander::Bystander;
pub(crate) use plan::{CLUSTER, Ground, Plan, TLS};

use crate::testbed::server::Server;
use crate::testbed::{Folder, Stage};

/// Most memory that a server may have in use in any drill: half of what the chart gives it.
const MEMORY_KIB: u64 = 256 * 1024;

/// Envoy waits for as long (`timeout` in `envoy/sidecar-mtls.yaml`).
const PATIENCE: Duration = Duration::from_millis(250);

pub(crate) struct Drill {
    pub(crate) name: &'static str,
    pub(crate) promise: &'static str,
    /// True if the server itself goes, so that requests are denied meanwhile.
    goes: bool,
    pub(crate) run: fn(Ground) -> Running,
}

pub(crate) type Running = Pin<Box<dyn Future<Output = Figures>>>;

/// The results of a drill.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Requests with good credentials.
    pub(crate) sent: u64,
    /// Those that were not allowed: what came instead.
    pub(crate) failed: Vec<String>,
    /// The last answer.
    last: String,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
    /// The most memory that the server had in use.
    pub(crate) memory_kib: u64,
    /// The most descriptors that it had open.
    pub(crate) descriptors: usize,
    /// The extent of the attack: connections, requests, changes.
    pub(crate) did: u64,
    /// True if times say anything.
    timed: bool,
}

/// How much an attack has done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

macro_rules! drills {
    ($($function:path, $name:literal, $promise:literal $(, $goes:ident)?;)+) => {
        pub(crate) const DRILLS: &[Drill] = &[$(Drill {
            name: $name,
            promise: $promise,
            goes: drills!(@ $($goes)?),
            run: |ground| Box::pin($function(ground)),
        },)+];
    };
    (@ goes) => { true };
    (@) => { false };
}

drills! {
    machine::nothing, "quiet", "nothing happens: the figures to compare with";
    listener::silent, "silent connections", "connections that say nothing take no slot of an Envoy's";
    listener::no_handshake, "no handshake", "connections that never shake hands keep no permitted Envoy out";
    listener::slow_bytes, "slow bytes", "a greeting by the byte is given 3 s";
    listener::rapid_resets, "rapid resets", "calls that are reset at once end their connection";
    listener::continuations, "continuations", "a head without an end has a bound";
    listener::settings, "settings and pings", "frames that ask for nothing end their connection";
    listener::empty_frames, "empty data frames", "frames without a byte cost little";
    listener::watchers, "health watchers", "watchers of health have a bound of their own";
    listener::operators, "admin connections", "the admin listener has a bound of its own";
    callers::long_paths, "long paths", "records are cut to their bounds, and bounded in bytes";
    callers::stalled_audit, "long paths, stalled audit", "a sink that takes nothing costs records, not requests";
    callers::forged_tokens, "forged tokens", "a token that does not verify costs one signature check";
    callers::made_up_keys, "made-up key ids", "key ids that no set has cause a fetch in 5 s";
    callers::opaque_tokens, "opaque tokens, 500", "tokens that upset the endpoint keep no other issuer's out";
    callers::stalled_introspection, "opaque tokens, stalled", "an endpoint that stalls delays its own tokens alone";
    callers::hostile_chains, "hostile chains", "a chain costs five failed signature checks at most";
    callers::costly_conditions, "costly conditions", "a condition ends when its steps are used up";
    callers::hang_ups, "hang-ups", "callers that hang up leave nothing behind";
    neighbours::dead_issuer, "issuer down, wrong, slow", "an issuer's trouble is that of its own tokens";
    neighbours::broken_tls, "issuer without TLS", "a server that speaks no TLS is asked again later";
    neighbours::dead_collector, "collector down", "telemetry that goes nowhere is dropped";
    neighbours::dead_redis, "redis away", "requests without one-time credentials need no store";
    neighbours::stalled_redis, "redis stalls", "a store that stalls delays what needs it alone";
    machine::swapped_documents, "documents swapped", "documents that change all the time come into force when they rest";
    machine::broken_documents, "documents broken", "half-written and deleted documents leave the last good ones in force";
    machine::full_disk, "disk full", "an audit file that cannot be written costs records, not requests";
    machine::read_only_state, "state read-only", "a state folder that cannot be written is said, and no more";
    machine::few_descriptors, "few descriptors", "without descriptors for more, those who are connected go on";
    machine::many_connections, "many connections", "connections over the limit are closed";
    machine::busy_neighbour, "busy neighbour", "two busy neighbours on the machine slow requests down, and fail none";
    machine::log_reopened, "log reopened", "SIGHUP opens the audit file again";
    machine::killed, "killed and restarted", "while it is away nothing is allowed, and then everything is again", goes;
}

impl Drill {
    /// True if the server was meant to be away.
    pub(crate) const fn goes(&self) -> bool {
        self.goes
    }
}

impl Figures {
    /// Why the promise of `drill` is not kept.
    pub(crate) fn broken(&self, drill: &Drill) -> Option<String> {
        let Self { sent, failed, last, memory_kib, p50, p99, longest, .. } = self;
        if *sent == 0 {
            return Some("no request was sent".to_owned());
        }
        if drill.goes() {
            let wrong = failed.iter().find(|answer| !matches!(answer.as_str(), "403" | "503"));
            let wrong = wrong.map(|answer| format!("{answer} while it was away"));
            return wrong.or((last != "200").then(|| format!("{last} after it was back")));
        }
        if let Some(first) = failed.first() {
            return Some(format!("{} of {sent} failed, the first one: {first}", failed.len()));
        }
        if *memory_kib > MEMORY_KIB {
            return Some(format!("{memory_kib} KiB of memory"));
        }
        let late = self.timed && *p99 > PATIENCE;
        late.then(|| format!("p99 {p99:?}, with p50 {p50:?} and the longest {longest:?}"))
    }
}

impl Count {
    pub(crate) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn all(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn server_id(stage: &Stage<'_>) -> u32 {
    stage.server.as_ref().and_then(Server::id).unwrap()
}

/// Raises a stage by `plan`, and lets `attack` go on while the bystander asks.
pub(crate) async fn during(
    ground: Ground,
    plan: Plan,
    attack: impl AsyncFnOnce(&mut Stage<'_>, Count),
) -> Figures {
    let folder = Folder::temporary().unwrap();
    let props = plan.props(&ground, &folder);
    let pipe = plan.pipe(&folder);
    let mut stage = Stage::raise(&props, &folder).await.unwrap_or_else(|error| panic!("{error}"));
    let bystander = Bystander::start(&stage).await;
    let watched = bystander.watch_server(server_id(&stage));
    let count = Count::default();
    // An attack without an end is over after the time.
    let _ = tokio::time::timeout(ground.time, attack(&mut stage, count.clone())).await;
    let mut figures = bystander.stop().await;
    (figures.memory_kib, figures.descriptors) = watched.stop().await;
    figures.did = count.all();
    figures.timed = !ground.patient;
    let _ = stage.strike().await;
    drop(pipe);
    figures
}
