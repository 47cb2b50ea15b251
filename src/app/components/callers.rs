//! Callers and proxies as checks show them: certificates about to expire, clocks that differ.

use std::sync::Arc;
use std::time::Duration;

use crate::admin::status::{CallerExpiry, StatusPage};
use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::Component;
use crate::clock::UnixTime;
use crate::document::HumanDuration;
use crate::telemetry::{Callers, ClockOffset, Measurement, instruments};

#[derive(Default)]
pub(in crate::app) struct CallerClocks {
    pub(in crate::app) callers: Arc<Callers>,
    pub(in crate::app) clock_offset: Arc<ClockOffset>,
}

/// Beyond so many seconds clocks differ: the time from Envoy to us is far less. The alert has the same number.
const CLOCKS_DIFFER: f64 = 2.0;

impl Component for CallerClocks {
    fn health(&self, now: UnixTime) -> Vec<ComponentHealth> {
        let bounds = self.clock_offset.bounds(now);
        let least = bounds.iter().find(|(bound, _)| bound == "least");
        least.map(|(_, least)| clock(*least)).into_iter().collect()
    }

    fn show(&self, now: UnixTime, page: &mut StatusPage) {
        let named = self.callers.named(now).into_iter().map(|own| CallerExpiry {
            trust_domain: own.trust_domain,
            name: own.name,
            fingerprint: own.fingerprint.to_hex(),
            not_after: own.not_after.to_rfc3339(),
        });
        page.callers_expiring_first = named.collect();
    }

    fn metrics(&self, now: UnixTime) -> Vec<Measurement> {
        vec![
            instruments::CALLER_EXPIRY.shows_each(self.callers.soonest(now)),
            instruments::CLOCK_OFFSET.shows_each(self.clock_offset.bounds(now)),
        ]
    }
}

/// The line about this machine's clock, which was `ahead` of Envoy's by so many seconds, or behind.
fn clock(ahead: f64) -> ComponentHealth {
    let apart = HumanDuration::new(Duration::from_secs_f64(ahead.abs())).rounded();
    let (state, detail) = match ahead {
        own if own > CLOCKS_DIFFER => {
            (HealthState::Degraded, format!("{apart} ahead of Envoy's: one is wrong"))
        }
        own if own < -CLOCKS_DIFFER => {
            (HealthState::Degraded, format!("{apart} behind Envoy's: one is wrong"))
        }
        _ => (HealthState::Good, String::from("as Envoy's")),
    };
    ComponentHealth::new(String::from("clock"), state, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P704: a clock that differs from Envoy's is a part that needs a look, in either direction.
    #[test]
    fn a_clock_that_differs_needs_a_look() {
        for (ahead, state, detail) in [
            (0.004, HealthState::Good, "as Envoy's"),
            (-1.5, HealthState::Good, "as Envoy's"),
            (3600.0, HealthState::Degraded, "1h ahead of Envoy's: one is wrong"),
            (-3599.997, HealthState::Degraded, "59m59s behind Envoy's: one is wrong"),
        ] {
            assert_eq!(clock(ahead), ComponentHealth::new(String::from("clock"), state, detail));
        }
    }
}
