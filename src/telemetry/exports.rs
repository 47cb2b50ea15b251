//! The exports to a collector: failures are counted and logged, not ignored.

use std::fmt::{self, Debug, Display, Formatter};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::clock::{SAY_AGAIN, Stopwatch};
use crate::sync::lock;

/// How sending goes, by what is sent.
#[derive(Clone, Debug, Default)]
pub struct Exports {
    /// Spans.
    pub traces: Arc<Export>,
    /// Metrics.
    pub metrics: Arc<Export>,
    /// Decision records.
    pub logs: Arc<Export>,
}

/// How sending one kind of telemetry goes.
#[derive(Debug, Default)]
pub struct Export {
    failed: AtomicU64,
    /// Since when the log has its last word on a failure; `None` while all is well.
    said: Mutex<Option<Stopwatch>>,
}

/// An exporter that is watched.
pub(super) struct WatchedExporter<E> {
    exporter: E,
    signal: &'static str,
    export: Arc<Export>,
}

impl Exports {
    /// The failures so far, by signal.
    pub fn failed(&self) -> Vec<(String, u64)> {
        let Self { traces, metrics, logs } = self;
        let each = [("traces", traces), ("metrics", metrics), ("logs", logs)];
        each.map(|(signal, export)| (signal.to_owned(), export.failed())).to_vec()
    }
}

impl Export {
    /// Batches that the collector did not take.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Counts one attempt, and logs it where that is news.
    pub(super) fn note<E: Display>(&self, signal: &'static str, result: &Result<(), E>) {
        let mut said = lock(&self.said);
        match result {
            Ok(()) => {
                if said.take().is_some() {
                    tracing::info!(signal, "the collector takes telemetry again");
                }
            }
            Err(error) => {
                let failed = self.failed.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                if said.is_none_or(|said| said.elapsed() > SAY_AGAIN) {
                    tracing::warn!(signal, failed, %error, "the collector did not take telemetry");
                    *said = Some(Stopwatch::start());
                }
            }
        }
    }
}

impl<E> WatchedExporter<E> {
    pub(super) const fn new(exporter: E, signal: &'static str, export: Arc<Export>) -> Self {
        Self { exporter, signal, export }
    }

    fn noted(&self, result: OTelSdkResult) -> OTelSdkResult {
        self.export.note(self.signal, &result);
        result
    }
}

impl<E> Debug for WatchedExporter<E> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.signal).finish()
    }
}

impl<E: SpanExporter> SpanExporter for WatchedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        self.noted(result)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for WatchedExporter<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(metrics).await;
        self.noted(result)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_counted_and_only_the_first_is_logged() {
        let export = Export::default();
        for _ in 0..3 {
            export.note("traces", &Err("away"));
        }
        assert_eq!(export.failed(), 3);
        assert!(export.said.lock().unwrap().is_some());
        export.note("traces", &Ok::<_, &str>(()));
        assert!(export.said.lock().unwrap().is_none(), "the next failure is news again");
        assert_eq!(export.failed(), 3);
    }
}
