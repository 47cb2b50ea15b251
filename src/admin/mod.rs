//! The operators' HTTP listener: liveness, readiness, metrics, status. Never on the listener that Envoy uses, on loopback
//! unless configured, and without anything secret (P79). What changes something asks for a token.

mod revocations;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;

pub use revocations::{RevocationApi, RevocationApiOptions, list_json, sharing_json};

/// Where operators reach us.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AdminOptions {
    /// The TCP address and port.
    pub address: SocketAddr,
    /// Who may revoke while the server runs; nobody where it is left out.
    pub revocations: Option<RevocationApiOptions>,
}

/// What the pages show, read anew for each request.
pub struct Pages {
    /// The Prometheus text page.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// What is in force and how it is doing, as JSON.
    pub status: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// What still stands in the way of serving, in plain words; empty means ready.
    pub unready: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// The revocation API, where it is configured.
    pub revocations: Option<RevocationApi>,
}

// === impl AdminOptions ===

impl AdminOptions {
    /// The same with relative paths made relative to `base`.
    #[must_use]
    pub fn relative_to(mut self, base: &Path) -> Self {
        if let Some(revocations) = &mut self.revocations {
            revocations.token_file = base.join(&revocations.token_file);
        }
        self
    }
}

impl Default for AdminOptions {
    fn default() -> Self {
        Self { address: ([127, 0, 0, 1], 9002).into(), revocations: None }
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

fn router(mut pages: Pages) -> Router {
    let revocations = pages.revocations.take().map(revocations::router);
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(Arc::new(pages))
        .merge(revocations.unwrap_or_default())
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

async fn status(State(pages): State<Arc<Pages>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], format!("{:#}\n", (pages.status)()))
}
