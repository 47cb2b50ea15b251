//! A client of the mesh: TLS with a chosen certificate, then whatever bytes the tour asks for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::DemoError;
use super::http1::{Connection, Request, Response};
use super::pki::{HOST, Identity};

/// Longest wait for one answer. Envoy gives countersign a fraction of it.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Connects to Envoy as one workload, or without a certificate.
#[derive(Clone)]
pub(crate) struct Client {
    connector: TlsConnector,
    server_name: ServerName<'static>,
    address: SocketAddr,
}

impl Client {
    /// A client of the Envoy at `address` that trusts `ca` and shows the certificate of `identity`, if there is one.
    pub(crate) fn new(
        address: SocketAddr,
        ca: CertificateDer<'static>,
        identity: Option<&Identity>,
    ) -> Result<Self, DemoError> {
        let mut roots = RootCertStore::empty();
        roots.add(ca)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match identity {
            Some(identity) => config.with_client_auth_cert(vec![identity.der()], identity.key())?,
            None => config.with_no_client_auth(),
        };
        let server_name = ServerName::try_from(HOST)
            .map_err(|_| rustls::Error::General("the demo's host is no server name".to_owned()))?;
        Ok(Self { connector: Arc::new(config).into(), server_name, address })
    }

    pub(crate) async fn connect(&self) -> io::Result<Connection<TlsStream<TcpStream>>> {
        self.open().await.map(Connection::new)
    }

    /// Opens a connection for another protocol than HTTP/1.1.
    pub(crate) async fn open(&self) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        self.connector.connect(self.server_name.clone(), stream).await
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, request: &Request) -> io::Result<Response> {
        let answer = async { self.connect().await?.send(request).await };
        tokio::time::timeout(ANSWER_WITHIN, answer).await?
    }
}
