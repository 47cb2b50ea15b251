//! A trace that a client began goes on in countersign, and metrics and decision records arrive: seen by a real OTLP
//! receiver.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::testbed::Folder;
use crate::testbed::http1::Request;
use crate::testbed::pki::HOST;
use countersign::clock::Stopwatch;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
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
use opentelemetry_proto::tonic::common::v1::any_value::Value as Wire;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Response, Status};

use crate::envoy;
use crate::listeners::settings;

/// Keeps what it is sent.
#[derive(Clone, Default)]
pub(crate) struct Receiver {
    /// How many batches of records are refused before one is taken.
    busy: Arc<Mutex<u32>>,
    logs: Arc<Mutex<Vec<ExportLogsServiceRequest>>>,
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

#[tonic::async_trait]
impl LogsService for Receiver {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let mut busy = self.busy.lock().unwrap();
        if *busy > 0 {
            *busy -= 1;
            return Err(Status::unavailable("busy"));
        }
        self.logs.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

impl Receiver {
    pub(crate) async fn start() -> (Self, u16) {
        let receiver = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = Server::builder()
            .add_service(TraceServiceServer::new(receiver.clone()))
            .add_service(MetricsServiceServer::new(receiver.clone()))
            .add_service(LogsServiceServer::new(receiver.clone()))
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

    fn records(&self) -> Vec<LogRecord> {
        let logs = self.logs.lock().unwrap();
        let resources = logs.iter().flat_map(|request| &request.resource_logs);
        let scopes = resources.flat_map(|resource| &resource.scope_logs);
        scopes.flat_map(|scope| scope.log_records.clone()).collect()
    }

    /// Everything that arrived, as text, by signal.
    pub(crate) fn everything(&self) -> [(&'static str, String); 3] {
        [
            ("otlp logs", format!("{:?}", self.logs.lock().unwrap())),
            ("otlp traces", format!("{:?}", self.traces.lock().unwrap())),
            ("otlp metrics", format!("{:?}", self.metrics.lock().unwrap())),
        ]
    }

    /// Waits until so many records and a trace and metrics have arrived.
    pub(crate) async fn has_received(&self, records: usize) {
        until("every record", || self.records().len() >= records).await;
        until("a trace", || !self.spans().is_empty()).await;
        until("metrics", || self.has_metric("countersign.decisions")).await;
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

/// The value that was sent, as JSON again.
fn plain(value: Option<AnyValue>) -> Value {
    let named = |KeyValue { key, value, .. }: KeyValue| (key, plain(value));
    match value.and_then(|value| value.value) {
        Some(Wire::StringValue(text)) => json!(text),
        Some(Wire::BoolValue(value)) => json!(value),
        Some(Wire::IntValue(number)) => json!(number),
        Some(Wire::DoubleValue(number)) => json!(number),
        Some(Wire::ArrayValue(list)) => {
            list.values.into_iter().map(|value| plain(Some(value))).collect()
        }
        Some(Wire::KvlistValue(list)) => {
            Value::Object(list.values.into_iter().map(named).collect::<Map<_, _>>())
        }
        other => panic!("{other:?}"),
    }
}

/// The collector is busy at first, and a batch that it refuses is offered again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decision_records_arrive_and_are_those_of_the_file() {
    let Some(mut props) = envoy::props() else { return };
    let (receiver, port) = Receiver::start().await;
    *receiver.busy.lock().unwrap() = 2;
    let (name, text) = settings(
        "listener:\n",
        &format!("otlp: {{ endpoint: 'http://127.0.0.1:{port}' }}\nlistener:\n"),
    );
    let audit = "audit: { file: ./audit.jsonl, otlp: {}, claims: [/sub, /aud, /iss] }";
    props.files = vec![(name, text.replace("audit: { file: ./audit.jsonl }", audit))];
    let folder = Folder::temporary().unwrap();
    let mut stage = envoy::raise(&props, &folder).await;
    let pki = Arc::clone(&stage.pki);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let list = |path: &str| {
        let request = Request::get(HOST, path).bearer(&stage.tokens.bearer);
        request.header("traceparent", format!("00-{trace}-b7ad6b7169203331-00"))
    };
    let requests = [list("/v1/orders?page=2&secret"), list("/v1/orders?page=3"), list("/nowhere")];
    let mut written = Vec::new();
    for request in &requests {
        let (_, record) = envoy::ask(&mut stage, Some(&pki.frontend), request).await;
        written.push(record.as_json().clone());
    }
    until("every record", || receiver.records().len() == 3).await;

    let records = receiver.records();
    for (record, written) in records.into_iter().zip(&written) {
        let attributes = record.attributes.into_iter();
        let attributes: Map<_, _> =
            attributes.map(|KeyValue { key, value, .. }| (key, plain(value))).collect();
        assert_eq!(attributes["countersign.decision_id"], written["decision_id"]);
        assert_eq!(attributes.get("countersign.reason"), written.get("reason"));
        assert_eq!(
            record.severity_text,
            if written["decision"] == "allow" { "INFO" } else { "WARN" }
        );
        assert_eq!(
            (record.event_name.as_str(), record.trace_id),
            ("countersign.decision", bytes(trace))
        );
        assert!(record.time_unix_nano > 0);
        assert_eq!(plain(record.body), *written, "the same record");
    }
    let first = &written[0];
    for (pointer, expected) in [
        ("/trace_id", json!(trace)),
        ("/mode", json!("enforce")),
        ("/request/query", json!("page=*&*")),
        ("/request/scheme", json!("https")),
        ("/tokens/0/claims", json!({ "/iss": "https://login.example.com" })),
        ("/tokens/0/audiences", json!(["orders"])),
    ] {
        assert_eq!(first.pointer(pointer), Some(&expected), "{pointer} of {first}");
    }
    for absent in ["/tokens/0/client", "/tokens/0/scopes", "/cache_hits", "/sample_rate"] {
        assert_eq!(first.pointer(absent), None, "{absent} of {first}");
    }
    assert_eq!(
        written[1]["cache_hits"],
        json!({ "certificates": 1, "tokens": 1 }),
        "{}",
        written[1]
    );
    stage.strike().await.unwrap();
}
