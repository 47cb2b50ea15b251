//! Connections of operators: few and short, so that they cost checks neither descriptors nor memory.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_service::Service as _;

use super::local::Ends;
use crate::clock::Seldom;
use crate::limits::{
    ADMIN_HEADER_TIMEOUT, MAX_ADMIN_AGE, MAX_ADMIN_CONNECTIONS, MAX_ADMIN_CONNECTIONS_PER_ADDRESS,
    MAX_ADMIN_HEADER_BYTES,
};
use crate::slots::{Slot, Slots, network};

/// Pause after the operating system cannot accept, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers with `router` until it is dropped.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let slots = Slots::new(MAX_ADMIN_CONNECTIONS, MAX_ADMIN_CONNECTIONS_PER_ADDRESS);
    let (mut connections, said) = (JoinSet::new(), Seldom::default());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let slot = slots.enter(network(peer.ip()));
                    connections.spawn(answer(stream, peer, slot, router.clone()));
                }
                Err(error) => {
                    if let Some(times) = said.due() {
                        tracing::warn!(%error, times, "cannot accept an operator's connection");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers the requests of one connection, until it is idle, old, or displaced.
async fn answer<K: Eq + std::hash::Hash + Clone>(
    stream: TcpStream,
    peer: SocketAddr,
    mut slot: Slot<K>,
    router: Router,
) {
    let ends = Ends::of(&stream, peer);
    let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(ends));
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // It bounds the wait for the next request as well.
        .header_read_timeout(ADMIN_HEADER_TIMEOUT)
        .max_buf_size(MAX_ADMIN_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = slot.displaced() => return,
        () = sleep(MAX_ADMIN_AGE) => {}
    }
    // It is answered what it has asked by now, unless it is slow to ask or to read.
    connection.as_mut().graceful_shutdown();
    let _ = timeout(ADMIN_HEADER_TIMEOUT, connection).await;
}
