//! A trace that a client began goes on in countersign, and metrics arrive: seen by a real OTLP receiver.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::clock::Stopwatch;
use countersign::demo::Folder;
use countersign::demo::http1::Request;
use countersign::demo::pki::HOST;
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
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Response, Status};

use crate::envoy;
use crate::listeners::settings;

/// Keeps what it is sent.
#[derive(Clone, Default)]
struct Receiver {
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
}

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.traces.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Receiver {
    async fn start() -> (Self, u16) {
        let receiver = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = Server::builder()
            .add_service(TraceServiceServer::new(receiver.clone()))
            .add_service(MetricsServiceServer::new(receiver.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(serving);
        (receiver, port)
    }

    fn spans(&self) -> Vec<Span> {
        let traces = self.traces.lock().unwrap();
        let resources = traces.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    fn has_metric(&self, name: &str) -> bool {
        format!("{:?}", self.metrics.lock().unwrap()).contains(&format!("\"{name}\""))
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let number = u128::from_str_radix(hex, 16).unwrap().to_be_bytes();
    number[number.len() - hex.len() / 2..].to_vec()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let watch = Stopwatch::start();
    while !holds() {
        assert!(watch.elapsed() < Duration::from_secs(30), "{what} does not arrive");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_trace_goes_on_in_countersign_and_holds_no_secret() {
    let Some(mut props) = envoy::props() else { return };
    let (receiver, port) = Receiver::start().await;
    let otlp = format!(
        "otlp: {{ endpoint: 'http://127.0.0.1:{port}', metricsInterval: 200ms }}\nlistener:\n"
    );
    props.files = vec![settings("listener:\n", &otlp)];
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let (wanted, unwanted) =
        ("0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736");
    let parent = "b7ad6b7169203331";
    let bearer = stage.tokens.bearer.clone();
    let list = || Request::get(HOST, "/v1/orders?canary=1").bearer(&bearer);

    // Its client does not want it to be kept, and this one has no trace at all: neither is sent anywhere.
    let unsampled = list().header("traceparent", format!("00-{unwanted}-{parent}-00"));
    for request in [unsampled, list()] {
        let (answer, _) = envoy::ask(&mut stage, Some(&pki.frontend), &request).await;
        assert_eq!(answer.status, 200);
    }
    let sampled = list().header("traceparent", format!("00-{wanted}-{parent}-01"));
    let (answer, record) = envoy::ask(&mut stage, Some(&pki.frontend), &sampled).await;
    assert_eq!(answer.status, 200);
    until("the trace", || receiver.spans().len() >= 4).await;

    let spans = receiver.spans();
    assert!(spans.iter().all(|span| span.trace_id == bytes(wanted)), "{spans:#?}");
    let mut names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["authenticate", "check", "evaluate", "gather"]);
    let check = spans.iter().find(|span| span.name == "check").unwrap();
    assert_eq!(check.parent_span_id, bytes(parent));
    for span in &spans {
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:#?}");
        if span.name != "check" {
            assert_eq!(span.parent_span_id, check.span_id, "{span:#?}");
        }
    }
    let told = format!("{spans:?}");
    assert!(told.contains(record.text("/decision_id").unwrap()), "found by its decision id");
    assert!(told.contains("orders") && told.contains("web-lists-orders"), "{told}");
    // P80: no credential, no identity and nothing that the caller wrote.
    let signature = bearer.rsplit('.').next().unwrap();
    for secret in [signature, "canary", "alice", "spiffe://", "Bearer"] {
        assert!(!told.contains(secret), "`{secret}` is in the trace");
    }
    let arrived = |name: &'static str| until(name, || receiver.has_metric(name));
    arrived("countersign.decisions").await;
    arrived("countersign.authority.expiry.timestamp").await;
    stage.strike().await.unwrap();
}
