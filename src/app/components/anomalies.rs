//! Signals that something is odd.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::component::Component;
use crate::clock::UnixTime;
use crate::telemetry::{AnomalyCounts, Measurement, instruments};

pub(in crate::app) struct AnomalyComponent(pub(in crate::app) Option<Arc<AnomalyCounts>>);

impl Component for AnomalyComponent {
    fn status(&self, _now: UnixTime) -> Value {
        let Some(tally) = &self.0 else { return json!({}) };
        let last = tally.last().into_iter().map(|own| {
            let (signal, decision) = (own.signal.as_str(), own.decision.to_string());
            json!({ "signal": signal, "at": own.at.to_rfc3339(), "about": own.about, "detail": own.detail, "decision_id": decision })
        });
        json!({ "anomalies": { "last": last.collect::<Vec<_>>(), "dropped": tally.dropped() } })
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
