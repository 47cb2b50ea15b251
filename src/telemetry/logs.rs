//! Decision records as OpenTelemetry log records.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry::{InstrumentationScope, Key};
use opentelemetry_otlp::LogExporter;
use opentelemetry_sdk::logs::{
    LogBatch, LogExporter as _, SdkLogRecord, SdkLogger, SdkLoggerProvider,
};
use serde_json::Value;
use tokio::runtime::Handle;

use super::{Export, Exports, OtlpOptions};
use crate::clock::{Stopwatch, UnixTime};

/// Sends decision records to the collector.
pub struct LogSender {
    exporter: LogExporter,
    /// Makes empty records.
    logger: SdkLogger,
    scope: InstrumentationScope,
    runtime: Handle,
    export: Arc<Export>,
}

/// One decision, as it is sent.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// When it was decided.
    pub time: UnixTime,
    /// True if it is worth a look.
    pub is_denial: bool,
    /// The trace of the request that was checked, in hexadecimal.
    pub trace_id: String,
    /// Attributes to find it by, such as its decision id. Those without a value are omitted.
    pub attributes: Vec<(&'static str, String)>,
    /// All of it.
    pub body: Value,
}

const EVENT: &str = "countersign.decision";

/// For how long a batch that the collector does not take is offered again. The queue behind it fills meanwhile.
const GIVE_UP: Duration = Duration::from_secs(30);

/// First and longest pause between two offers.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl LogSender {
    /// Sends records to where `options` say, from within a tokio runtime.
    ///
    /// # Errors
    /// A message that says what is wrong with the endpoint.
    pub fn start(options: &OtlpOptions, exports: &Exports) -> Result<Self, String> {
        let scope = InstrumentationScope::builder("countersign").build();
        let logger = SdkLoggerProvider::builder().build().logger_with_scope(scope.clone());
        let (runtime, export) = (Handle::current(), Arc::clone(&exports.logs));
        Ok(Self { exporter: options.logs()?, logger, scope, runtime, export })
    }

    /// Sends `entries`, again and again for half a minute where the collector does not take them. Blocks; for a thread of its
    /// own.
    ///
    /// # Errors
    /// The last error of the collector.
    pub fn send(&self, entries: impl Iterator<Item = LogEntry>) -> Result<(), String> {
        let records: Vec<SdkLogRecord> = entries.map(|entry| self.record(entry)).collect();
        let batch: Vec<_> = records.iter().map(|record| (record, &self.scope)).collect();
        let (since, mut pause) = (Stopwatch::start(), PAUSE.0);
        loop {
            let result = self.runtime.block_on(self.exporter.export(LogBatch::new(&batch)));
            self.export.note("logs", &result);
            match result {
                Ok(()) => return Ok(()),
                Err(error) if since.elapsed() > GIVE_UP => return Err(error.to_string()),
                // A timer is made within the runtime, or it panics.
                Err(_) => self.runtime.block_on(async { tokio::time::sleep(pause).await }),
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    fn record(&self, entry: LogEntry) -> SdkLogRecord {
        let LogEntry { time, is_denial, trace_id, attributes, body } = entry;
        let mut record = self.logger.create_log_record();
        record.set_event_name(EVENT);
        let at = time.to_system_time();
        record.set_timestamp(at);
        record.set_observed_timestamp(at);
        let (severity, word) =
            if is_denial { (Severity::Warn, "WARN") } else { (Severity::Info, "INFO") };
        record.set_severity_number(severity);
        record.set_severity_text(word);
        let named = attributes.into_iter().filter(|(_, value)| !value.is_empty());
        record.add_attributes(named);
        if let Ok(trace) = TraceId::from_hex(&trace_id) {
            record.set_trace_context(trace, SpanId::INVALID, None);
        }
        record.set_body(any(body));
        record
    }
}

fn any(value: Value) -> AnyValue {
    match value {
        // There is no null among the values of OpenTelemetry, and none in a record.
        Value::Null => AnyValue::String("".into()),
        Value::Bool(value) => AnyValue::Boolean(value),
        Value::Number(number) => number
            .as_i64()
            .map(AnyValue::Int)
            .or_else(|| number.as_f64().map(AnyValue::Double))
            .unwrap_or_else(|| AnyValue::String(number.to_string().into())),
        Value::String(text) => AnyValue::String(text.into()),
        Value::Array(items) => AnyValue::ListAny(Box::new(items.into_iter().map(any).collect())),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (Key::new(name), any(value)));
            AnyValue::Map(Box::new(members.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Mutex;
    use std::thread;

    use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
        LogsService, LogsServiceServer,
    };
    use opentelemetry_proto::tonic::collector::logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse,
    };
    use tokio::net::TcpListener;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
    use tonic::transport::Server;
    use tonic::transport::server::TcpIncoming;
    use tonic::{Request, Response, Status};

    use super::*;

    /// Tells the test of every batch.
    struct Collector(Mutex<UnboundedSender<usize>>);

    #[tonic::async_trait]
    impl LogsService for Collector {
        async fn export(
            &self,
            request: Request<ExportLogsServiceRequest>,
        ) -> Result<Response<ExportLogsServiceResponse>, Status> {
            let batch = request.into_inner().resource_logs;
            let records = batch.iter().flat_map(|own| &own.scope_logs);
            let records = records.map(|own| own.log_records.len()).sum();
            self.0.lock().unwrap().send(records).unwrap();
            Ok(Response::new(ExportLogsServiceResponse::default()))
        }
    }

    fn entry() -> LogEntry {
        LogEntry {
            time: UnixTime::from_secs(1),
            is_denial: false,
            trace_id: String::new(),
            attributes: Vec::new(),
            body: Value::Null,
        }
    }

    /// P250: a collector that is away, comes, goes and comes again costs time and no record: the thread that sends lives on.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_batch_is_offered_until_the_collector_is_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        drop(listener);
        let options = serde_json::json!({ "endpoint": format!("http://{address}") });
        let options: OtlpOptions = serde_json::from_value(options).unwrap();
        let exports = Exports::default();
        let sender = Arc::new(LogSender::start(&options, &exports).unwrap());
        let (arrived, mut arrivals) = unbounded_channel();
        for records in 1..=2 {
            let (own, before) = (Arc::clone(&sender), exports.logs.failed());
            let sending =
                thread::spawn(move || own.send(std::iter::repeat_with(entry).take(records)));
            // The collector starts after it was missed.
            while exports.logs.failed() == before && !sending.is_finished() {
                tokio::task::yield_now().await;
            }
            let listener = TcpListener::bind(address).await.unwrap();
            let collector = LogsServiceServer::new(Collector(Mutex::new(arrived.clone())));
            let serving = Server::builder().add_service(collector);
            let serving = tokio::spawn(serving.serve_with_incoming(TcpIncoming::from(listener)));
            let sent = tokio::task::spawn_blocking(move || sending.join()).await.unwrap();
            assert_eq!(sent.unwrap(), Ok(()));
            assert_eq!(arrivals.recv().await, Some(records));
            serving.abort();
            // Its connections end with it.
            assert!(serving.await.unwrap_err().is_cancelled());
        }
    }
}
