//! Every instrument: its name, unit, labels and help, in one place.
//!
//! Labels come from closed sets and from names in documents, never from a request, so that nobody can make us hold more
//! series by asking.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

use super::OtlpOptions;
use crate::pdp::{Observer, Outcome};
use crate::policy::Decision;
use crate::request::RequestView;

/// The instruments of one process, and the Prometheus page they are shown on.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Owns the pipeline from the instruments to the registry.
    _provider: SdkMeterProvider,
    meter: Meter,
    decisions: Counter<u64>,
    durations: Histogram<f64>,
    peers: Counter<u64>,
    shadows: Counter<u64>,
}

/// A warm decision takes tens of microseconds, a cold signature hundreds, a wait for keys milliseconds.
const DURATION_BUCKETS: [f64; 12] =
    [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 10e-3, 50e-3, 150e-3, 1.0];

// === impl Metrics ===

impl Metrics {
    /// The instruments, all at zero.
    ///
    /// # Errors
    /// A message where the exporter cannot be set up.
    pub fn new() -> Result<Self, String> {
        Self::sent_to(None)
    }

    /// The instruments, all at zero, sent by OTLP too where there is somebody to send them to.
    ///
    /// # Errors
    /// A message where an exporter cannot be set up.
    pub fn sent_to(otlp: Option<&OtlpOptions>) -> Result<Self, String> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()
            .map_err(|error| error.to_string())?;
        let mut provider = SdkMeterProvider::builder().with_reader(exporter);
        if let Some((reader, resource)) = otlp.map(OtlpOptions::metrics).transpose()? {
            provider = provider.with_reader(reader).with_resource(resource);
        }
        let provider = provider.build();
        let meter = provider.meter("countersign");
        Ok(Self {
            registry,
            decisions: meter
                .u64_counter("countersign.decisions")
                .with_description("Decisions by answer, reason code (empty on an allow) and policy")
                .build(),
            durations: meter
                .f64_histogram("countersign.check.duration")
                .with_unit("s")
                .with_description("Time from the decoded request to the decision")
                .with_boundaries(DURATION_BUCKETS.to_vec())
                .build(),
            peers: meter
                .u64_counter("countersign.peers")
                .with_description("Verified peers by trust domain and level of evidence")
                .build(),
            shadows: meter
                .u64_counter("countersign.shadow.changes")
                .with_description(
                    "Decisions that a rule in shadow mode would have changed, by policy and rule",
                )
                .build(),
            meter,
            _provider: provider,
        })
    }

    /// Shows a count that is kept elsewhere.
    pub fn watch_counter(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let observe = move |instrument: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
            instrument.observe(read(), &[])
        };
        let _ = self
            .meter
            .u64_observable_counter(name)
            .with_description(help)
            .with_callback(observe)
            .build();
    }

    /// Shows a level that is kept elsewhere.
    pub fn watch_gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let observe = move |instrument: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
            instrument.observe(read(), &[])
        };
        let _ = self
            .meter
            .u64_observable_gauge(name)
            .with_description(help)
            .with_callback(observe)
            .build();
    }

    /// Shows moments and levels that are kept elsewhere, one for each of a few names from documents and settings.
    pub fn watch_gauges(
        &self,
        name: &'static str,
        unit: &'static str,
        help: &'static str,
        label: &'static str,
        read: impl Fn() -> Vec<(String, i64)> + Send + Sync + 'static,
    ) {
        let observe = move |instrument: &dyn opentelemetry::metrics::AsyncInstrument<i64>| {
            for (value, level) in read() {
                instrument.observe(level, &[KeyValue::new(label, value)]);
            }
        };
        let _ = self
            .meter
            .i64_observable_gauge(name)
            .with_unit(unit)
            .with_description(help)
            .with_callback(observe)
            .build();
    }

    /// The Prometheus text page.
    #[must_use]
    pub fn render(&self) -> String {
        // Encoding into memory fails only for an inconsistent registry, which an empty page shows well enough.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    fn count(&self, outcome: &Outcome) {
        let (decision, reason) = match &outcome.decision {
            Decision::Allow(_) => ("allow", ""),
            Decision::Deny(denial) => ("deny", denial.rejection().reason().as_str()),
        };
        let policy =
            outcome.decision.rule().map(|rule| rule.policy.to_string()).unwrap_or_default();
        self.decisions.add(
            1,
            &[
                KeyValue::new("decision", decision),
                KeyValue::new("reason", reason),
                KeyValue::new("policy", policy),
            ],
        );
        self.durations.record(seconds(outcome.elapsed), &[KeyValue::new("decision", decision)]);
    }
}

impl Observer for Metrics {
    fn observe(&self, _view: &RequestView, outcome: &Outcome) {
        self.count(outcome);
        for shadow in outcome.decision.shadows().iter().filter(|shadow| shadow.changes) {
            let policy = KeyValue::new("policy", shadow.rule.policy.to_string());
            self.shadows.add(1, &[policy, KeyValue::new("rule", shadow.rule.rule.to_string())]);
        }
        if let Some(peer) = outcome.subject.as_ref().and_then(|subject| subject.peer().verified()) {
            let domain = KeyValue::new("trust_domain", peer.trust_domain().to_owned());
            self.peers.add(1, &[domain, KeyValue::new("evidence", peer.level().as_str())]);
        }
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watched_values_are_on_the_page_with_their_help() {
        let metrics = Metrics::new().unwrap();
        metrics.watch_counter("countersign.things", "Things so far", || 7);
        metrics.watch_gauge("countersign.level", "Things now", || 3);
        let page = metrics.render();
        assert!(page.contains("# HELP countersign_things_total Things so far"), "{page}");
        assert!(page.contains("countersign_things_total 7"), "{page}");
        assert!(page.contains("countersign_level 3"), "{page}");
    }
}
