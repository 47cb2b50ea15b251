//! From an accepted connection to one that may ask: over TLS its client has to be on the list.

use std::convert::Infallible;
use std::future::Future as _;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::envoy::Listener;
use crate::envoy::tls::Tls;
use crate::limits::{FIRST_BYTE_TIMEOUT, HANDSHAKE_TIMEOUT};
use crate::slots::network;

/// A connection as the operating system hands it out.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection that checks may come on.
#[derive(Debug)]
pub(super) struct AcceptedStream {
    wire: Wire,
    /// Once it resolves, nothing more is read.
    cut: Option<oneshot::Receiver<()>>,
    /// Says by its end that the connection has ended.
    _open: oneshot::Sender<Infallible>,
}

/// Resolves when its connection has ended.
pub(super) type Ended = oneshot::Receiver<Infallible>;

#[derive(Debug)]
enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The next connection.
pub(super) async fn next(listener: &Listener) -> io::Result<Accepted> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            // Checks are small and wait for each other: nothing is gained by collecting them.
            stream.set_nodelay(true)?;
            Ok(Accepted::Tcp(stream))
        }
        Listener::Unix(socket) => socket.accept().await.map(Accepted::Unix),
    }
}

impl Accepted {
    /// Who is at the other end, for the log.
    pub(super) fn client(&self) -> String {
        match self {
            Self::Tcp(stream) => {
                stream.peer_addr().map_or_else(|_| "gone".to_owned(), |address| address.to_string())
            }
            Self::Unix(_) => "unix".to_owned(),
        }
    }

    /// The address that it counts for; none where every client is on this machine and may open the socket.
    pub(super) fn source(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok().map(|address| network(address.ip())),
            Self::Unix(_) => None,
        }
    }

    /// Waits for the first byte, and shakes hands where there is TLS.
    pub(super) async fn greet(self, tls: Option<&Arc<Tls>>) -> io::Result<(AcceptedStream, Ended)> {
        let late = |what| move |_| io::Error::other(what);
        let greeting = async {
            let begun = timeout(FIRST_BYTE_TIMEOUT, self.first_byte()).await;
            begun.map_err(late("the client sent no byte in time"))??;
            self.shake_hands(tls).await
        };
        let greeted = timeout(HANDSHAKE_TIMEOUT, greeting).await;
        greeted.map_err(late("the handshake took too long"))?
    }

    /// Waits for the first byte of the client; an error of the kind `NotConnected` where it closes the connection without one, as
    /// probes of load balancers do.
    async fn first_byte(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) if stream.peek(&mut [0]).await? == 0 => {
                Err(io::ErrorKind::NotConnected.into())
            }
            // The time to the first call bounds those that may open the socket.
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
        }
    }

    async fn shake_hands(self, tls: Option<&Arc<Tls>>) -> io::Result<(AcceptedStream, Ended)> {
        let wire = match (self, tls) {
            (Self::Tcp(stream), Some(tls)) => Wire::Tls(Box::new(tls.shake_hands(stream).await?)),
            (Self::Tcp(stream), None) => Wire::Tcp(stream),
            (Self::Unix(stream), _) => Wire::Unix(stream),
        };
        let (open, ended) = oneshot::channel();
        Ok((AcceptedStream { wire, cut: None, _open: open }, ended))
    }
}

impl AcceptedStream {
    /// The certificates that the client showed; none without TLS.
    pub(super) fn client_certificates(&self) -> Option<Vec<CertificateDer<'static>>> {
        let Wire::Tls(stream) = &self.wire else { return None };
        let certificates = stream.get_ref().1.peer_certificates()?;
        Some(certificates.iter().map(|der| der.clone().into_owned()).collect())
    }

    /// The same, read until something is sent to `cut`.
    pub(super) fn until(self, cut: oneshot::Receiver<()>) -> Self {
        Self { cut: Some(cut), ..self }
    }

    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(cut) = &mut self.cut else { return false };
        match Pin::new(cut).poll(cx) {
            Poll::Pending => false,
            Poll::Ready(sent) => {
                // Without a sender nothing will ever be sent.
                if sent.is_err() {
                    self.cut = None;
                }
                sent.is_ok()
            }
        }
    }
}

impl Connected for AcceptedStream {
    // Who it is was decided when it was greeted.
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().wire {
            Wire::Tcp($stream) => $call,
            Wire::Unix($stream) => $call,
            Wire::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for AcceptedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.as_mut().get_mut().is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        each!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for AcceptedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(cx, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Tcp(stream) => stream.is_write_vectored(),
            Wire::Unix(stream) => stream.is_write_vectored(),
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
