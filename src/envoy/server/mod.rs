//! The server around the service: takes connections within their limits, and ends by finishing what it began.

mod accept;
mod client;
mod coalesce;
mod connection;
mod frames;
mod options;

pub use options::{ConnectionOptions, DrainOptions, KeepAliveOptions, ListenerOptions};

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::accept::{Accepted, AcceptedStream, Ended};
use self::client::AdmittedClient;
use super::grpc::{HealthProtocol, Routes};
use super::status::{LevelGuard, RefusedConnection};
use super::tls::Tls;
use super::{CheckService, Listener, ListenerStatus};
use crate::limits::{MAX_GREETING, MIN_GREETING};
use crate::pdp::Pdp;
use crate::slots::{Slot, Slots};

/// How serving is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Load balancers get time to notice first.
    Gradual,
    /// At once, for a person at a terminal. Checks in flight are finished all the same.
    Prompt,
}

/// A listener with everything that is needed to serve on it.
#[derive(Debug)]
pub struct Server {
    /// The listener that connections arrive at.
    pub listener: Listener,
    /// Mutual TLS, where there is any.
    pub tls: Option<Arc<Tls>>,
    /// The service that answers.
    pub service: CheckService,
    /// The bounds.
    pub options: ListenerOptions,
}

/// The settings and the service that every connection needs.
#[derive(Clone, Debug)]
struct ConnectionShared {
    tls: Option<Arc<Tls>>,
    pdp: Arc<Pdp>,
    routes: Routes,
    options: ConnectionOptions,
    status: Arc<ListenerStatus>,
    greeting: Slots<Option<IpAddr>>,
    /// Open connections, which are never displaced.
    open: Slots<Option<IpAddr>>,
    drain: watch::Receiver<bool>,
}

/// Pause after the operating system cannot accept, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Serves until `stop` resolves. Then, in this order: says that it is not ready, waits for that to be noticed, takes no
    /// more connections, asks Envoy to send nothing more on those it has, and waits for what was begun.
    pub async fn serve(self, stop: impl Future<Output = Stop> + Send) {
        let Self { listener, tls, service, options } = self;
        let (drain, draining) = watch::channel(false);
        let status = service.status();
        let health = HealthProtocol::serving().await;
        let max = options.connections.max;
        // The descriptors of a server with few connections are few.
        let greeting = (max / 4).clamp(MIN_GREETING, MAX_GREETING);
        let shared = ConnectionShared {
            tls: tls.clone(),
            pdp: Arc::clone(service.pdp()),
            routes: Routes::new(service, health.service()),
            options: options.connections,
            status: Arc::clone(&status),
            greeting: Slots::new(greeting, per_address(&listener, greeting / 4, greeting)),
            open: Slots::new(max, per_address(&listener, max.div_ceil(2), max)),
            drain: draining,
        };
        let _fresh = tls.map(Tls::keep_fresh);
        let mut connections = JoinSet::new();
        let stop = async {
            let stop = stop.await;
            status.draining.store(true, Ordering::SeqCst);
            health.not_serving().await;
            tracing::info!("draining: not ready any more");
            if stop == Stop::Gradual {
                tokio::time::sleep(options.drain.delay.get()).await;
            }
        };
        tokio::select! {
            () = stop => {}
            () = accept_all(&listener, &shared, &mut connections) => {}
        }
        // Connections that were made and not yet taken would be broken by closing the listener.
        while let Some(Ok(accepted)) = accept::next(&listener).now_or_never() {
            take(accepted, &shared, &mut connections);
        }
        drop(listener);
        drain.send_replace(true);
        finish(connections, options.drain.timeout.get(), &status).await;
    }
}

/// Takes connections for as long as it is polled.
async fn accept_all(listener: &Listener, shared: &ConnectionShared, connections: &mut JoinSet<()>) {
    loop {
        tokio::select! {
            accepted = accept::next(listener) => match accepted {
                Ok(accepted) => take(accepted, shared, connections),
                Err(error) => {
                    if let Some(times) = shared.status.said.accept.due() {
                        tracing::warn!(%error, times, "cannot accept a connection");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The share of one address in `all`: every client of a Unix socket may open it, and has none.
const fn per_address(listener: &Listener, share: usize, all: usize) -> usize {
    if matches!(listener, Listener::Tcp(_)) { share } else { all }
}

/// Serves a connection beside the others, or closes it where there are too many.
fn take(accepted: Accepted, shared: &ConnectionShared, connections: &mut JoinSet<()>) {
    let (status, source) = (&shared.status, accepted.source());
    if shared.open.taken() >= shared.options.max {
        return status.refuse(RefusedConnection::Full, &accepted.client(), ALL_OPEN);
    }
    status.accepted.fetch_add(1, Ordering::Relaxed);
    let shared = shared.clone();
    // Here and not in the task: the order in which they come is the order in which they are displaced.
    let slot = shared.greeting.enter(source);
    connections.spawn(async move {
        let client = accepted.client();
        match admit(accepted, slot, &shared).await {
            Ok((greeted, known, open)) => {
                let ConnectionShared { routes, options, status, drain, .. } = shared;
                let router = routes.of(source);
                connection::serve(greeted, client, known, router, options, status, drain).await;
                drop(open);
            }
            Err(Some((refused, detail))) => shared.status.refuse(refused, &client, &detail),
            Err(None) => tracing::debug!(client, "connection closed without a word"),
        }
    });
}

const ALL_OPEN: &str = "`listener.connections.max` are open";

/// A connection that may ask, in a slot of its own; why not, unless it was a probe.
async fn admit(
    accepted: Accepted,
    mut slot: Slot<Option<IpAddr>>,
    shared: &ConnectionShared,
) -> Result<
    ((AcceptedStream, Ended), Option<AdmittedClient>, OpenSlot),
    Option<(RefusedConnection, String)>,
> {
    let source = accepted.source();
    let tls = shared.tls.as_ref();
    let greeted = {
        let _greeting = LevelGuard::one(&shared.status, |status| &status.greeting);
        tokio::select! {
            greeted = accepted.greet(tls) => greeted,
            () = slot.displaced() => {
                let detail = "newer connections took its slot before its handshake was done";
                return Err(Some((RefusedConnection::Displaced, detail.into())));
            }
        }
    };
    drop(slot);
    let greeted = greeted.map_err(|error| {
        (error.kind() != io::ErrorKind::NotConnected)
            .then(|| (RefusedConnection::Greeting, error.to_string()))
    })?;
    let known = known_client(Arc::clone(&shared.pdp), tls, &greeted.0);
    if let Some(Err(rejection)) = known.as_ref().map(AdmittedClient::check) {
        return Err(Some((RefusedConnection::Revoked, format!("revoked: {}", rejection.detail()))));
    }
    let Some(open) = shared.open.try_enter(source) else {
        let all = shared.open.taken() >= shared.options.max;
        let detail = if all {
            ALL_OPEN
        } else {
            "half of `listener.connections.max` are open from its address"
        };
        return Err(Some((RefusedConnection::Full, detail.into())));
    };
    Ok((
        greeted,
        known,
        OpenSlot {
            _slot: open,
            _counted: LevelGuard::one(&shared.status, |status| &status.connections),
        },
    ))
}

/// An open connection, counted for as long as it lives.
#[derive(Debug)]
struct OpenSlot {
    _slot: Slot<Option<IpAddr>>,
    _counted: LevelGuard,
}

/// The client at the other end, where a certificate says who it is.
fn known_client(
    pdp: Arc<Pdp>,
    tls: Option<&Arc<Tls>>,
    stream: &AcceptedStream,
) -> Option<AdmittedClient> {
    let authorities = tls?.authorities();
    Some(AdmittedClient { pdp, presented: stream.client_certificates()?, authorities })
}

/// Waits until every connection has ended, for as long as that may take.
async fn finish(mut connections: JoinSet<()>, within: Duration, status: &ListenerStatus) {
    tracing::info!(
        connections = connections.len(),
        checks = status.checks.load(Ordering::Relaxed),
        "draining: finishing what was begun"
    );
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(within, all).await.is_err() {
        let connections = connections.len();
        tracing::warn!(
            connections,
            "connections did not end within `listener.drain.timeout` and are cut"
        );
    }
}

#[cfg(test)]
mod tests;
