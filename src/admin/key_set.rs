//! The public keys of assertions, for upstreams to fetch.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;

/// Returns the current JWK Set as JSON.
pub type KeySet = Arc<dyn Fn() -> String + Send + Sync>;

/// The path at which libraries look for JWK Sets.
const PATH: &str = "/.well-known/jwks.json";

/// Publishes `key_set` and nothing else, until it is dropped: upstreams have no business with operators' pages.
pub async fn publish(listener: TcpListener, key_set: KeySet) {
    super::connections::serve(listener, router(Some(key_set))).await;
}

pub(super) fn router(key_set: Option<KeySet>) -> Router {
    Router::new().route(PATH, get(async move || page(key_set.as_ref())))
}

/// RFC 7517 section 8.5.1. Keys are published for hours before they sign, so that minutes of caching are safe.
fn page(key_set: Option<&KeySet>) -> Response {
    let Some(key_set) = key_set else {
        return (StatusCode::NOT_FOUND, "the settings have no `assertion`\n").into_response();
    };
    let headers =
        [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, key_set()).into_response()
}
