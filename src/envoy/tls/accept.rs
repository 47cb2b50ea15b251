//! Accepting connections: handshakes beside each other, each within its time, and only admitted clients further.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

use super::Tls;

/// Connections whose handshake is done and whose client is admitted.
pub(crate) type TlsIncoming = ReceiverStream<io::Result<TlsStream<TcpStream>>>;

/// Longest handshake: two round trips and a signature, on a slow day.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the files are looked at: certificates are renewed hours before they expire.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// Pause after the operating system cannot accept, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts on `listener` for as long as somebody takes the connections.
#[must_use]
pub(crate) fn accept(listener: TcpListener, tls: Arc<Tls>) -> TlsIncoming {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(keep_fresh(Arc::clone(&tls), sender.clone()));
    tokio::spawn(accept_all(listener, tls, sender));
    ReceiverStream::new(receiver)
}

async fn accept_all(
    listener: TcpListener,
    tls: Arc<Tls>,
    sender: mpsc::Sender<io::Result<TlsStream<TcpStream>>>,
) {
    loop {
        let accepted = tokio::select! {
            () = sender.closed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => drop(tokio::spawn(greet(stream, Arc::clone(&tls), sender.clone()))),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn greet(
    stream: TcpStream,
    tls: Arc<Tls>,
    sender: mpsc::Sender<io::Result<TlsStream<TcpStream>>>,
) {
    let client = stream.peer_addr().ok();
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, shake_hands(stream, &tls)).await {
        // The server is gone: so is the need for a connection.
        Ok(Ok(stream)) => drop(sender.send(Ok(stream)).await),
        Ok(Err(error)) => tracing::warn!(?client, %error, "connection refused"),
        Err(_) => tracing::warn!(?client, "connection refused: the handshake took too long"),
    }
}

async fn shake_hands(stream: TcpStream, tls: &Tls) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    let stream = TlsAcceptor::from(tls.config()).accept(stream).await?;
    let (_, connection) = stream.get_ref();
    let leaf = connection.peer_certificates().and_then(<[_]>::first);
    match leaf.and_then(|leaf| tls.clients().admit(leaf)) {
        Some(client) => {
            tracing::debug!(%client, "connection accepted");
            Ok(stream)
        }
        None => Err(io::Error::other(
            "the client's certificate is valid but not in `listener.tls.clients`",
        )),
    }
}

/// Looks at the files now and then, until nobody takes connections any more.
async fn keep_fresh(tls: Arc<Tls>, sender: mpsc::Sender<io::Result<TlsStream<TcpStream>>>) {
    let mut ticks = tokio::time::interval(RELOAD_INTERVAL);
    loop {
        tokio::select! {
            () = sender.closed() => return,
            _ = ticks.tick() => {}
        }
        match tls.reload() {
            Ok(true) => tracing::info!("the listener's certificate was reloaded"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "the listener's certificate was not reloaded, the last good one stays")
            }
        }
    }
}
