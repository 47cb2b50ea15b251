//! The instruments at work: counting decisions, and showing what other parts count.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

use super::instruments::{self, Instrument, MetricKind};
use super::measurement::{Number, Sample};
use super::{Exports, OtlpOptions};
use crate::pdp::{Observer, Outcome};
use crate::policy::Decision;
use crate::request::RequestView;

/// The instruments of one process, and the Prometheus page they are shown on.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Owns the pipeline from the instruments to the registry and to the collector.
    provider: SdkMeterProvider,
    meter: Meter,
    decisions: Counter<u64>,
    durations: Histogram<f64>,
    peers: Counter<u64>,
    shadows: Counter<u64>,
}

/// A warm decision takes tens of microseconds, a cold signature hundreds, a wait for keys milliseconds.
const DURATION_BUCKETS: [f64; 12] =
    [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 10e-3, 50e-3, 150e-3, 1.0];

impl Metrics {
    /// The instruments, all at zero. They are sent by OTLP too where the settings name a collector.
    ///
    /// # Errors
    /// A message where an exporter cannot be set up.
    pub fn sent_to(otlp: Option<&OtlpOptions>, exports: &Exports) -> Result<Self, String> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()
            .map_err(|error| error.to_string())?;
        let mut provider = SdkMeterProvider::builder().with_reader(exporter);
        if let Some((reader, resource)) = otlp.map(|otlp| otlp.metrics(exports)).transpose()? {
            provider = provider.with_reader(reader).with_resource(resource);
        }
        let provider = provider.build();
        let meter = provider.meter("countersign");
        let counter = |instrument: &Instrument| {
            meter.u64_counter(instrument.name).with_description(instrument.help).build()
        };
        let duration = &instruments::CHECK_DURATION;
        Ok(Self {
            registry,
            decisions: counter(&instruments::DECISIONS),
            durations: meter
                .f64_histogram(duration.name)
                .with_unit(duration.unit)
                .with_description(duration.help)
                .with_boundaries(DURATION_BUCKETS.to_vec())
                .build(),
            peers: counter(&instruments::PEERS),
            shadows: counter(&instruments::SHADOW_CHANGES),
            meter,
            provider,
        })
    }

    /// Shows the values that `read` returns at each scrape. A histogram cannot be watched, and an instrument has one label at most.
    pub fn watch(
        &self,
        instrument: &Instrument,
        read: impl Fn() -> Vec<Sample> + Send + Sync + 'static,
    ) {
        let (meter, name, help) = (&self.meter, instrument.name, instrument.help);
        let label = instrument.labels.first().copied();
        let attributes = move |value: String| label.map(|label| KeyValue::new(label, value));
        match instrument.kind {
            MetricKind::Counter => {
                let counter = meter.u64_observable_counter(name).with_description(help);
                let _ = counter.with_callback(each(read, attributes, Number::count)).build();
            }
            MetricKind::Gauge => {
                let gauge = meter.i64_observable_gauge(name).with_description(help);
                let gauge = gauge.with_unit(instrument.unit);
                let _ = gauge.with_callback(each(read, attributes, Number::level)).build();
            }
            MetricKind::Fraction => {
                let gauge = meter.f64_observable_gauge(name).with_description(help);
                let gauge = gauge.with_unit(instrument.unit);
                let _ = gauge.with_callback(each(read, attributes, Number::fraction)).build();
            }
            MetricKind::Histogram => {}
        }
    }

    /// Sends what was counted until now. Blocks, for as long as the collector takes.
    pub fn close(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last metrics were not sent");
        }
    }

    /// The Prometheus text page.
    pub fn render(&self) -> String {
        // Encoding into memory fails only for an inconsistent registry, which an empty page shows well enough.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    fn count(&self, outcome: &Outcome) {
        let decision = outcome.decision.effect().as_str();
        let reason = match &outcome.decision {
            Decision::Allow(_) => "",
            Decision::Deny(denial) => denial.rejection.reason().as_str(),
        };
        let policy =
            outcome.decision.rule().map(|rule| Arc::clone(&rule.policy)).unwrap_or_default();
        self.decisions.add(
            1,
            &[
                KeyValue::new("decision", decision),
                KeyValue::new("reason", reason),
                KeyValue::new("policy", policy),
            ],
        );
        self.durations
            .record(outcome.elapsed.as_secs_f64(), &[KeyValue::new("decision", decision)]);
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
            let domain = KeyValue::new("trust_domain", peer.trust_domain.to_owned());
            self.peers.add(1, &[domain, KeyValue::new("evidence", peer.level().as_str())]);
        }
    }
}

/// A callback that observes the number of each sample, as a `T`.
fn each<T: 'static>(
    read: impl Fn() -> Vec<Sample> + Send + Sync + 'static,
    attributes: impl Fn(String) -> Option<KeyValue> + Send + Sync + 'static,
    number: fn(Number) -> T,
) -> impl Fn(&dyn AsyncInstrument<T>) + Send + Sync + 'static {
    move |observer| {
        for (of, own) in read() {
            observer.observe(number(own), attributes(of).as_slice());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Metrics {
        /// One decision of each kind, so that every series is there.
        pub(in crate::telemetry) fn record_one(&self) {
            self.decisions.add(1, &[]);
            self.durations.record(1.0, &[]);
            self.peers.add(1, &[]);
            self.shadows.add(1, &[]);
        }
    }

    #[test]
    fn watched_values_are_on_the_page_with_their_help() {
        let metrics = Metrics::sent_to(None, &Exports::default()).unwrap();
        for measurement in [
            instruments::STORE_LOSSES.shows(7_u64),
            instruments::STORE_UP.shows(3_u64),
            instruments::CLOCK_OFFSET.shows_each([("least".to_owned(), Number::Fraction(-0.25))]),
        ] {
            metrics.watch(measurement.instrument, move || measurement.samples.clone());
        }
        let page = metrics.render();
        let help = instruments::STORE_LOSSES.help;
        assert!(page.contains(&format!("# HELP countersign_store_losses_total {help}")), "{page}");
        assert!(page.contains("countersign_store_losses_total 7"), "{page}");
        assert!(page.contains("countersign_store_up 3"), "{page}");
        let offset = "countersign_clock_offset_seconds{bound=\"least\"} -0.25";
        assert!(page.contains(offset), "{page}");
    }
}
