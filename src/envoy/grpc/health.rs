//! `grpc.health.v1`: what Envoy's active health checks and Kubernetes ask.

use std::net::IpAddr;
use std::sync::Arc;

use envoy_types::pb::envoy::service::auth::v3::authorization_server::SERVICE_NAME;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService as Inner};
use tower_service::Service as _;

use crate::limits::{
    HEALTH_TIMEOUT, MAX_HEALTH_CALLS, MAX_HEALTH_WATCHES, MAX_HEALTH_WATCHES_PER_ADDRESS,
};
use crate::slots::Slots;

/// The calls of this service.
pub(super) const HEALTH: &str = "/grpc.health.v1.Health/";

/// Answers the question.
pub(in crate::envoy) type HealthService = HealthServer<Inner>;

/// Says how we are, for the server as a whole and for the one service it has.
#[derive(Clone, Debug)]
pub(in crate::envoy) struct HealthProtocol {
    reporter: HealthReporter,
}

/// The watchers of all connections.
#[derive(Clone, Debug)]
pub(super) struct Watchers(Slots<Option<IpAddr>>);

/// The calls of one connection.
#[derive(Clone, Debug)]
pub(super) struct HealthCalls {
    calls: Arc<Semaphore>,
    watchers: Watchers,
    source: Option<IpAddr>,
}

impl HealthProtocol {
    /// Serving from now on.
    pub(in crate::envoy) async fn serving() -> Self {
        let health = Self { reporter: HealthReporter::new() };
        health.say(ServingStatus::Serving).await;
        health
    }

    /// Reports "not serving" from now on, and tells the watchers.
    pub(in crate::envoy) async fn not_serving(&self) {
        self.say(ServingStatus::NotServing).await;
    }

    /// The service to be asked.
    pub(in crate::envoy) fn service(&self) -> HealthService {
        HealthServer::new(Inner::from_health_reporter(self.reporter.clone()))
    }

    async fn say(&self, status: ServingStatus) {
        self.reporter.set_service_status("", status).await;
        self.reporter.set_service_status(SERVICE_NAME, status).await;
    }
}

impl Default for Watchers {
    fn default() -> Self {
        Self(Slots::new(MAX_HEALTH_WATCHES, MAX_HEALTH_WATCHES_PER_ADDRESS))
    }
}

impl HealthCalls {
    pub(super) fn new(watchers: Watchers, source: Option<IpAddr>) -> Self {
        Self { calls: Arc::new(Semaphore::new(MAX_HEALTH_CALLS)), watchers, source }
    }

    /// The answer of `health`, unless there are too many calls. Each counts until its answer has been read to the end.
    pub(super) async fn call(
        self,
        mut health: HealthService,
        request: Request<Body>,
    ) -> Response<Body> {
        let is_watch = request.uri().path().strip_prefix(HEALTH) == Some("Watch");
        let Ok(call) = self.calls.try_acquire_owned() else {
            return Status::resource_exhausted("too many health calls on this connection")
                .into_http();
        };
        let watcher = if is_watch { self.watchers.0.try_enter(self.source) } else { None };
        if is_watch && watcher.is_none() {
            return Status::resource_exhausted("too many watchers of health").into_http();
        }
        let Ok(Ok(response)) = timeout(HEALTH_TIMEOUT, health.call(request)).await else {
            return Status::deadline_exceeded("the call was not complete in time").into_http();
        };
        let held = (call, watcher);
        response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _ = &held;
                frame
            }))
        })
    }
}
