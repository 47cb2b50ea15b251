//! Everything that sees decisions: the audit log, metrics, traces, and the callers' clocks and certificates.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::audit;
use super::components::{AnomalyComponent, CallerClocks};
use super::error::StartError;
use crate::audit::{AuditLog, Event};
use crate::config::Config;
use crate::envoy::CheckService;
use crate::pdp::{Observer, Pdp};
use crate::telemetry::{
    Anomalies, Anomaly, Callers, ClockOffset, DecisionLines, Exports, Metrics, Traces,
};

#[derive(Debug)]
pub(super) struct Observers {
    pub(super) audit: Option<Arc<AuditLog>>,
    pub(super) metrics: Arc<Metrics>,
    traces: Option<Arc<Traces>>,
    callers: Arc<Callers>,
    clock_offset: Arc<ClockOffset>,
    anomalies: Option<Arc<Anomalies>>,
    pub(super) exports: Exports,
}

/// Longest wait for the audit log's sinks at the end. With the drain before it, it stays below the 30 s that Kubernetes gives.
const AUDIT_FLUSH: Duration = Duration::from_secs(3);

/// Longest wait for the collector after that.
const METRICS_FLUSH: Duration = Duration::from_secs(1);

impl Observers {
    /// Opens the sinks that the settings name. Call it within a tokio runtime.
    pub(super) fn start(config: &Config) -> Result<Self, StartError> {
        let (otlp, exports) = (config.otlp.as_ref(), Exports::default());
        let audit = audit::start(config, &exports)?;
        let metrics = Metrics::sent_to(otlp, &exports).map_err(StartError::Metrics)?;
        let traces = otlp.map(|otlp| Traces::start(otlp, &exports)).transpose();
        let traces = traces.map_err(StartError::Metrics)?.map(Arc::new);
        let (callers, clock_offset) = (Arc::default(), Arc::default());
        let tell = audit.clone();
        let tell = move |anomaly: &Anomaly| announce(anomaly, tell.as_deref());
        let anomalies = config.anomalies.map(|own| Arc::new(Anomalies::start(own, Box::new(tell))));
        let metrics = Arc::new(metrics);
        Ok(Self { audit, metrics, traces, callers, clock_offset, anomalies, exports })
    }

    /// The service that answers checks, observed.
    pub(super) fn service(&self, pdp: &Arc<Pdp>, config: &Config) -> CheckService {
        let mut observers: Vec<Arc<dyn Observer>> = vec![
            self.metrics.clone(),
            self.callers.clone(),
            self.clock_offset.clone(),
            Arc::new(DecisionLines),
        ];
        observers.extend(self.traces.clone().map(|traces| -> Arc<dyn Observer> { traces }));
        observers.extend(self.anomalies.clone().map(|own| -> Arc<dyn Observer> { own }));
        let listener = &config.listener;
        let service = CheckService::new(Arc::clone(pdp), observers)
            .at_most(listener.concurrent_checks)
            .shown(listener.shown_headers)
            .finding_clients(listener.client_address.clone());
        match &self.audit {
            Some(audit) => service.recorded_by(audit.clone()),
            None => service,
        }
    }

    pub(super) fn caller_clocks(&self) -> CallerClocks {
        let (callers, clock_offset) = (Arc::clone(&self.callers), Arc::clone(&self.clock_offset));
        CallerClocks { callers, clock_offset }
    }

    pub(super) fn anomalies(&self) -> AnomalyComponent {
        AnomalyComponent(self.anomalies.as_ref().map(|own| Arc::clone(own.tally())))
    }

    /// Writes and sends what is left, within a bounded time.
    pub(super) async fn close(self) {
        let Self { audit, metrics, traces, .. } = self;
        let traces = async {
            if let Some(traces) = traces {
                // It bounds its own wait.
                let _ = tokio::task::spawn_blocking(move || traces.close()).await;
            }
        };
        let audit = async {
            if let Some(audit) = audit {
                close(audit).await;
            }
        };
        tokio::join!(traces, audit);
        // After them, so that the metrics count what they lost.
        let metrics = tokio::task::spawn_blocking(move || metrics.close());
        if tokio::time::timeout(METRICS_FLUSH, metrics).await.is_err() {
            tracing::warn!("the collector stalls: the last metrics are lost");
        }
    }
}

/// Writes a signal among the decisions.
fn announce(anomaly: &Anomaly, audit: Option<&AuditLog>) {
    let Some(audit) = audit else { return };
    let Anomaly { signal, at, decision, about, detail } = anomaly;
    let (signal, decision) = (signal.as_str(), decision.to_string());
    audit.announce(&Event { at: *at, signal, about, detail, of_decision: &decision });
}

/// Writes what was decided. A sink that stalls must not keep the process.
async fn close(audit: Arc<AuditLog>) {
    let log = Arc::clone(&audit);
    // The wait blocks. Where it takes too long its thread is left behind and ends with the process.
    let closing = tokio::task::spawn_blocking(move || log.close());
    if tokio::time::timeout(AUDIT_FLUSH, closing).await.is_err() {
        tracing::warn!("the audit log's sink stalls: what waited for it is lost");
    }
    for (sink, counts) in audit.counts() {
        let dropped = counts.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(sink, dropped, "audit records were lost");
        }
    }
}
