//! The service behind Envoy: answers with what it received.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::DemoError;

/// A running echo server. It stops when this value goes.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// A request that the upstream received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// The path with query, as it stood on the request line.
    pub(crate) path: String,
    /// Names in lower case and values, in their order. A byte that is not UTF-8 is shown as `U+FFFD`.
    pub(crate) headers: Vec<(String, String)>,
}

impl Upstream {
    /// Starts one on a free port of the loopback interface.
    pub(crate) async fn start() -> Result<Self, DemoError> {
        let failed = "cannot open a port for the upstream on 127.0.0.1";
        let listener =
            TcpListener::bind("127.0.0.1:0").await.map_err(DemoError::network(failed))?;
        let address = listener.local_addr().map_err(DemoError::network(failed))?;
        let requests = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(accept(listener, Arc::clone(&requests)));
        Ok(Self { address, requests, task })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, requests: Arc<AtomicU64>) {
    // An error of `accept` is about one connection (it went away, no file descriptor left), not about the listener.
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let requests = Arc::clone(&requests);
        let service = service_fn(move |request| {
            requests.fetch_add(1, Ordering::SeqCst);
            echo(request)
        });
        // As many as Envoy sends on: its own come on top of those that it counts.
        let connection = hyper::server::conn::http1::Builder::new()
            .max_headers(256)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A client that goes away in the middle is no concern of an echo server.
            let _ = connection.await;
        });
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    // Read to its end, so that the connection can carry the next request.
    let _ = body.collect().await;
    let received = Received {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
    };
    let body = serde_json::to_vec(&received).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}

impl Received {
    /// Every value of the header `name` (lower case), in their order.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}
