//! One connection, from its preface to its end: limits, signs of life, and a farewell that loses nothing.
//!
//! Envoy keeps a connection for as long as it can, so replicas that were started later would get nothing to do. A
//! connection that has reached its age is ended with GOAWAY: what was begun is finished, and Envoy opens a new one,
//! perhaps to another replica.

use std::future::{pending, ready};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::{Notify, oneshot, watch};
use tonic::transport::Server;

use super::ConnectionOptions;
use super::accept::{AcceptedStream, Ended};
use super::client::AdmittedClient;
use super::coalesce::CoalescingWriter;
use super::frames::{TransferProgress, WatchedConnection};
use crate::clock::jitter;
use crate::envoy::grpc::Router;
use crate::envoy::status::{ListenerStatus, RefusedConnection};
use crate::limits::{
    FIRST_CALL_TIMEOUT, MAX_GRPC_HEADER_BYTES, MAX_RESETS_WAITING, MAX_STREAMS_PER_CONNECTION,
};

/// Serves `stream` until it has `ended`, is too old, its `client` is revoked, or `drain` says that all have to.
pub(super) async fn serve(
    (stream, ended): (AcceptedStream, Ended),
    client: String,
    known: Option<AdmittedClient>,
    router: Router,
    options: ConnectionOptions,
    status: Arc<ListenerStatus>,
    mut drain: watch::Receiver<bool>,
) {
    let age = spread(options.max_age.get(), jitter());
    let watching = Arc::clone(&status);
    let asked_to_go = Notify::new();
    let farewell = async {
        // Later than the server takes the stream, so that a client that was admitted is not sent away unanswered.
        tokio::task::yield_now().await;
        tokio::select! {
            _ = ended => {}
            () = tokio::time::sleep(age) => {
                status.aged.fetch_add(1, Ordering::Relaxed);
            }
            // A sender that is gone counts as one that sent.
            _ = drain.wait_for(|drain| *drain) => {}
            // A call that is on its way is answered all the same.
            () = asked_to_go.notified() => {}
        }
    };
    let (cut, cutting) = oneshot::channel();
    let stream = WatchedConnection::new(stream.until(cutting), client.clone(), watching);
    let progress = stream.progress();
    let stream = CoalescingWriter::new(stream);
    let revoked = async {
        match &known {
            Some(client) => client.revoked().await,
            None => pending().await,
        }
    };
    let incoming = stream::once(ready(Ok::<_, io::Error>(stream))).chain(stream::pending());
    let serving = server(options, age).serve_with_incoming_shutdown(router, incoming, farewell);
    tokio::select! {
        served = serving => {
            if let Err(error) = served {
                tracing::debug!(%error, "connection broken");
            }
        }
        () = unused(&progress, &asked_to_go) => {
            status.refuse(RefusedConnection::Unused, &client, "no call came on it in time");
            let _ = cut.send(());
        }
        rejection = revoked => {
            status.revoked.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(detail = rejection.detail(), "connection cut: its client is revoked");
            // The connection is served by a task of the library: it ends when it reads.
            let _ = cut.send(());
        }
    }
}

/// Resolves where no call comes. Then no call is lost by cutting the connection: its client was asked to go and had time to, or has
/// not even said that it speaks HTTP/2.
async fn unused(progress: &TransferProgress, asked_to_go: &Notify) {
    tokio::time::sleep(FIRST_CALL_TIMEOUT).await;
    if progress.is_http2() && !progress.has_called() {
        asked_to_go.notify_one();
        tokio::time::sleep(FIRST_CALL_TIMEOUT).await;
    }
    if progress.has_called() {
        pending().await
    }
}

/// A server for one connection, since each has an age of its own.
fn server(options: ConnectionOptions, age: Duration) -> Server {
    Server::builder()
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .http2_max_header_list_size(MAX_GRPC_HEADER_BYTES)
        // A caller that goes away ends its call. By default 20 of those that were not begun yet end the connection, with every
        // other caller's call on it.
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS_WAITING))
        // The same of calls that the library itself refuses.
        .http2_max_local_error_reset_streams(Some(MAX_RESETS_WAITING))
        .http2_keepalive_interval(Some(options.keep_alive.interval.get()))
        .http2_keepalive_timeout(Some(options.keep_alive.timeout.get()))
        // Given a grace, tonic cuts at its end and says nothing before: the farewell at this age is ours.
        .max_connection_age(age)
        .max_connection_age_grace(options.max_age_grace.get())
}

/// `age`, up to a tenth more or less by `random`: connections that were opened together, as when a replica has gone, are
/// not all opened again together.
fn spread(age: Duration, random: f64) -> Duration {
    age.mul_f64(0.9 + 0.2 * random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_spread_over_a_fifth_around_the_one_asked_for() {
        let age = Duration::from_secs(300);
        assert_eq!(spread(age, 0.0), Duration::from_secs(270));
        assert_eq!(spread(age, 1.0), Duration::from_secs(330));
        assert_eq!(spread(age, 0.5), age);
    }
}
