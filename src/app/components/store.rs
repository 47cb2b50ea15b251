//! The store that replicas share.

use std::sync::Arc;

use super::revocations::before_sync;
use crate::admin::status::{StatusPage, StoreStatus};
use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::{Component, ago, shown_at};
use crate::clock::UnixTime;
use crate::pdp::Pdp;
use crate::store::{Store, StoreHealth};
use crate::telemetry::{Measurement, instruments};

pub(in crate::app) struct SharedStore {
    pub(in crate::app) store: Arc<Store>,
    pub(in crate::app) pdp: Arc<Pdp>,
}

impl Component for SharedStore {
    /// A store that was lost leaves a replica ready: all replicas would lose it at once, and most requests do not need it.
    fn health(&self, now: UnixTime) -> Vec<ComponentHealth> {
        let StoreHealth { kind, up, was_up, since, why, forgetful, accepted, .. } =
            self.store.health();
        let forgets = forgetful.filter(|_| !accepted);
        let (condition, detail) = match (up, since.map(|since| ago(since, now))) {
            (true, since) => {
                let up = since
                    .map_or_else(|| kind.to_string(), |since| format!("{kind}, up since {since}"));
                match forgets {
                    Some(why) => (HealthState::Degraded, format!("{up}: {why}")),
                    None => (HealthState::Good, up),
                }
            }
            (false, since) if was_up => {
                let since = since.unwrap_or_default();
                (HealthState::Degraded, format!("{kind}, lost {since}: {why}"))
            }
            (false, _) => {
                // With the revocations that were known before the start, requests can be decided without it.
                let sharing = self.pdp.revocations().sharing();
                let condition = match &sharing {
                    Some(sharing) if sharing.synced => HealthState::Degraded,
                    Some(sharing) => before_sync(sharing),
                    None => HealthState::Required,
                };
                (condition, format!("{kind}, not usable yet: {why}"))
            }
        };
        vec![ComponentHealth::new("store", condition, detail)]
    }

    fn show(&self, _now: UnixTime, page: &mut StatusPage) {
        let health = self.store.health();
        page.store = StoreStatus {
            kind: health.kind.to_string(),
            up: health.up,
            since: shown_at(health.since),
            losses: health.losses,
            why: health.why,
            forgetful: health.forgetful,
        };
    }

    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let health = self.store.health();
        let forgetful = health.forgetful.is_some() && !health.accepted;
        vec![
            instruments::STORE_UP.shows(health.up),
            instruments::STORE_LOSSES.shows(health.losses),
            instruments::STORE_FORGETFUL.shows(forgetful),
        ]
    }
}
