//! The operators' HTTP listener: liveness, readiness, metrics, status, log level. Never on the listener that Envoy uses,
//! on loopback unless configured, and without anything secret (P79).
//!
//! It is read-only but for three things. Revocation asks for a token. The log level and the confirmation of documents can
//! be changed from this machine only, through loopback: in Kubernetes that is `kubectl port-forward`, for everyone who may
//! forward ports.

pub mod api;
mod connections;
mod health;
mod key_set;
mod local;
mod readiness;
mod revocations;
pub mod status;

pub use health::{ComponentHealth, HealthState};
pub use key_set::{KeySetSource, publish};
pub use readiness::{Readiness, ReadinessOptions, RequiredAtStart};
pub use revocations::{RevocationApi, RevocationApiOptions};

use self::status::StatusPage;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use self::local::{Ends, refuse_others};
use crate::json::{pretty, visible};

/// The addresses at which operators reach us.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AdminOptions {
    /// The TCP address and port.
    pub address: SocketAddr,
    /// Opens the revocation API, by which operators revoke while the server runs. It is closed where this is unset.
    pub revocations: Option<RevocationApiOptions>,
}

/// The content of the pages, read again for each request.
pub struct Pages {
    /// The Prometheus text page.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// `/status`: what is in force and how it is doing, as JSON.
    pub status: Box<dyn Fn() -> StatusPage + Send + Sync>,
    /// Every part that has to be there, and how it is doing.
    pub components: Box<dyn Fn() -> Vec<ComponentHealth> + Send + Sync>,
    /// The log level.
    pub log_level: Box<dyn Fn() -> String + Send + Sync>,
    /// Changes it.
    pub set_log_level: ChangeHook,
    /// Confirms that what a set of documents no longer has is meant to be gone, by the name of the set.
    pub confirm: ChangeHook,
    /// The revocation API, where it is configured.
    pub revocations: Option<RevocationApi>,
    /// The public keys of assertions, where there are any.
    pub key_set: Option<KeySetSource>,
}

/// The pages, and who may make one that takes its time.
#[derive(Clone)]
struct AdminState {
    pages: Arc<Pages>,
    /// However many ask, one thread makes pages.
    one_at_a_time: Arc<Mutex<()>>,
}

/// Makes a change, or says why it cannot be made.
pub type ChangeHook = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// Longest body that is read: a log level.
const MAX_BODY_BYTES: usize = 1024;

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

impl AdminState {
    /// A page that grows with policies and callers, made where no check waits for it: `/status` of 10,000 policies takes ten
    /// milliseconds.
    async fn make(
        self,
        content_type: &'static str,
        make: impl FnOnce(&Pages) -> String + Send + 'static,
    ) -> Response {
        let Self { pages, one_at_a_time } = self;
        let turn = one_at_a_time.lock_owned().await;
        let made = spawn_blocking(move || {
            let page = make(&pages);
            drop(turn);
            page
        });
        match made.await {
            Ok(page) => ([(CONTENT_TYPE, content_type)], page).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page could not be made");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, pages: Pages) {
    connections::serve(listener, router(pages)).await;
}

fn router(mut pages: Pages) -> Router {
    let revocations = pages.revocations.take().map(revocations::router);
    let key_set = key_set::router(pages.key_set.clone());
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/log-level", get(log_level).put(set_log_level))
        .route("/documents/confirmed", put(confirm))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(AdminState { pages: Arc::new(pages), one_at_a_time: Arc::default() })
        .merge(revocations.unwrap_or_default())
        .merge(key_set)
}

/// `?verbose` shows every part.
async fn readyz(
    State(AdminState { pages, .. }): State<AdminState>,
    RawQuery(query): RawQuery,
) -> Response {
    let verbose = query.unwrap_or_default().split('&').any(|word| {
        matches!(word.split_once('=').unwrap_or((word, "")), ("verbose", "" | "1" | "true"))
    });
    let (ready, page) = health::readiness(&(pages.components)(), verbose);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(CACHE_CONTROL, "no-store")], page).into_response()
}

async fn metrics(State(shown): State<AdminState>) -> Response {
    shown.make("text/plain; version=0.0.4", |pages| (pages.metrics)()).await
}

async fn status(State(shown): State<AdminState>) -> Response {
    shown
        .make("application/json", |pages| {
            format!("{}\n", pretty(&(pages.status)()).unwrap_or_default())
        })
        .await
}

async fn log_level(State(AdminState { pages, .. }): State<AdminState>) -> String {
    format!("{}\n", (pages.log_level)())
}

async fn set_log_level(
    State(AdminState { pages, .. }): State<AdminState>,
    ConnectInfo(ends): ConnectInfo<Ends>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refusal = refuse_others("the log level is changed", ends, &uri, &headers);
    refusal.unwrap_or_else(|| {
        change(&pages.set_log_level, &body, StatusCode::BAD_REQUEST, |level| {
            tracing::warn!(level, "the log level was changed");
        })
    })
}

async fn confirm(
    State(AdminState { pages, .. }): State<AdminState>,
    ConnectInfo(ends): ConnectInfo<Ends>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refusal = refuse_others("documents are confirmed", ends, &uri, &headers);
    refusal.unwrap_or_else(|| {
        change(&pages.confirm, &body, StatusCode::CONFLICT, |set| {
            tracing::warn!(set, "documents are confirmed");
        })
    })
}

/// Makes the change that the body names and logs it, or answers with `refused`.
fn change(make: &ChangeHook, body: &[u8], refused: StatusCode, log: impl FnOnce(&str)) -> Response {
    let named = std::str::from_utf8(body).unwrap_or_default().trim();
    match make(named) {
        Ok(()) => {
            log(named);
            (StatusCode::OK, format!("{}\n", visible(named))).into_response()
        }
        Err(message) => (refused, format!("{}\n", visible(&message))).into_response(),
    }
}

#[cfg(test)]
mod tests;
