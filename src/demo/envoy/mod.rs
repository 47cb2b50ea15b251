//! A real Envoy: configuring it with the shipped file, running it.

pub(crate) mod bootstrap;

use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::process::Command;

pub(crate) use bootstrap::Bootstrap;

use super::envoy_binary::EnvoyBinary;
use super::http1::{Connection, Request, Response};
use super::process::Process;
use super::{DemoError, Folder};

/// A running Envoy. It is killed when this value goes.
#[derive(Debug)]
pub(crate) struct Envoy {
    process: Process,
    pub(crate) admin: SocketAddr,
    listener: SocketAddr,
}

/// The part of `/listeners?format=json` that says which ports Envoy chose.
#[derive(Deserialize)]
struct Listeners {
    listener_statuses: Vec<EnvoyListenerStatus>,
}

#[derive(Deserialize)]
struct EnvoyListenerStatus {
    local_address: Address,
}

#[derive(Deserialize)]
struct Address {
    /// Listeners that only Envoy itself can reach have none.
    socket_address: Option<SocketAddress>,
}

#[derive(Deserialize)]
struct SocketAddress {
    address: std::net::IpAddr,
    port_value: u16,
}

impl Envoy {
    /// Writes `bootstrap` to `folder`, starts Envoy with it and waits until it takes connections.
    pub(crate) async fn start(
        binary: &EnvoyBinary,
        bootstrap: &Bootstrap,
        folder: &Folder,
    ) -> Result<Self, DemoError> {
        let config = folder.write("envoy/envoy.yaml", bootstrap.render()?)?;
        // Envoy chooses free ports by itself (port 0), so none can be taken between choosing and using it.
        let admin_file = folder.join("envoy/admin-address");
        let mut command = command(binary, &config, &admin_file);
        command.current_dir(folder.path()).args(["--log-level", "info"]);
        let mut process = Process::start("Envoy", command, folder.join("envoy/envoy.log"))?;
        let (admin, listener) = process.ready(async || addresses(&admin_file).await).await?;
        Ok(Self { process, admin, listener })
    }

    /// The address at which it takes requests.
    pub(crate) const fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// The number the operating system knows it by, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    pub(crate) async fn stop(self) -> Result<(), DemoError> {
        self.process.stop().await
    }
}

/// Runs Envoy with the configuration in `config`; it writes the address of its administration interface to `admin_file`.
pub(crate) fn command(binary: &EnvoyBinary, config: &Path, admin_file: &Path) -> Command {
    // A file of an Envoy before says nothing about this one.
    let _ = std::fs::remove_file(admin_file);
    let mut command = Command::new(binary.program());
    command.arg("--config-path").arg(config).arg("--admin-address-path").arg(admin_file);
    // One worker is enough, and hot restart would use shared memory in common with other Envoys of this machine.
    command.args(["--concurrency", "1", "--disable-hot-restart"]);
    command
}

/// True if the Envoy that wrote this file of its administration interface's address is ready.
pub(crate) async fn is_ready(admin_file: &Path) -> bool {
    admin(admin_file).await.is_some()
}

/// The address of the administration interface, once Envoy is ready.
async fn admin(admin_file: &Path) -> Option<SocketAddr> {
    let admin: SocketAddr = std::fs::read_to_string(admin_file).ok()?.trim().parse().ok()?;
    (ask(admin, "/ready").await?.status == 200).then_some(admin)
}

/// The addresses of the administration interface and of the listener, once Envoy is ready.
async fn addresses(admin_file: &Path) -> Option<(SocketAddr, SocketAddr)> {
    let admin = admin(admin_file).await?;
    let listeners = ask(admin, "/listeners?format=json").await?;
    let listeners: Listeners = serde_json::from_slice(&listeners.body).ok()?;
    let statuses = listeners.listener_statuses.into_iter();
    let mut reachable = statuses.filter_map(|listener| listener.local_address.socket_address);
    let (Some(SocketAddress { address, port_value }), None) = (reachable.next(), reachable.next())
    else {
        return None;
    };
    Some((admin, SocketAddr::new(address, port_value)))
}

async fn ask(admin: SocketAddr, path: &str) -> Option<Response> {
    let stream = TcpStream::connect(admin).await.ok()?;
    Connection::new(stream).send(&Request::get("envoy-admin", path)).await.ok()
}
