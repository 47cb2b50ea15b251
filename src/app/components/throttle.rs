//! Throttling of failed attempts to authenticate.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::app::component::Component;
use crate::clock::UnixTime;
use crate::pdp::{Pdp, ThrottleStatus};
use crate::telemetry::{Measurement, instruments};

pub(in crate::app) struct ThrottleComponent(pub(in crate::app) Arc<Pdp>);

impl ThrottleComponent {
    fn own(&self) -> Option<ThrottleStatus> {
        self.0.throttle().map(|throttle| throttle.status())
    }
}

impl Component for ThrottleComponent {
    fn status(&self, _now: UnixTime) -> Value {
        let Some(own) = self.own() else { return json!({ "throttle": { "mode": "disabled" } }) };
        let attempts = own.attempts.map(|(limit, count)| (limit.to_owned(), json!(count)));
        json!({ "throttle": {
            "mode": own.options.mode,
            "failures": own.options.failures,
            "per": own.options.per,
            "sources": own.sources,
            "attempts": Map::from_iter(attempts),
            "shared": own.options.shared,
            "unshared": own.unshared,
        } })
    }

    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let own = self.own();
        let attempts = own.map(|own| own.attempts.map(|(limit, count)| (limit.to_owned(), count)));
        vec![
            instruments::THROTTLE_ATTEMPTS.shows_each(attempts.into_iter().flatten()),
            instruments::THROTTLE_SOURCES.shows(own.map_or(0, |own| own.sources)),
            instruments::THROTTLE_UNSHARED.shows(own.map_or(0, |own| own.unshared)),
        ]
    }
}
