//! The parts of a running server, one file each, and the pages that they make together.

mod anomalies;
mod audit;
mod callers;
mod documents;
mod keys;
mod listener;
mod process;
mod remote_files;
mod revocations;
mod state_folder;
mod store;
mod throttle;
mod trust;

use std::sync::Arc;

pub(super) use self::anomalies::AnomalyComponent;
pub(super) use self::audit::Audit;
pub(super) use self::callers::CallerClocks;
pub(super) use self::documents::DocumentsComponent;
pub(crate) use self::listener::listener_certificate;
pub(super) use self::listener::{ListenerCertificate, ListenerPart};
pub(super) use self::process::ProcessComponent;
pub(super) use self::revocations::RevocationsComponent;
pub(super) use self::state_folder::StateFolderComponent;
pub(super) use self::store::SharedStore;
pub(super) use self::throttle::ThrottleComponent;
pub(super) use self::trust::Trust;
pub(crate) use self::trust::trust_domain_health;

use super::component::Component;
use crate::admin::status::StatusPage;
use crate::admin::{ComponentHealth, Readiness};
use crate::clock::Clock;
use crate::telemetry::{Metrics, Sample};

/// The parts of a running server, in the order in which an operator looks at them.
pub(super) struct Components {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) parts: Vec<Box<dyn Component>>,
    pub(super) readiness: Readiness,
}

impl Components {
    /// The lines of `/readyz?verbose`.
    pub(super) fn health(&self) -> Vec<ComponentHealth> {
        self.readiness.judge(self.own_health())
    }

    /// Waits until the server is ready, and says so in the log.
    pub(super) async fn become_ready(&self) {
        self.readiness.reach(|| self.own_health()).await;
    }

    fn own_health(&self) -> Vec<ComponentHealth> {
        let now = self.clock.now();
        self.parts.iter().flat_map(|part| part.health(now)).collect()
    }

    /// `/status`.
    pub(super) fn status(&self) -> StatusPage {
        let now = self.clock.now();
        let mut page = StatusPage { components: self.health(), ..StatusPage::default() };
        self.parts.iter().for_each(|part| part.show(now, &mut page));
        page
    }

    /// Shows every part's metrics on `metrics`.
    pub(super) fn register_metrics(self: &Arc<Self>, metrics: &Metrics) {
        for (index, part) in self.parts.iter().enumerate() {
            for measurement in part.metrics(self.clock.now()) {
                let (parts, instrument) = (Arc::clone(self), measurement.instrument);
                metrics.watch(instrument, move || parts.samples(index, instrument.name));
            }
        }
    }

    fn samples(&self, part: usize, instrument: &str) -> Vec<Sample> {
        let part = self.parts.get(part);
        let all = part.map(|part| part.metrics(self.clock.now())).unwrap_or_default();
        let own = all.into_iter().find(|measurement| measurement.instrument.name == instrument);
        own.map(|measurement| measurement.samples).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
