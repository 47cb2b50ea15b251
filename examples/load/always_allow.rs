//! The least that an authorization server in Rust can do: tonic and `envoy-types`, and no look at the request at all. It gives
//! the empty answer, or the one in a file. It takes traces and metrics as well, and forgets them, in the role of a collector.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use envoy_types::pb::envoy::service::auth::v3::authorization_server::{
    Authorization, AuthorizationServer,
};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse, OkHttpResponse};
use envoy_types::pb::google::rpc::Status as RpcStatus;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tonic::{Request, Response, Status};

/// A server with the answer that it gives to whatever it is asked.
#[derive(Clone)]
struct AlwaysAllow(Arc<CheckResponse>);

/// Serves until it is killed, with the answer in the file `answer`, if any.
pub(crate) async fn serve(address: SocketAddr, answer: Option<&Path>) {
    let answer = answer
        .map_or_else(allow, |file| CheckResponse::decode(&*std::fs::read(file).unwrap()).unwrap());
    let server = AlwaysAllow(Arc::new(answer));
    tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .add_service(AuthorizationServer::new(server.clone()))
        .add_service(TraceServiceServer::new(server.clone()))
        .add_service(MetricsServiceServer::new(server))
        .serve(address)
        .await
        .unwrap();
}

/// The least that Envoy takes for an allow.
fn allow() -> CheckResponse {
    CheckResponse {
        status: Some(RpcStatus { code: 0, ..RpcStatus::default() }),
        dynamic_metadata: None,
        http_response: Some(HttpResponse::OkResponse(OkHttpResponse::default())),
    }
}

#[tonic::async_trait]
impl Authorization for AlwaysAllow {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(CheckResponse::clone(&self.0)))
    }
}

#[tonic::async_trait]
impl TraceService for AlwaysAllow {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for AlwaysAllow {
    async fn export(
        &self,
        _: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
