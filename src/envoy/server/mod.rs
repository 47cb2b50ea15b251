//! The server around the service: takes connections within their limits, and ends by finishing what it began.

mod accept;
mod client;
mod coalesce;
mod connection;
mod frames;
mod options;
mod status;

pub use options::{ConnectionOptions, DrainOptions, KeepAliveOptions, ListenerOptions};
pub(crate) use status::Counted;
pub use status::ListenerStatus;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::accept::{Accepted, Stream};
use self::client::Client;
use super::grpc::{Health, Router};
use super::tls::Tls;
use super::{CheckService, Listener};
use crate::pdp::Pdp;

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
    /// Where connections come from.
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
struct Shared {
    tls: Option<Arc<Tls>>,
    pdp: Arc<Pdp>,
    router: Router,
    options: ConnectionOptions,
    status: Arc<ListenerStatus>,
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
        let health = Health::serving().await;
        let shared = Shared {
            tls: tls.clone(),
            pdp: Arc::clone(service.pdp()),
            router: Router::new(service, health.service()),
            options: options.connections,
            status: Arc::clone(&status),
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
async fn accept_all(listener: &Listener, shared: &Shared, connections: &mut JoinSet<()>) {
    loop {
        tokio::select! {
            accepted = accept::next(listener) => match accepted {
                Ok(accepted) => take(accepted, shared, connections),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves a connection beside the others, or closes it where there are too many.
fn take(accepted: Accepted, shared: &Shared, connections: &mut JoinSet<()>) {
    let status = &shared.status;
    let Some(counted) = Counted::below(shared.options.max, status, |status| &status.connections)
    else {
        status.refused.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            client = accepted.client(),
            "connection refused: `listener.connections.max` are open"
        );
        return;
    };
    status.accepted.fetch_add(1, Ordering::Relaxed);
    let Shared { tls, pdp, router, options, status, drain } = shared.clone();
    connections.spawn(async move {
        let _counted = counted;
        let client = accepted.client();
        let greeted = match accepted.greet(tls.as_ref()).await {
            Ok(greeted) => greeted,
            Err(error) => {
                status.refused.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(client, %error, "connection refused");
                return;
            }
        };
        let known = known_client(pdp, tls.as_ref(), &greeted.0);
        if let Some(Err(rejection)) = known.as_ref().map(Client::check) {
            status.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(client, error = rejection.detail(), "connection refused: revoked");
            return;
        }
        connection::serve(greeted, client, known, router, options, status, drain).await;
    });
}

/// The client at the other end, where a certificate says who it is.
fn known_client(pdp: Arc<Pdp>, tls: Option<&Arc<Tls>>, stream: &Stream) -> Option<Client> {
    let authorities = tls?.authorities();
    Some(Client { pdp, presented: stream.client_certificates()?, authorities })
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
