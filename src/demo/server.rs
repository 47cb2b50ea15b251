//! countersign itself, as its own process: the same executable that plays the demo.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use tokio::net::TcpStream;
use tokio::process::Command;

use super::http1::{Connection, Request};
use super::ports::free_port;
use super::process::Process;
use super::{DemoError, Folder};
use countersign::secret::Fingerprint;

/// The name of the settings in their folder.
pub(crate) const SETTINGS: &str = "countersign.yaml";

/// The demo's files of settings and documents: names in its folder, and contents with `${PORT}` and `${ADMIN_PORT}`.
pub(crate) const FILES: [(&str, &str); 4] = [
    (SETTINGS, include_str!("documents/countersign.yaml")),
    ("policies/trust-domain.yaml", include_str!("documents/trust-domain.yaml")),
    ("policies/token-issuer.yaml", include_str!("documents/token-issuer.yaml")),
    ("policies/orders.yaml", include_str!("documents/orders.yaml")),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) checks: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// A running `countersign serve`. It is killed when this value goes.
#[derive(Debug)]
pub(crate) struct Server {
    process: Process,
}

impl Addresses {
    /// Two free addresses of the loopback interface.
    pub(crate) fn free() -> Result<Self, DemoError> {
        let free = || -> Result<SocketAddr, DemoError> {
            let failed = DemoError::network("cannot find a free port on 127.0.0.1");
            Ok((Ipv4Addr::LOCALHOST, free_port().map_err(failed)?).into())
        };
        Ok(Self { checks: free()?, admin: free()? })
    }

    /// `text` with its `${PORT}` and `${ADMIN_PORT}`.
    fn fill(self, text: &str) -> String {
        text.replace("${PORT}", &self.checks.port().to_string())
            .replace("${ADMIN_PORT}", &self.admin.port().to_string())
    }
}

impl Server {
    /// Writes the demo's settings and documents to `folder`, with those of `instead` in place of the ones of the same name.
    pub(crate) fn configure(
        folder: &Folder,
        addresses: Addresses,
        instead: &[(&'static str, String)],
    ) -> Result<(), DemoError> {
        folder.write("admin.token", Fingerprint::random().to_hex())?;
        let instead = instead.iter().map(|(name, text)| (*name, text.as_str()));
        for (name, text) in FILES.into_iter().chain(instead) {
            folder.write(name, addresses.fill(text))?;
        }
        Ok(())
    }

    /// Starts `program serve` on the settings in `folder` and waits until it says that it is ready.
    pub(crate) async fn start(
        program: &Path,
        folder: &Folder,
        addresses: Addresses,
    ) -> Result<Self, DemoError> {
        let log = folder.join("countersign.log");
        let process = start(program, folder.path(), addresses.admin, log).await?;
        Ok(Self { process })
    }

    /// The number the operating system knows it by, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits until it ends by itself, as after a signal, and says how.
    pub(crate) async fn ended(self) -> Result<ExitStatus, DemoError> {
        self.process.ended().await
    }

    pub(crate) async fn stop(self) -> Result<(), DemoError> {
        self.process.stop().await
    }
}

/// Starts `program serve` on the settings in `folder` and waits until it answers operators at `admin` that it is ready.
pub(crate) async fn start(
    program: &Path,
    folder: &Path,
    admin: SocketAddr,
    log: PathBuf,
) -> Result<Process, DemoError> {
    let mut command = Command::new(program);
    command.args(["serve", "--config", SETTINGS]).current_dir(folder);
    let mut process = Process::start("countersign", command, log)?;
    process.ready(async || is_ready(admin).await.then_some(())).await?;
    Ok(process)
}

/// True if the server at this address of operators answers that it is ready.
async fn is_ready(admin: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(admin).await else { return false };
    let answer = Connection::new(stream).send(&Request::get("countersign", "/readyz")).await;
    answer.is_ok_and(|answer| answer.status == 200)
}
