//! Callers and proxies as checks show them: certificates about to expire, clocks that differ.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::component::Component;
use crate::clock::UnixTime;
use crate::telemetry::{Callers, ClockOffset, Measurement, instruments};

#[derive(Default)]
pub(in crate::app) struct CallerClocks {
    pub(in crate::app) callers: Arc<Callers>,
    pub(in crate::app) clock_offset: Arc<ClockOffset>,
}

impl Component for CallerClocks {
    fn status(&self, now: UnixTime) -> Value {
        json!({ "callers_expiring_first": self.callers.named(now) })
    }

    fn metrics(&self, now: UnixTime) -> Vec<Measurement> {
        vec![
            instruments::CALLER_EXPIRY.shows_each(self.callers.soonest(now)),
            instruments::CLOCK_OFFSET.shows_each(self.clock_offset.bounds(now)),
        ]
    }
}
