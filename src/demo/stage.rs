//! Everything that runs in a demo, put together: PKI, issuer, upstream, countersign, Envoy.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use serde_json::Value;
use tokio::net::TcpStream;

use super::audit::AuditTail;
use super::client::Client;
use super::envoy::{Bootstrap, Envoy};
use super::envoy_binary::EnvoyBinary;
use super::http1::{Connection, Request};
use super::mint::{Issuer, Tokens};
use super::pki::{Identity, Pki};
use super::server::{Addresses, Server};
use super::upstream::Upstream;
use super::{DemoError, Folder};
use countersign::clock::{Clock as _, SystemClock};

#[derive(Clone, Debug)]
pub(crate) struct Props {
    pub(crate) program: PathBuf,
    pub(crate) envoy: EnvoyBinary,
    /// Places of the shipped Envoy configuration to be changed, each with what stands there instead.
    pub(crate) envoy_changes: Vec<(&'static str, &'static str)>,
    /// Settings and documents of countersign in place of the demo's of the same name, or beside them.
    pub(crate) files: Vec<(&'static str, String)>,
}

/// A running set of all parts. Everything stops when this value goes.
#[derive(Debug)]
pub(crate) struct Stage<'f> {
    pub(crate) pki: Arc<Pki>,
    pub(crate) issuer: Issuer,
    /// The issuer's tokens for the tour.
    pub(crate) tokens: Tokens,
    /// The service behind Envoy.
    pub(crate) upstream: Upstream,
    pub(crate) audit: AuditTail,
    pub(crate) folder: &'f Folder,
    pub(crate) program: PathBuf,
    /// `None` while it is stopped on purpose.
    pub(crate) server: Option<Server>,
    pub(crate) addresses: Addresses,
    envoy: Envoy,
}

impl Props {
    /// The demo as shipped.
    pub(crate) const fn new(program: PathBuf, envoy: EnvoyBinary) -> Self {
        Self { program, envoy, envoy_changes: Vec::new(), files: Vec::new() }
    }
}

impl<'f> Stage<'f> {
    /// Writes all files to `folder`, starts all programs and waits until all are ready.
    pub(crate) async fn raise(props: &Props, folder: &'f Folder) -> Result<Self, DemoError> {
        let now = SystemClock.now();
        let pki = Arc::new(Pki::new(now)?);
        let issuer = Issuer::new(now)?;
        let tokens = issuer.tokens(&pki)?;
        pki.write(folder)?;
        tokens.write(folder)?;
        folder.write("keys/corp.jwks.json", issuer.key_set()?)?;

        let upstream = Upstream::start().await?;
        let addresses = Addresses::free()?;
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
    pub(crate) fn client(&self, identity: Option<&Identity>) -> Result<Client, DemoError> {
        Client::new(self.envoy.listener(), self.pki.ca().der(), identity)
    }

    pub(crate) const fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    pub(crate) fn folder(&self) -> &'f Folder {
        self.folder
    }

    pub(crate) const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Revokes what `entry` names (`POST`) or takes that back (`DELETE`), as `countersign revoke` does.
    pub(crate) async fn revoke(&self, method: &str, entry: &Value) -> Result<(), String> {
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
    pub(crate) async fn stop_server(&mut self) -> Result<(), DemoError> {
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Stops everything and waits until all of it is gone.
    pub(crate) async fn strike(mut self) -> Result<(), DemoError> {
        let server = self.stop_server().await;
        self.envoy.stop().await?;
        server
    }
}
