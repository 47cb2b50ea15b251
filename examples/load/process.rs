//! The servers that are measured, each a process of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::testbed::Folder;
use crate::testbed::envoy::{Bootstrap, Envoy, EnvoyBinary};
use crate::testbed::http1::{Connection, Request};
use countersign::clock::Stopwatch;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::cores::{Cores, Room};
use crate::programs;

/// How often a server is looked at while it starts or reloads.
const PAUSE: Duration = Duration::from_millis(1);
/// The same while checks go on, which a look delays too.
const PAUSE_WHILE_SERVING: Duration = Duration::from_millis(10);
/// Longest wait for it.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A server under load. It ends when this value goes.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The address at which countersign's operators reach it.
    admin: Option<SocketAddr>,
    running: Running,
    /// From its start to its being ready.
    pub(crate) ready_after: Duration,
}

/// Longest wait for its end.
const END_WITHIN: Duration = Duration::from_secs(10);

/// A server that allows everything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Empty<'a> {
    /// With the empty answer, and the allocator that a Rust program has that says nothing about it.
    Usual,
    /// The same with the allocator of the shipped binary.
    OurAllocator,
    /// As usual, with the answer in this file.
    Answering(&'a Path),
}

enum Running {
    Own(Child),
    Envoy(Envoy, #[expect(dead_code, reason = "goes with the Envoy that uses it")] Folder),
}

// === impl Running ===

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Own(child) = self {
            end(child);
        }
    }
}

/// Asks a server to end, as an orchestrator does: what one that is built to be profiled has counted, it writes in the end.
/// One that does not is killed.
fn end(child: &mut Child) {
    let Some(id) = child.id() else { return };
    // One that is gone needs no asking.
    let _ = std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status();
    let watch = Stopwatch::start();
    while matches!(child.try_wait(), Ok(None)) && watch.elapsed() < END_WITHIN {
        std::thread::park_timeout(PAUSE);
    }
}

// === impl Server ===

impl Server {
    /// The always-allow server.
    pub(crate) async fn always_allow(cores: Cores, kind: Empty<'_>) -> Self {
        let address = free_address().await;
        let (program, role, answer) = match kind {
            Empty::Usual => (programs::always_allow(), None, None),
            Empty::OurAllocator => (programs::own(), Some("always-allow"), None),
            Empty::Answering(file) => (programs::always_allow(), None, Some(file)),
        };
        let mut command = cores.server(program.as_os_str(), Room::One);
        command.args(role).arg(address.to_string()).args(answer);
        Self::start(command, address, None, async || TcpStream::connect(address).await.is_ok())
            .await
    }

    /// The countersign `build` on `settings` in `folder`, where `${PORT}` and `${ADMIN_PORT}` are still to be filled in.
    pub(crate) async fn countersign(
        build: &Path,
        (cores, room): (Cores, Room),
        folder: &Folder,
        settings: &str,
    ) -> Self {
        let (address, admin) = (free_address().await, free_address().await);
        let settings = settings
            .replace("${PORT}", &address.port().to_string())
            .replace("${ADMIN_PORT}", &admin.port().to_string());
        let file = format!("countersign-{}.yaml", address.port());
        folder.write(&file, settings).unwrap();
        let build = std::path::absolute(build).unwrap();
        let mut command = cores.server(build.as_os_str(), room);
        command.args(["serve", "--config", &file]).current_dir(folder.path());
        Self::start(command, address, Some(admin), async || ask(admin, "/readyz").await.is_some())
            .await
    }

    /// An Envoy with one worker.
    pub(crate) async fn envoy(cores: Cores, binary: &EnvoyBinary, bootstrap: &Bootstrap) -> Self {
        let folder = Folder::temporary().unwrap();
        let watch = Stopwatch::start();
        let envoy = Envoy::start(binary, bootstrap, &folder)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        cores.take_in(envoy.id().unwrap());
        let (address, ready_after) = (envoy.listener(), watch.elapsed());
        Self { address, admin: None, running: Running::Envoy(envoy, folder), ready_after }
    }

    async fn start(
        mut command: Command,
        address: SocketAddr,
        admin: Option<SocketAddr>,
        mut ready: impl AsyncFnMut() -> bool,
    ) -> Self {
        let watch = Stopwatch::start();
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        while !ready().await {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended with {status}");
            }
            assert!(watch.elapsed() < READY_WITHIN, "the server is not ready in {READY_WITHIN:?}");
            tokio::time::sleep(PAUSE).await;
        }
        Self { address, admin, running: Running::Own(child), ready_after: watch.elapsed() }
    }

    /// Waits until countersign has put `count` sets of documents in force since its start.
    pub(crate) async fn reloaded(&self, count: u64) {
        let watch = Stopwatch::start();
        loop {
            let page = ask(self.admin.unwrap(), "/metrics").await.unwrap_or_default();
            let page = String::from_utf8(page).unwrap();
            let mut lines = page.lines();
            let applied =
                lines.find_map(|line| line.strip_prefix("countersign_reloads_applied_total "));
            if applied.is_some_and(|applied| applied.parse::<u64>().unwrap() >= count) {
                return;
            }
            assert!(watch.elapsed() < READY_WITHIN, "no reload in {READY_WITHIN:?}");
            tokio::time::sleep(PAUSE_WHILE_SERVING).await;
        }
    }

    /// The processor time it has used so far, in seconds.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let stat = self.proc_file("stat");
        // The name, in parentheses, may hold spaces; user and system time are the 12th and 13th field after it.
        let after_name = stat.rsplit_once(") ").unwrap().1;
        let ticks: f64 =
            after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum();
        // `USER_HZ` is 100 on every Linux that Rust knows.
        ticks / 100.0
    }

    /// The memory it holds, in MB.
    pub(crate) fn resident_megabytes(&self) -> f64 {
        let status = self.proc_file("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
    }

    fn proc_file(&self, name: &str) -> String {
        let id = match &self.running {
            Running::Own(child) => child.id(),
            Running::Envoy(envoy, _) => envoy.id(),
        };
        std::fs::read_to_string(format!("/proc/{}/{name}", id.unwrap())).unwrap()
    }
}

async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// The page of an admin listener, if the answer is 200.
async fn ask(admin: SocketAddr, page: &str) -> Option<Vec<u8>> {
    let stream = TcpStream::connect(admin).await.ok()?;
    let answer = Connection::new(stream).send(&Request::get("load", page)).await.ok()?;
    (answer.status == 200).then_some(answer.body)
}
