//! Throttling of failed attempts to authenticate.

use std::sync::Arc;

use crate::admin::status::{StatusPage, ThrottleCounts, ThrottlePageStatus};
use crate::app::component::Component;
use crate::clock::UnixTime;
use crate::pdp::ThrottleMode;
use crate::pdp::{Pdp, ThrottleStatus};
use crate::telemetry::{Measurement, instruments};

pub(in crate::app) struct ThrottleComponent(pub(in crate::app) Arc<Pdp>);

impl ThrottleComponent {
    fn own(&self) -> Option<ThrottleStatus> {
        self.0.throttle().map(|throttle| throttle.status())
    }
}

impl Component for ThrottleComponent {
    fn show(&self, _now: UnixTime, page: &mut StatusPage) {
        let own = self.own();
        let mode = own.as_ref().map_or(ThrottleMode::Disabled, |own| own.options.mode);
        let counts = own.map(|own| ThrottleCounts {
            failures: own.options.failures.get(),
            per: own.options.per.to_string(),
            sources: own.sources,
            attempts: own.attempts.map(|(limit, count)| (limit.to_owned(), count)).into(),
            shared: own.options.shared,
            unshared: own.unshared,
        });
        page.throttle = ThrottlePageStatus { mode, counts };
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
