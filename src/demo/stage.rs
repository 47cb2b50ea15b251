//! Everything that runs in a demo, put together: PKI, issuer, upstream, countersign, Envoy.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use serde_json::Value;
use tokio::net::TcpStream;

use super::audit::AuditTail;
use super::client::Client;
use super::envoy::{Bootstrap, Envoy, EnvoyBinary};
use super::http1::{Connection, Request};
use super::mint::{Issuer, Tokens};
use super::pki::{Identity, Pki};
use super::server::{Addresses, Server};
use super::upstream::Upstream;
use super::{DemoError, Folder};
use crate::clock::{Clock as _, SystemClock};

/// The parts of a stage.
#[derive(Clone, Debug)]
pub struct Props {
    /// The countersign executable.
    pub program: PathBuf,
    /// The Envoy executable.
    pub envoy: EnvoyBinary,
    /// Places of the shipped Envoy configuration to be changed, each with what stands there instead.
    pub envoy_changes: Vec<(&'static str, &'static str)>,
    /// Settings and documents of countersign in place of the demo's of the same name, or beside them.
    pub files: Vec<(&'static str, String)>,
}

/// A running set of all parts. Everything stops when this value goes.
#[derive(Debug)]
pub struct Stage<'f> {
    /// The certificates.
    pub pki: Arc<Pki>,
    /// The token issuer.
    pub issuer: Issuer,
    /// The issuer's tokens for the tour.
    pub tokens: Tokens,
    /// The service behind Envoy.
    pub upstream: Upstream,
    /// The audit log of countersign.
    pub audit: AuditTail,
    folder: &'f Folder,
    program: PathBuf,
    /// `None` while it is stopped on purpose.
    server: Option<Server>,
    addresses: Addresses,
    envoy: Envoy,
}

impl Props {
    /// The demo as shipped.
    pub const fn new(program: PathBuf, envoy: EnvoyBinary) -> Self {
        Self { program, envoy, envoy_changes: Vec::new(), files: Vec::new() }
    }
}

impl<'f> Stage<'f> {
    /// Writes all files to `folder`, starts all programs and waits until all are ready.
    ///
    /// # Errors
    /// A part cannot be made, started or does not become ready.
    pub async fn raise(props: &Props, folder: &'f Folder) -> Result<Self, DemoError> {
        let now = SystemClock.now();
        let pki = Arc::new(Pki::new(now)?);
        let issuer = Issuer::new(now)?;
        let tokens = issuer.tokens(&pki)?;
        pki.write(folder)?;
        tokens.write(folder)?;
        folder.write("keys/corp.jwks.json", issuer.key_set()?)?;

        let upstream = Upstream::start().await?;
        let addresses = Addresses::free().await?;
        Server::configure(folder, addresses, &props.files)?;
        let server = Server::start(&props.program, folder, addresses).await?;
        let mut bootstrap = Bootstrap::sidecar_mtls(folder, addresses.checks, upstream.address());
        for (from, to) in &props.envoy_changes {
            bootstrap = bootstrap.vary(from, to);
        }
        let envoy = Envoy::start(&props.envoy, &bootstrap, folder).await?;

        let audit = AuditTail::new(folder.join("audit.jsonl"));
        let (program, server) = (props.program.clone(), Some(server));
        Ok(Self { pki, issuer, tokens, upstream, audit, folder, program, server, addresses, envoy })
    }

    /// A client of Envoy that shows the certificate of `identity`, if there is one.
    ///
    /// # Errors
    /// The certificate and its key do not fit together.
    pub fn client(&self, identity: Option<&Identity>) -> Result<Client, DemoError> {
        Client::new(self.envoy.listener(), self.pki.ca().der(), identity)
    }

    /// The running Envoy.
    pub const fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// Where the files are.
    pub fn folder(&self) -> &'f Folder {
        self.folder
    }

    /// Where countersign listens.
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The id of the countersign process, while it runs.
    pub fn server_id(&self) -> Option<u32> {
        self.server.as_ref()?.id()
    }

    /// Revokes what `entry` names (`POST`) or takes that back (`DELETE`), as `countersign revoke` does.
    ///
    /// # Errors
    /// The problem, in a few words.
    pub async fn revoke(&self, method: &str, entry: &Value) -> Result<(), String> {
        let failed = |error: io::Error| format!("cannot revoke: {error}");
        let token = fs::read_to_string(self.folder.join("admin.token")).map_err(failed)?;
        let request = Request::new(method, "countersign", "/revocations")
            .bearer(token.trim())
            .body(entry.to_string());
        let stream = TcpStream::connect(self.addresses.admin).await.map_err(failed)?;
        let answer = Connection::new(stream).send(&request).await.map_err(failed)?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        Err(format!("cannot revoke: the answer is {}", answer.status))
    }

    /// Stops countersign and leaves everything else running.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn stop_server(&mut self) -> Result<(), DemoError> {
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// The countersign process; the caller ends it.
    pub fn take_server(&mut self) -> Option<Server> {
        self.server.take()
    }

    /// Starts countersign again, at the same address.
    ///
    /// # Errors
    /// It cannot be started or does not become ready.
    pub async fn start_server(&mut self) -> Result<(), DemoError> {
        self.stop_server().await?;
        let server = Server::start(&self.program, self.folder, self.addresses).await?;
        self.server = Some(server);
        Ok(())
    }

    /// Stops everything and waits until all of it is gone.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn strike(mut self) -> Result<(), DemoError> {
        let server = self.stop_server().await;
        self.envoy.stop().await?;
        server
    }
}
