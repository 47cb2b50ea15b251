//! The gRPC server around the service: health, limits, and a drain that finishes what it began.

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::auth::v3::authorization_server::AuthorizationServer;
use serde::Deserialize;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::envoy::tls::{self, Tls, TlsOptions};
use crate::envoy::{CheckService, ListenAddress, Listener};
use crate::evidence::PeerSources;
use crate::limits::MAX_MESSAGE_BYTES;

/// How Envoy reaches us, and which of its words are believed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerOptions {
    /// Where to listen.
    pub address: ListenAddress,
    /// Mutual TLS; none on loopback and Unix sockets.
    pub tls: Option<TlsOptions>,
    /// Which places of peer evidence are believed here.
    pub peer_sources: PeerSources,
    /// Listen without TLS on an address that other machines can reach. Whoever can reach it can claim to be Envoy.
    pub insecure_allow_plaintext: bool,
}

// === impl ListenerOptions ===

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            address: ListenAddress::Tcp(([127, 0, 0, 1], 9001).into()),
            tls: None,
            peer_sources: PeerSources::default(),
            insecure_allow_plaintext: false,
        }
    }
}

impl ListenerOptions {
    /// Checks that a listener that anybody can reach was asked for by name (invariants 11 and 12).
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.tls.is_some() && matches!(self.address, ListenAddress::Unix(_)) {
            return Err(
                "`listener.tls` is for TCP addresses: a Unix socket is guarded by its permissions"
                    .into(),
            );
        }
        if self.address.is_local() || self.tls.is_some() || self.insecure_allow_plaintext {
            return Ok(());
        }
        Err(format!(
            "`listener.address` is `{}`, which other machines can reach without TLS: set `listener.tls`, or listen on loopback or a Unix socket, or set `listener.insecureAllowPlaintext: true`",
            self.address
        ))
    }
}

/// Serves until `shutdown` resolves, then finishes what is in flight.
///
/// # Errors
/// Where the listener fails for good.
pub async fn serve(
    listener: Listener,
    tls: Option<Arc<Tls>>,
    service: CheckService,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<AuthorizationServer<CheckService>>().await;
    let drain = async move {
        shutdown.await;
        health.set_not_serving::<AuthorizationServer<CheckService>>().await;
        health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    };
    let checks = AuthorizationServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let router = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(health_service)
        .add_service(checks);
    match (listener, tls) {
        (Listener::Tcp(tcp), Some(tls)) => {
            router.serve_with_incoming_shutdown(tls::accept(tcp, tls), drain).await
        }
        (Listener::Tcp(tcp), None) => {
            let incoming = TcpIncoming::from(tcp).with_nodelay(Some(true));
            router.serve_with_incoming_shutdown(incoming, drain).await
        }
        (Listener::Unix(unix), _) => {
            router.serve_with_incoming_shutdown(UnixListenerStream::new(unix), drain).await
        }
    }
}
