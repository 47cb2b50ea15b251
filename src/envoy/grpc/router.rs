//! Hands each call to what it is for.

use std::convert::Infallible;
use std::future::ready;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::{Code, Status};
use tower_service::Service;

use super::budget;
use super::health::{HEALTH, HealthCalls, HealthService, Watchers};
use crate::envoy::service::CheckService;
use crate::envoy::status::Arrival;
use crate::envoy::{encode, message};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const CONTENT: HeaderValue = HeaderValue::from_static("application/grpc");

/// Routes each call of one connection to its service. tonic copies the router for each call.
#[derive(Clone, Debug)]
pub(in crate::envoy) struct Router {
    services: Arc<Services>,
    health_calls: HealthCalls,
}

/// Routes the calls of all connections.
#[derive(Clone, Debug)]
pub(in crate::envoy) struct Routes(Arc<Services>);

#[derive(Debug)]
struct Services {
    checks: CheckService,
    health: HealthService,
    watchers: Watchers,
}

impl Routes {
    pub(in crate::envoy) fn new(checks: CheckService, health: HealthService) -> Self {
        Self(Arc::new(Services { checks, health, watchers: Watchers::default() }))
    }

    /// The router of a connection from `source`.
    pub(in crate::envoy) fn of(&self, source: Option<IpAddr>) -> Router {
        let health_calls = HealthCalls::new(self.0.watchers.clone(), source);
        Router { services: Arc::clone(&self.0), health_calls }
    }
}

impl Service<Request<Body>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Too much to do is an answer, not a wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match request.uri().path() {
            CHECK => {
                // Here and not in the future: what waits for its turn counts, and so does the time it waits.
                let checks = &self.services.checks;
                let within = budget::budget(checks.deadline(), request.headers());
                let arrival = checks.arrive(within);
                Box::pin(check(Arc::clone(&self.services), arrival, request.into_body()).map(Ok))
            }
            path if path.starts_with(HEALTH) => {
                let health = self.services.health.clone();
                Box::pin(self.health_calls.clone().call(health, request).map(Ok))
            }
            _ => Box::pin(ready(Ok(Status::unimplemented("").into_http()))),
        }
    }
}

/// Answers one check. Whatever goes wrong, a panic included, the answer is a whole message and never a gRPC error
/// (invariant 2).
async fn check(services: Arc<Services>, arrival: Arrival, body: Body) -> Response<Body> {
    let Some(received) = message::receive(body, &arrival).await else {
        // The caller has gone: this answer has no reader.
        return Status::new(Code::Cancelled, "").into_http();
    };
    let answering = AssertUnwindSafe(services.checks.conclude(arrival, received)).catch_unwind();
    respond(answering.await.unwrap_or_else(|_| message::frame(encode::refuse_unseen)))
}

fn respond(answer: Bytes) -> Response<Body> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(answer).with_trailers(ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, CONTENT);
    response
}
