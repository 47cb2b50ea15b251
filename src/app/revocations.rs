//! Revocation as operators see it: gauges, a part of the status page, and what readiness waits for.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admin::api::{ListReport, SharingReport};
use crate::admin::{Component, Condition};
use crate::document::HumanDuration;
use crate::pdp::{ListStatus, RevocationRegister, SharingStatus};
use crate::telemetry::{Metrics, instruments};

pub(super) fn watch(metrics: &Metrics, register: &Arc<RevocationRegister>) {
    type Read = fn(&RevocationRegister) -> u64;
    let gauges: [(_, Read); 6] = [
        (&instruments::REVOCATION_ENTRIES, |register| number(register.current().len())),
        (&instruments::REVOCATION_REFUSING, |register| {
            u64::from(register.current().stale().is_some())
        }),
        (&instruments::REVOCATION_LISTS_STALE, |register| {
            number(register.lists().iter().filter(|list| list.past).count())
        }),
        (&instruments::REVOCATION_LISTS_AGE, |register| {
            let lists = register.lists();
            lists.iter().filter_map(|list| list.age).max().map_or(0, |age| age.as_secs())
        }),
        (&instruments::REVOCATION_UNSHARED, |register| {
            register.sharing().map_or(0, |sharing| number(sharing.unshared))
        }),
        (&instruments::REVOCATION_STORE_FAILING, |register| {
            u64::from(register.sharing().is_some_and(|sharing| sharing.error.is_some()))
        }),
    ];
    for (instrument, read) in gauges {
        let register = Arc::clone(register);
        metrics.watch_gauge(instrument, move || read(&register));
    }
}

pub(super) fn status(register: &RevocationRegister) -> Value {
    let current = register.current();
    json!({
        "entries": current.len(),
        "refusing_for": current.stale(),
        "lists": register.lists().iter().map(ListReport::from).collect::<Vec<_>>(),
        "sharing": register.sharing().as_ref().map(SharingReport::from),
    })
}

/// The lists that are read beside the documents, and what other replicas revoke.
pub(super) fn components(register: &RevocationRegister) -> Vec<Component> {
    let lists = register.lists();
    let lists = lists.iter().map(list);
    lists.chain(register.sharing().as_ref().map(sharing)).collect()
}

fn list(list: &ListStatus) -> Component {
    let why = list.error.as_ref().map(|error| format!("; {error}")).unwrap_or_default();
    let age = list.age.map(|age| HumanDuration::new(std::time::Duration::from_secs(age.as_secs())));
    let (condition, detail) = match (list.entries, age) {
        (Some(entries), Some(age)) if !list.past && list.failures == 0 => {
            (Condition::Good, format!("{entries} entries, {age} old"))
        }
        (Some(entries), Some(age)) if list.refuses => (
            Condition::Degraded,
            format!("{entries} entries, {age} old, too old to be used (revocations_stale){why}"),
        ),
        (Some(entries), Some(age)) => {
            (Condition::Degraded, format!("last good, {entries} entries, {age} old{why}"))
        }
        _ => (Condition::NotReady, format!("never had{why}")),
    };
    Component::new(format!("revocation list {}", list.name), condition, detail)
}

fn sharing(sharing: &SharingStatus) -> Component {
    let why = sharing.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let unshared = sharing.unshared;
    let (condition, detail) = match (sharing.synced, &sharing.error) {
        (true, None) if unshared == 0 => {
            (Condition::Good, format!("shared through {}", sharing.store))
        }
        (true, _) => (
            Condition::Degraded,
            format!("the last known stay in force, {unshared} wait to be shared{why}"),
        ),
        (false, _) => (Condition::NotReady, format!("not read from the store yet{why}")),
    };
    Component::new("running revocations", condition, detail)
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
