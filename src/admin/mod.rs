//! The operators' HTTP listener: liveness, readiness, metrics, status. Never on the listener that Envoy uses, on loopback
//! unless configured, and without anything secret (P79).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;

/// Where operators reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AdminOptions {
    /// The TCP address and port.
    pub address: SocketAddr,
}

/// What the pages show, read anew for each request.
pub struct Pages {
    /// The Prometheus text page.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// What is in force and how it is doing, as JSON.
    pub status: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// What still stands in the way of serving, in plain words; empty means ready.
    pub unready: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// The public keys of assertions as a JWK Set, where there are any.
    pub key_set: Option<KeySet>,
}

/// A JWK Set, read anew for each request.
pub type KeySet = Box<dyn Fn() -> String + Send + Sync>;

/// Where JWK Sets are looked for (OpenID Connect Discovery names no place; this is the common one).
const KEY_SET_PATH: &str = "/.well-known/jwks.json";

// === impl AdminOptions ===

impl Default for AdminOptions {
    fn default() -> Self {
        Self { address: ([127, 0, 0, 1], 9002).into() }
    }
}

// === impl Pages ===

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// Answers until it is dropped.
///
/// # Errors
/// Where the listener fails for good.
pub async fn serve(listener: TcpListener, pages: Pages) -> std::io::Result<()> {
    axum::serve(listener, router(pages)).await
}

/// Publishes `key_set` and nothing else, until it is dropped: for upstreams, which have no business with operators' pages.
///
/// # Errors
/// Where the listener fails for good.
pub async fn publish(listener: TcpListener, key_set: KeySet) -> std::io::Result<()> {
    let pages = Pages {
        metrics: Box::new(String::new),
        status: Box::new(|| serde_json::Value::Null),
        unready: Box::new(Vec::new),
        key_set: Some(key_set),
    };
    let router = Router::new().route(KEY_SET_PATH, get(keys)).with_state(Arc::new(pages));
    axum::serve(listener, router).await
}

fn router(pages: Pages) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route(KEY_SET_PATH, get(keys))
        .with_state(Arc::new(pages))
}

async fn readyz(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    let unready = (pages.unready)();
    if unready.is_empty() {
        return (StatusCode::OK, String::from("ok\n"));
    }
    (StatusCode::SERVICE_UNAVAILABLE, unready.join("\n") + "\n")
}

async fn metrics(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], (pages.metrics)())
}

/// RFC 7517 section 8.5.1. Keys are published for hours before they sign, so that minutes of caching are safe.
async fn keys(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    match &pages.key_set {
        Some(key_set) => {
            let headers = [
                (CONTENT_TYPE, "application/jwk-set+json"),
                (CACHE_CONTROL, "public, max-age=300"),
            ];
            (headers, key_set()).into_response()
        }
        None => (StatusCode::NOT_FOUND, "the settings have no `assertion`\n").into_response(),
    }
}

async fn status(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], format!("{:#}\n", (pages.status)()))
}
