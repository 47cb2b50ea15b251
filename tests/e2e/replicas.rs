//! Several countersigns behind one Envoy: one goes, and no caller notices; one is killed, and nothing passes that must not;
//! one is added, and gets its share.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::testbed::client::Client;
use crate::testbed::envoy::{Bootstrap, Envoy};
use crate::testbed::http1::{Connection, Request};
use crate::testbed::mint::{Issuer, Tokens};
use crate::testbed::pki::HOST;
use crate::testbed::server::{Addresses, Server};
use crate::testbed::upstream::Upstream;
use crate::testbed::{Folder, Pki};
use countersign::clock::{Clock as _, Stopwatch, SystemClock};
use tokio::net::{TcpListener, TcpStream};

use crate::envoy;
use crate::listeners::settings;
use crate::load::Load;
use crate::stopping::signal;

/// The lines that the docs say to add to the cluster, faster.
const HEALTH_CHECKS: &str = "    - name: countersign
      type: STATIC
      health_checks:
        - timeout: 1s
          interval: 0.1s
          no_traffic_interval: 0.1s
          unhealthy_threshold: 1
          healthy_threshold: 1
          grpc_health_check: { service_name: envoy.service.auth.v3.Authorization }
      outlier_detection:
        consecutive_gateway_failure: 1
        enforcing_consecutive_gateway_failure: 100
        interval: 1s
        base_ejection_time: 5s
        max_ejection_percent: 50
";
const CLUSTER: &str = "    - name: countersign\n      type: STATIC\n";
const ENDPOINT: &str = "socket_address: { address: 127.0.0.1, port_value: ${COUNTERSIGN_PORT} }";

/// One process with a folder of its own.
struct Replica {
    _folder: Folder,
    addresses: Addresses,
    server: Option<Server>,
}

struct House {
    pki: Pki,
    issuer: Issuer,
    tokens: Tokens,
    upstream: Upstream,
}

impl House {
    async fn new() -> Self {
        let now = SystemClock.now();
        let pki = Pki::new(now).unwrap();
        let issuer = Issuer::new(now).unwrap();
        let tokens = issuer.tokens(&pki).unwrap();
        Self { pki, issuer, tokens, upstream: Upstream::start().await.unwrap() }
    }

    /// A replica with `listener` added to its settings.
    async fn replica(&self, listener: &str) -> Replica {
        let folder = Folder::temporary().unwrap();
        self.pki.write(&folder).unwrap();
        folder.write("keys/corp.jwks.json", self.issuer.key_set().unwrap()).unwrap();
        let addresses = Addresses::free().unwrap();
        let address = "address: 127.0.0.1:${PORT}\n";
        let changed = settings(address, &format!("{address}{listener}"));
        Server::configure(&folder, addresses, &[changed]).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
        let server = Server::start(program, &folder, addresses).await.unwrap();
        Replica { _folder: folder, addresses, server: Some(server) }
    }

    /// An Envoy that asks `checks`, all of them in one cluster.
    async fn envoy(&self, folder: &Folder, checks: &[SocketAddr], cluster: &str) -> Option<Envoy> {
        let binary = envoy::find()?;
        self.pki.write(folder).unwrap();
        let (first, others) = checks.split_first().unwrap();
        let mut endpoints = ENDPOINT.to_owned();
        for other in others {
            let port = other.port();
            endpoints.push_str(&format!("\n              - endpoint:\n                  address:\n                    socket_address: {{ address: 127.0.0.1, port_value: {port} }}"));
        }
        // The test ends with the process.
        let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let bootstrap = Bootstrap::sidecar_mtls(folder, *first, self.upstream.address())
            .vary(" timeout: 0.25s", " timeout: 5s")
            .vary(CLUSTER, leak(cluster.to_owned()))
            .vary(ENDPOINT, leak(endpoints));
        Some(Envoy::start(&binary, &bootstrap, folder).await.unwrap())
    }

    fn client(&self, envoy: &Envoy) -> Client {
        Client::new(envoy.listener(), self.pki.ca().der(), Some(&self.pki.frontend)).unwrap()
    }

    fn allowed(&self) -> Request {
        Request::get(HOST, "/v1/orders").bearer(&self.tokens.bearer)
    }
}

impl Replica {
    /// How many decisions it has made.
    async fn decisions(&self) -> u64 {
        let page = get(self.addresses.admin, "/metrics").await;
        let lines = page.lines().filter(|line| line.starts_with("countersign_decisions_total"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    fn signal(&self, name: &str) {
        signal(name, self.server.as_ref().unwrap().id().unwrap());
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let answer = Connection::new(stream).send(&Request::get("admin", path)).await.unwrap();
    answer.text()
}

/// Waits until `holds`.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let watch = Stopwatch::start();
    while !holds().await {
        assert!(watch.elapsed() < Duration::from_secs(60), "{what} does not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until some requests more were answered.
async fn some_more(load: &Load, requests: u64) {
    let before = load.sent();
    until("load", async || load.sent() > before + requests).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_replicas_is_stopped_under_load_and_no_request_fails() {
    let Some(_) = envoy::find() else { return };
    let (house, folder) = (House::new().await, Folder::temporary().unwrap());
    let drain = "  drain: { delay: 1s }\n";
    let mut going = house.replica(drain).await;
    let staying = house.replica(drain).await;
    let checks = [going.addresses.checks, staying.addresses.checks];
    let envoy = house.envoy(&folder, &checks, HEALTH_CHECKS).await.unwrap();
    let load = Load::start(&house.client(&envoy), &house.allowed());
    until("both decide", async || going.decisions().await > 0 && staying.decisions().await > 0)
        .await;

    going.signal("TERM");
    let ended = going.server.take().unwrap().ended().await.unwrap();
    assert_eq!(ended.code(), Some(0));
    some_more(&load, 50).await;
    let (sent, failed) = load.stop().await;
    assert_eq!(failed, [0u16; 0], "of {sent} requests");
    envoy.stop().await.unwrap();
}

/// Without warning: until Envoy has noticed, requests may be refused; nothing is ever allowed that must not be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_replicas_is_killed_under_load() {
    let Some(_) = envoy::find() else { return };
    let (house, folder) = (House::new().await, Folder::temporary().unwrap());
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(house.replica("").await);
    }
    let checks: Vec<_> = replicas.iter().map(|replica| replica.addresses.checks).collect();
    let envoy = house.envoy(&folder, &checks, HEALTH_CHECKS).await.unwrap();
    let client = house.client(&envoy);
    // The frontend's token is bound to its certificate: in the hands of another workload nothing is allowed.
    let thief =
        Client::new(envoy.listener(), house.pki.ca().der(), Some(&house.pki.reports)).unwrap();
    let stolen = Request::get(HOST, "/v1/orders/42").bearer(&house.tokens.bound);
    let (load, hostile) = (Load::start(&client, &house.allowed()), Load::start(&thief, &stolen));
    for replica in &replicas {
        until("all decide", async || replica.decisions().await > 0).await;
    }

    let killed = replicas.remove(0);
    killed.signal("KILL");
    let ended = killed.server.unwrap().ended().await.unwrap();
    assert_eq!(ended.code(), None, "killed");
    let gone = format!("{}::health_flags::/failed", checks[0]);
    until("Envoy has noticed", async || get(envoy.admin, "/clusters").await.contains(&gone)).await;
    let (_, during) = load.stop().await;
    assert!(during.iter().all(|status| [403, 503].contains(status)), "{during:?}");

    let after = Load::start(&client, &house.allowed());
    some_more(&after, 100).await;
    let (sent, failed) = after.stop().await;
    assert_eq!(failed, [0u16; 0], "of {sent} requests after Envoy had noticed");
    let (sent, refused) = hostile.stop().await;
    assert_eq!(u64::try_from(refused.len()).unwrap(), sent, "nothing was wrongly allowed");
    envoy.stop().await.unwrap();
}

/// As a service address does: one connection to each of `targets` in turn.
async fn balance(listener: TcpListener, targets: Arc<Mutex<Vec<SocketAddr>>>) {
    let turn = AtomicUsize::new(0);
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let target = {
            let targets = targets.lock().unwrap();
            targets[turn.fetch_add(1, Ordering::SeqCst) % targets.len()]
        };
        tokio::spawn(async move {
            let mut server = TcpStream::connect(target).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

async fn decisions(replicas: &[Replica]) -> Vec<u64> {
    let mut counts = Vec::new();
    for replica in replicas {
        counts.push(replica.decisions().await);
    }
    counts
}

/// Behind one address, as a Kubernetes service is, Envoy would keep its connection to the first replica forever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ageing_connections_even_the_load_over_replicas_that_were_added() {
    let Some(_) = envoy::find() else { return };
    let (house, folder) = (House::new().await, Folder::temporary().unwrap());
    let aged = "  connections: { maxAge: 200ms }\n";
    let replicas =
        [house.replica(aged).await, house.replica(aged).await, house.replica(aged).await];
    let all: Vec<_> = replicas.iter().map(|replica| replica.addresses.checks).collect();
    let targets = Arc::new(Mutex::new(vec![all[0]]));
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = service.local_addr().unwrap();
    let balancing = tokio::spawn(balance(service, Arc::clone(&targets)));
    let envoy = house.envoy(&folder, &[address], CLUSTER).await.unwrap();
    let load = Load::start(&house.client(&envoy), &house.allowed());
    some_more(&load, 20).await;

    targets.lock().unwrap().clone_from(&all);
    until("all decide", async || replicas[2].decisions().await > 0).await;
    let before = decisions(&replicas).await;
    // How fast requests come varies with what else this machine does, so shares are even after enough turns, not after
    // a certain number. Without ageing they never are: the first replica has everything.
    let mut shares = Vec::new();
    until("an even load", async || {
        let after = decisions(&replicas).await;
        shares = after.iter().zip(&before).map(|(after, before)| after - before).collect();
        let total: u64 = shares.iter().sum();
        let even = |share: &u64| (share * 3).abs_diff(total) * 100 <= total * 15;
        total > 1000 && shares.iter().all(even)
    })
    .await;
    let (sent, failed) = load.stop().await;
    assert_eq!(failed, [0u16; 0], "of {sent} requests, shared as {shares:?}");
    balancing.abort();
    envoy.stop().await.unwrap();
}
