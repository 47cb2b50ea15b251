//! countersign itself, as its own process: the same executable that plays the demo.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;
use tokio::process::Command;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::process::Process;
use super::{DemoError, Folder};

const CONFIG: &str = include_str!("documents/countersign.yaml");

/// What the demo's countersign decides by: names in the folder `policies` and their contents.
pub const DOCUMENTS: [(&str, &str); 3] = [
    ("policies/trust-domain.yaml", include_str!("documents/trust-domain.yaml")),
    ("policies/token-issuer.yaml", include_str!("documents/token-issuer.yaml")),
    ("policies/orders.yaml", include_str!("documents/orders.yaml")),
];

/// A running `countersign serve`. It is killed when this value goes.
#[derive(Debug)]
pub struct Server {
    process: Process,
    address: SocketAddr,
}

// === impl Server ===

impl Server {
    /// Writes settings and documents to `folder`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn configure(folder: &Folder, address: SocketAddr) -> Result<(), DemoError> {
        for (name, text) in DOCUMENTS {
            folder.write(name, text)?;
        }
        let port = address.port().to_string();
        folder.write("countersign.yaml", CONFIG.replace("${PORT}", &port))?;
        Ok(())
    }

    /// Starts `program serve` on the settings in `folder` and waits until it says that it serves.
    ///
    /// # Errors
    /// It cannot be started, refuses its settings or does not become ready.
    pub async fn start(
        program: &Path,
        folder: &Folder,
        address: SocketAddr,
    ) -> Result<Self, DemoError> {
        let mut command = Command::new(program);
        command.args(["serve", "--config", "countersign.yaml"]).current_dir(folder.path());
        let log = folder.join("countersign.log");
        let mut process = Process::start("countersign", command, log)?;
        process.ready(async || serves(address).await.then_some(())).await?;
        Ok(Self { process, address })
    }

    /// Where it answers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number the operating system knows it by, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Where everything it says goes.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.process.log().to_owned()
    }

    /// Ends it and waits until it is gone.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn stop(self) -> Result<(), DemoError> {
        self.process.stop().await
    }
}

/// An address of the loopback interface that nobody listens on.
///
/// # Errors
/// There is none.
pub async fn free_address() -> Result<SocketAddr, DemoError> {
    let failed = "cannot find a free port on 127.0.0.1";
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(DemoError::network(failed))?;
    listener.local_addr().map_err(DemoError::network(failed))
}

/// Whether countersign says at `address` that it serves (gRPC health checking protocol).
async fn serves(address: SocketAddr) -> bool {
    let Ok(endpoint) = Endpoint::from_shared(format!("http://{address}")) else { return false };
    let Ok(channel) = endpoint.connect().await else { return false };
    let everything = HealthCheckRequest { service: String::new() };
    match HealthClient::new(channel).check(everything).await {
        Ok(answer) => answer.into_inner().status() == ServingStatus::Serving,
        Err(_) => false,
    }
}
