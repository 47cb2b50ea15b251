//! One connection, from its preface to its end: limits, signs of life, and a farewell that loses nothing.
//!
//! Envoy keeps a connection for as long as it can, so replicas that were started later would get nothing to do. A
//! connection that has reached its age is ended with GOAWAY: what was begun is finished, and Envoy opens a new one,
//! perhaps to another replica.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_lc_rs::rand;
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::watch;

use super::accept::Stream;
use super::{ConnectionOptions, ListenerStatus};
use crate::envoy::grpc::Router;
use crate::limits::{MAX_GRPC_HEADER_BYTES, MAX_STREAMS_PER_CONNECTION};

/// Serves `stream` until it ends, is too old, or `drain` says that all have to.
pub(super) async fn serve(
    stream: Stream,
    router: Router,
    options: ConnectionOptions,
    status: Arc<ListenerStatus>,
    mut drain: watch::Receiver<bool>,
) {
    let connection = http2(options).serve_connection(TokioIo::new(stream), router);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return note(ended),
        () = tokio::time::sleep(spread(options.max_age.get(), random())) => {
            status.aged.fetch_add(1, Ordering::Relaxed);
        }
        // The sender gone is as good as its word.
        _ = drain.wait_for(|drain| *drain) => {}
    }
    connection.as_mut().graceful_shutdown();
    match tokio::time::timeout(options.max_age_grace.get(), connection).await {
        Ok(ended) => note(ended),
        Err(_) => tracing::debug!("connection cut: calls on it did not end in time"),
    }
}

fn http2(options: ConnectionOptions) -> Builder<TokioExecutor> {
    let mut http2 = Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .max_header_list_size(MAX_GRPC_HEADER_BYTES)
        .keep_alive_interval(options.keep_alive.interval.get())
        .keep_alive_timeout(options.keep_alive.timeout.get());
    http2
}

fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection broken");
    }
}

/// `age`, up to a tenth more or less as `random` has it: connections that were opened together, as when a replica has
/// gone, are not all opened anew together.
fn spread(age: Duration, random: u16) -> Duration {
    age.mul_f64(0.9 + 0.2 * f64::from(random) / f64::from(u16::MAX))
}

fn random() -> u16 {
    let mut bytes = [0; 2];
    // Random numbers that cannot be had cost the spread and nothing else.
    let _ = rand::fill(&mut bytes);
    u16::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_spread_over_a_fifth_around_the_one_asked_for() {
        let age = Duration::from_secs(300);
        assert_eq!(spread(age, 0), Duration::from_secs(270));
        assert_eq!(spread(age, u16::MAX), Duration::from_secs(330));
        let middle = spread(age, u16::MAX / 2);
        assert!((299..=300).contains(&middle.as_secs()), "{middle:?}");
    }
}
