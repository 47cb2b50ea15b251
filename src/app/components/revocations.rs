//! Revocations: those in lists beside the documents, and those that replicas make while they run.

use std::sync::Arc;
use std::time::Duration;

use crate::admin::status::{RevocationStatus, StatusPage};
use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::Component;
use crate::clock::UnixTime;
use crate::document::HumanDuration;
use crate::pdp::{ListStatus, RevocationRegister, SharingStatus};
use crate::store::StoreKind;
use crate::telemetry::{Measurement, instruments};
use crate::words::counted;

pub(in crate::app) struct RevocationsComponent(pub(in crate::app) Arc<RevocationRegister>);

impl Component for RevocationsComponent {
    fn health(&self, _now: UnixTime) -> Vec<ComponentHealth> {
        let lists = self.0.lists();
        lists.iter().map(list).chain(self.0.sharing().as_ref().map(sharing)).collect()
    }

    fn show(&self, now: UnixTime, page: &mut StatusPage) {
        let current = self.0.current();
        page.revocations = RevocationStatus {
            entries: current.in_force(now),
            refusing_for: current.stale().map(ToString::to_string),
            lists: self.0.lists(),
            sharing: self.0.sharing(),
        };
    }

    fn metrics(&self, now: UnixTime) -> Vec<Measurement> {
        let (current, lists, sharing) = (self.0.current(), self.0.lists(), self.0.sharing());
        let stale = lists.iter().filter(|list| list.stale).count();
        let age = lists.iter().filter_map(|list| list.age_seconds).max().unwrap_or_default();
        let unshared = sharing.as_ref().map_or(0, |sharing| sharing.unshared);
        let failing = sharing.is_some_and(|sharing| sharing.error.is_some());
        vec![
            instruments::REVOCATION_ENTRIES.shows(current.in_force(now)),
            instruments::REVOCATION_REFUSING.shows(current.stale().is_some()),
            instruments::REVOCATION_LISTS_STALE.shows(stale),
            instruments::REVOCATION_LISTS_AGE.shows(age),
            instruments::REVOCATION_UNSHARED.shows(unshared),
            instruments::REVOCATION_STORE_FAILING.shows(failing),
        ]
    }
}

fn list(list: &ListStatus) -> ComponentHealth {
    let why = list.error.as_ref().map(|error| format!("; {error}")).unwrap_or_default();
    let of = |entries| counted(entries, "entry");
    let (condition, detail) = match (list.entries, list.age_seconds.map(duration)) {
        (Some(entries), Some(age)) if !list.stale && list.failures == 0 => {
            (HealthState::Good, format!("{}, {age} old", of(entries)))
        }
        (Some(entries), Some(age)) if list.refuses => (
            HealthState::Degraded,
            format!("{}, {age} old, too old to be used (revocations_stale){why}", of(entries)),
        ),
        (Some(entries), Some(age)) => {
            (HealthState::Degraded, format!("last good, {}, {age} old{why}", of(entries)))
        }
        _ if list.refuses => {
            (HealthState::Required, format!("never read, every credential is refused{why}"))
        }
        _ => (HealthState::Missing, format!("never read{why}")),
    };
    ComponentHealth::new(format!("revocation list {}", list.name), condition, detail)
}

fn duration(seconds: u64) -> HumanDuration {
    HumanDuration::new(Duration::from_secs(seconds))
}

fn shared(store: StoreKind) -> String {
    match store {
        StoreKind::Memory => String::from("on this server only (`store: memory`)"),
        StoreKind::Redis => format!("shared through {store}"),
    }
}

/// How it is as long as the store was not read: without it most requests may be refused.
pub(super) const fn before_sync(sharing: &SharingStatus) -> HealthState {
    if sharing.refuses { HealthState::Required } else { HealthState::Missing }
}

fn sharing(sharing: &SharingStatus) -> ComponentHealth {
    let why = sharing.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let unshared = sharing.unshared;
    let (condition, detail) = match (sharing.synced, &sharing.error) {
        (true, None) if unshared == 0 => (HealthState::Good, shared(sharing.store)),
        (true, _) => (
            HealthState::Degraded,
            format!("the last known stay in force, {unshared} wait to be shared{why}"),
        ),
        (false, _) => (before_sync(sharing), format!("not read from the store yet{why}")),
    };
    ComponentHealth::new("running revocations", condition, detail)
}
