//! The process: its version and age, its log level, and the telemetry that it sends.

use std::sync::Arc;

use crate::admin::status::StatusPage;
use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::Component;
use crate::clock::UnixTime;
use crate::signer::Signer;
use crate::telemetry::panics::{self, Panics};
use crate::telemetry::{Exports, LogLevel, Measurement, instruments};

pub(in crate::app) struct ProcessComponent {
    pub(in crate::app) started: UnixTime,
    pub(in crate::app) log_level: LogLevel,
    pub(in crate::app) exports: Exports,
    pub(in crate::app) signer: Option<Arc<Signer>>,
}

impl Component for ProcessComponent {
    fn health(&self, _now: UnixTime) -> Vec<ComponentHealth> {
        panicked(&panics::so_far()).into_iter().collect()
    }

    fn show(&self, now: UnixTime, page: &mut StatusPage) {
        page.version = env!("CARGO_PKG_VERSION").to_owned();
        page.started_at = self.started.to_rfc3339();
        page.uptime_seconds = now.since(self.started).as_secs();
        page.log_level = self.log_level.get();
        page.panics = panics::so_far().count;
    }

    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let signed =
            self.signer.iter().map(|own| instruments::ASSERTIONS_SIGNED.shows(own.signed()));
        let failed = instruments::EXPORTS_FAILED.shows_each(self.exports.failed());
        let panics = instruments::PANICS.shows(panics::so_far().count);
        let build = (env!("CARGO_PKG_VERSION").to_owned(), 1_i64);
        let build = instruments::BUILD_INFO.shows_each([build]);
        signed.chain([build, panics, failed]).collect()
    }
}

/// A line where there was a panic. A thread that it ended does not come back, and only a restart brings it.
fn panicked(panics: &Panics) -> Option<ComponentHealth> {
    let last = panics.last.as_deref().filter(|_| panics.count > 0)?;
    let detail = format!("{} panics, the last at {last}: a defect, please report it", panics.count);
    Some(ComponentHealth::new("process", HealthState::Degraded, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P251: an operator sees that a thread is gone.
    #[test]
    fn a_panic_degrades_the_process() {
        assert_eq!(panicked(&Panics::default()), None);
        let last = Some(String::from("src/a.rs:1:2 in the thread `audit otlp`"));
        let shown = panicked(&Panics { count: 1, last }).unwrap().to_string();
        assert!(
            shown.starts_with("[~] process: 1 panics") && shown.contains("audit otlp"),
            "{shown}"
        );
    }
}
