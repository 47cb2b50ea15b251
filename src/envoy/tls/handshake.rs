//! Handshakes, and files that change.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Tls;

/// How often the files are looked at: certificates are renewed hours before they expire.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// Looks at the files now and then, for as long as it lives.
#[derive(Debug)]
pub(in crate::envoy) struct KeptFresh(JoinHandle<()>);

impl Drop for KeptFresh {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tls {
    /// The connection, once its client has proved to be one that may ask.
    pub(in crate::envoy) async fn shake_hands(
        &self,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let stream = TlsAcceptor::from(self.config()).accept(stream).await?;
        let (_, connection) = stream.get_ref();
        let leaf = connection.peer_certificates().and_then(<[_]>::first);
        match leaf.and_then(|leaf| self.clients().admit(leaf)) {
            Some(client) => {
                tracing::debug!(%client, "connection accepted");
                Ok(stream)
            }
            None => Err(io::Error::other(
                "the client's certificate is valid but not in `listener.tls.clients`",
            )),
        }
    }

    /// Reads the files again when they have changed.
    pub(in crate::envoy) fn keep_fresh(self: Arc<Self>) -> KeptFresh {
        KeptFresh(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(RELOAD_INTERVAL);
            loop {
                ticks.tick().await;
                match self.reload() {
                    Ok(true) => tracing::info!("the listener's certificate was reloaded"),
                    Ok(false) => {}
                    Err(error) => tracing::error!(
                        %error,
                        "the listener's certificate was not reloaded, the last good one stays"
                    ),
                }
            }
        }))
    }
}
