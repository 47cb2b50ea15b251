//! The listener that Envoy asks, and its certificate.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::admin::status::{ListenerPageStatus, ListenerTlsStatus, StatusPage};
use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::{Component, ago, count, until};
use crate::clock::UnixTime;
use crate::envoy::{ListenAddress, ListenerStatus, Tls, TlsStatus};
use crate::telemetry::{Measurement, instruments};
use crate::trust::{LifePhase, Validity};

pub(in crate::app) struct ListenerPart {
    pub(in crate::app) status: Arc<ListenerStatus>,
    pub(in crate::app) address: Option<ListenAddress>,
    pub(in crate::app) tls: Option<Arc<Tls>>,
}

/// Envoy does not connect to a listener whose certificate has expired.
pub(in crate::app) struct ListenerCertificate(pub(in crate::app) Option<Arc<Tls>>);

impl Component for ListenerPart {
    fn health(&self, _now: UnixTime) -> Vec<ComponentHealth> {
        let (condition, detail) = if self.status.draining.load(Ordering::SeqCst) {
            (HealthState::NotReady, "draining, about to end")
        } else {
            (HealthState::Good, "answering")
        };
        vec![ComponentHealth::new("listener", condition, detail)]
    }

    fn show(&self, _now: UnixTime, page: &mut StatusPage) {
        let Self { status, address, tls } = self;
        let tls = tls.as_ref().map(|tls| tls.status());
        page.listener = ListenerPageStatus {
            address: address.as_ref().map(ToString::to_string),
            tls: tls.map(|TlsStatus { validity, problem, .. }| ListenerTlsStatus {
                not_after: validity.not_after.to_rfc3339(),
                problem,
            }),
            draining: status.draining.load(Ordering::Relaxed),
            connections: count(&status.connections),
            connections_greeting: count(&status.greeting),
            connections_accepted: count(&status.accepted),
            connections_refused: count(&status.refused),
            connections_aged: count(&status.aged),
            calls_reset: count(&status.reset),
            connections_broken: count(&status.broken),
            connections_revoked: count(&status.revoked),
            checks_in_flight: count(&status.checks),
        };
    }

    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let status = &self.status;
        vec![
            instruments::CONNECTIONS.shows(count(&status.connections)),
            instruments::CONNECTIONS_GREETING.shows(count(&status.greeting)),
            instruments::CHECKS_IN_FLIGHT.shows(count(&status.checks)),
            instruments::DRAINING.shows(status.draining.load(Ordering::Relaxed)),
            instruments::CONNECTIONS_ACCEPTED.shows(count(&status.accepted)),
            instruments::CONNECTIONS_REFUSED.shows(count(&status.refused)),
            instruments::CONNECTIONS_AGED.shows(count(&status.aged)),
            instruments::CALLS_RESET.shows(count(&status.reset)),
            instruments::CONNECTIONS_BROKEN.shows(count(&status.broken)),
            instruments::CONNECTIONS_REVOKED.shows(count(&status.revoked)),
        ]
    }
}

impl Component for ListenerCertificate {
    fn health(&self, now: UnixTime) -> Vec<ComponentHealth> {
        self.0.iter().map(|tls| listener_certificate(&tls.status(), now)).collect()
    }

    fn metrics(&self, now: UnixTime) -> Vec<Measurement> {
        let own = self.0.iter().map(|tls| tls.status().validity);
        let expiry = own.clone().map(|own| ("listener".to_owned(), own.not_after.as_secs()));
        let ending = own.map(|own| {
            let is_ending = matches!(own.phase(now), LifePhase::Ending | LifePhase::Over);
            ("listener".to_owned(), i64::from(is_ending))
        });
        vec![
            instruments::CERTIFICATE_EXPIRY.shows_each(expiry),
            instruments::CERTIFICATE_ENDING.shows_each(ending),
        ]
    }
}

/// The line of the listener's certificate.
pub(crate) fn listener_certificate(
    TlsStatus { validity, problem }: &TlsStatus,
    now: UnixTime,
) -> ComponentHealth {
    let Validity { not_before, not_after } = *validity;
    let (mut condition, mut detail) = match validity.phase(now) {
        LifePhase::Over => (HealthState::NotReady, format!("expired {}", ago(not_after, now))),
        LifePhase::Early => {
            (HealthState::NotReady, format!("not valid for another {}", until(not_before, now)))
        }
        LifePhase::Ending => {
            (HealthState::Degraded, format!("expires in {}", until(not_after, now)))
        }
        LifePhase::Within => (HealthState::Good, format!("expires in {}", until(not_after, now))),
    };
    if let Some(problem) = problem {
        condition = condition.or_degraded();
        detail = format!("{detail}; the files cannot be used: {problem}");
    }
    ComponentHealth::new("certificate of the listener", condition, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    #[test]
    fn a_certificate_is_shown_with_the_time_that_it_has_left() {
        let status = |left: i64, problem: Option<&str>| TlsStatus {
            validity: Validity {
                not_before: UnixTime::from_secs(NOW.as_secs() - 4000),
                not_after: UnixTime::from_secs(NOW.as_secs() + left),
            },
            problem: problem.map(str::to_owned),
        };
        let shown = |status| listener_certificate(&status, NOW).to_string();
        let name = "certificate of the listener";
        assert_eq!(shown(status(7200, None)), format!("[+] {name}: expires in 2h"));
        assert_eq!(shown(status(60, None)), format!("[~] {name}: expires in 1m"));
        assert_eq!(shown(status(-60, None)), format!("[-] {name}: expired 1m ago"));
        let torn = shown(status(7200, Some("no key")));
        assert_eq!(torn, format!("[~] {name}: expires in 2h; the files cannot be used: no key"));
    }
}
