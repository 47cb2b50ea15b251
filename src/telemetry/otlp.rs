//! OpenTelemetry over OTLP (gRPC): where traces and metrics are sent, if anywhere.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::LogExporter as _;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Exports;
use super::exports::WatchedExporter;
use crate::document::HumanDuration;

/// The collector of traces and metrics, and how many it gets. `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS` and the other
/// standard variables of an OTLP exporter are respected.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtlpOptions {
    /// The collector, such as `http://127.0.0.1:4317`; unset, that of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[serde(default)]
    pub endpoint: String,
    /// The name of the service in traces, metrics and logs; unset, that of `OTEL_SERVICE_NAME`.
    #[serde(default = "default_service_name")]
    pub service_name: String,
    /// Which part of the checks whose caller brings no trace begins one: 0 to 1. A caller's own decision is followed.
    #[serde(default)]
    pub sample: f64,
    /// How often metrics are sent.
    #[serde(default = "default_metrics_interval")]
    pub metrics_interval: HumanDuration,
}

/// Longest wait for one batch of log records. Shorter than what the end of the process leaves for them.
const LOGS_TIMEOUT: Duration = Duration::from_secs(2);

fn default_service_name() -> String {
    "countersign".into()
}

const fn default_metrics_interval() -> HumanDuration {
    HumanDuration::new(Duration::from_mins(1))
}

impl OtlpOptions {
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// A message that says what is wrong and what to do.
    pub fn check(&self) -> Result<(), String> {
        let uri = self.endpoint.parse::<http::Uri>().ok();
        let has_host = uri.is_some_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
        let has_scheme =
            ["http://", "https://"].iter().any(|scheme| self.endpoint.starts_with(scheme));
        if !has_scheme || !has_host {
            return Err("`otlp.endpoint`, or `OTEL_EXPORTER_OTLP_ENDPOINT` for it, needs a URL such as `http://127.0.0.1:4317`".into());
        }
        if !(0.0..=1.0).contains(&self.sample) {
            return Err(format!("`otlp.sample` is {}, expected 0 to 1", self.sample));
        }
        if self.metrics_interval.get().is_zero() {
            return Err("`otlp.metricsInterval` is 0".into());
        }
        Ok(())
    }

    pub(super) fn resource(&self) -> Resource {
        Resource::builder()
            .with_service_name(self.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build()
    }

    /// Sends spans in the background, from within a tokio runtime.
    pub(super) fn tracer_provider(&self, exports: &Exports) -> Result<SdkTracerProvider, String> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&self.endpoint)
            .build()
            .map_err(|error| error.to_string())?;
        let exporter = WatchedExporter::new(exporter, "traces", Arc::clone(&exports.traces));
        let root = Sampler::TraceIdRatioBased(self.sample);
        Ok(SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(root)))
            .with_resource(self.resource())
            .build())
    }

    /// Sends log records, from within a tokio runtime.
    pub(super) fn logs(&self) -> Result<LogExporter, String> {
        let mut exporter = LogExporter::builder()
            .with_tonic()
            .with_endpoint(&self.endpoint)
            .with_timeout(LOGS_TIMEOUT)
            .build()
            .map_err(|error| error.to_string())?;
        exporter.set_resource(&self.resource());
        Ok(exporter)
    }

    /// Sends metrics now and then, from within a tokio runtime.
    pub(super) fn metrics(
        &self,
        exports: &Exports,
    ) -> Result<(PeriodicReader<WatchedExporter<MetricExporter>>, Resource), String> {
        let exporter = MetricExporter::builder()
            .with_tonic()
            .with_endpoint(&self.endpoint)
            .build()
            .map_err(|error| error.to_string())?;
        let exporter = WatchedExporter::new(exporter, "metrics", Arc::clone(&exports.metrics));
        let interval = self.metrics_interval.get();
        let reader = PeriodicReader::builder(exporter).with_interval(interval).build();
        Ok((reader, self.resource()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_meant_are_refused() {
        let check = |json| serde_json::from_str::<OtlpOptions>(json).unwrap().check();
        assert_eq!(check(r#"{"endpoint": "https://collector:4317", "sample": 0.5}"#), Ok(()));
        for (json, shown) in [
            (r#"{"endpoint": "collector:4317"}"#, "otlp.endpoint"),
            (r#"{"endpoint": "http://"}"#, "otlp.endpoint"),
            (r#"{"endpoint": "http://a b"}"#, "otlp.endpoint"),
            (r#"{"sample": 1}"#, "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (r#"{"endpoint": "http://c", "sample": 1.5}"#, "otlp.sample"),
            (r#"{"endpoint": "http://c", "metricsInterval": "0s"}"#, "otlp.metricsInterval"),
        ] {
            assert!(check(json).unwrap_err().contains(shown), "{json}");
        }
    }
}
