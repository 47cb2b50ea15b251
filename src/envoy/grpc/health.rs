//! `grpc.health.v1`: what Envoy's active health checks and Kubernetes ask.

use envoy_types::pb::envoy::service::auth::v3::authorization_server::SERVICE_NAME;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService as Inner};

/// Answers the question.
pub(in crate::envoy) type HealthService = HealthServer<Inner>;

/// Says how we are, for the server as a whole and for the one service it has.
#[derive(Clone, Debug)]
pub(in crate::envoy) struct Health {
    reporter: HealthReporter,
}

impl Health {
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
