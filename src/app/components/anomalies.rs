//! Signals that something is odd.

use std::sync::Arc;

use crate::admin::status::{AnomaliesStatus, SignalStatus, StatusPage};
use crate::app::component::Component;
use crate::clock::UnixTime;
use crate::telemetry::{AnomalyCounts, Measurement, instruments};

pub(in crate::app) struct AnomalyComponent(pub(in crate::app) Option<Arc<AnomalyCounts>>);

impl Component for AnomalyComponent {
    fn show(&self, _now: UnixTime, page: &mut StatusPage) {
        let Some(tally) = &self.0 else { return };
        let last = tally.last().into_iter().map(|own| SignalStatus {
            signal: own.signal.to_string(),
            at: own.at.to_rfc3339(),
            about: own.about,
            detail: own.detail,
            decision_id: own.decision.to_string(),
        });
        page.anomalies = Some(AnomaliesStatus { last: last.collect(), dropped: tally.dropped() });
    }

    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let counts = self.0.iter().flat_map(|tally| tally.counts());
        let counts = counts.map(|(signal, count)| (signal.as_str().to_owned(), count));
        let dropped = self.0.as_ref().map_or(0, |tally| tally.dropped());
        vec![
            instruments::ANOMALIES.shows_each(counts),
            instruments::ANOMALIES_DROPPED.shows(dropped),
        ]
    }
}
