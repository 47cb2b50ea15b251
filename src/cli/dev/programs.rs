//! The two programs of `countersign dev`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::demo::envoy_binary::EnvoyBinary;
use crate::demo::process::{Process, without_quoted_settings};
use crate::demo::{DemoError, envoy, server};

/// Envoy's configuration in the folder.
pub(super) const ENVOY: &str = "envoy.yaml";

/// The folder of logs, which is made where there is none.
pub(super) const LOGS: &str = "dev";
const SERVER_LOG: &str = "dev/countersign.log";
const ENVOY_LOG: &str = "dev/envoy.log";
const ENVOY_ADMIN: &str = "dev/envoy-admin";

/// Both programs, while they run. They are killed when this value goes.
#[derive(Debug)]
pub(super) struct Programs {
    program: PathBuf,
    binary: EnvoyBinary,
    server: Process,
    admin: SocketAddr,
    envoy: Process,
}

impl Programs {
    /// Starts both in the folder that names are relative to, and waits until they are ready.
    pub(super) async fn start(admin: SocketAddr, binary: EnvoyBinary) -> Result<Self, DemoError> {
        let program = std::env::current_exe().map_err(DemoError::Executable)?;
        let server = start_server(&program, admin).await?;
        let envoy = start_envoy(&binary).await?;
        Ok(Self { program, binary, server, admin, envoy })
    }

    /// countersign's own program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The address at which countersign answers operators.
    pub(super) const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A line about each.
    pub(super) fn describe(&self) -> [String; 2] {
        let envoy = self.binary.version();
        [
            format!("countersign  status http://{}/status, log {SERVER_LOG}", self.admin),
            format!("Envoy {envoy}  log {ENVOY_LOG}"),
        ]
    }

    /// # Errors
    /// One of the two has ended.
    pub(super) fn still_run(&mut self) -> Result<(), DemoError> {
        self.server.still_runs()?;
        self.envoy.still_runs()
    }

    /// Stops both and waits until they are gone.
    pub(super) async fn stop(mut self) -> Result<(), DemoError> {
        self.envoy.kill().await?;
        self.server.kill().await
    }

    pub(super) async fn start_server_again(&mut self, admin: SocketAddr) -> Result<(), DemoError> {
        self.admin = admin;
        self.server.kill().await?;
        self.server = start_server(&self.program, self.admin).await?;
        Ok(())
    }

    /// Starts Envoy again, unless it does not take its configuration: then with the reason.
    pub(super) async fn start_envoy_again(&mut self) -> Result<Result<(), String>, DemoError> {
        let mut command = Command::new(self.binary.program());
        command.args(["--mode", "validate", "--config-path", ENVOY, "--log-level", "error"]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(DemoError::network("cannot run Envoy"))?;
        if !output.status.success() {
            let said = without_quoted_settings(String::from_utf8_lossy(&output.stderr).trim());
            return Ok(Err(format!("Envoy does not take `{ENVOY}`: {said}")));
        }
        self.envoy.kill().await?;
        self.envoy = start_envoy(&self.binary).await?;
        Ok(Ok(()))
    }
}

async fn start_server(program: &Path, admin: SocketAddr) -> Result<Process, DemoError> {
    server::start(program, Path::new("."), admin, SERVER_LOG.into()).await
}

async fn start_envoy(binary: &EnvoyBinary) -> Result<Process, DemoError> {
    let admin = Path::new(ENVOY_ADMIN);
    let command = envoy::command(binary, Path::new(ENVOY), admin);
    let mut process = Process::start("Envoy", command, ENVOY_LOG.into())?;
    process.ready(async || envoy::is_ready(admin).await.then_some(())).await?;
    Ok(process)
}
