//! Revocation as operators see it: gauges, a part of the status page, and what readiness waits for.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admin::{list_json, sharing_json};
use crate::pdp::RevocationRegister;
use crate::telemetry::Metrics;

pub(super) fn watch(metrics: &Metrics, register: &Arc<RevocationRegister>) {
    type Read = fn(&RevocationRegister) -> u64;
    let gauges: [(_, _, Read); 5] = [
        ("countersign.revocation.entries", "Revoked things that are in force", |register| {
            number(register.current().len())
        }),
        (
            "countersign.revocation.refusing",
            "1 while every request with a credential is refused, because a revocation list is too old or was never had",
            |register| u64::from(register.current().stale().is_some()),
        ),
        (
            "countersign.revocation.lists.stale",
            "Revocation lists that are past what their documents allow, or were never had",
            |register| number(register.lists().iter().filter(|list| list.past).count()),
        ),
        (
            "countersign.revocation.lists.age",
            "Seconds since the oldest revocation list was confirmed or written",
            |register| {
                let lists = register.lists();
                lists.iter().filter_map(|list| list.age).max().map_or(0, |age| age.as_secs())
            },
        ),
        (
            "countersign.revocation.unshared",
            "Revocations that the shared store has not taken yet",
            |register| register.sharing().map_or(0, |sharing| number(sharing.unshared)),
        ),
    ];
    for (name, help, read) in gauges {
        let register = Arc::clone(register);
        metrics.watch_gauge(name, help, move || read(&register));
    }
    let failing = Arc::clone(register);
    let help = "1 while what was revoked on other replicas cannot be read from the shared store";
    metrics.watch_gauge("countersign.revocation.store.failing", help, move || {
        u64::from(failing.sharing().is_some_and(|sharing| sharing.error.is_some()))
    });
}

pub(super) fn status(register: &RevocationRegister) -> Value {
    let current = register.current();
    json!({
        "entries": current.len(),
        "refusing_for": current.stale(),
        "lists": register.lists().iter().map(list_json).collect::<Vec<_>>(),
        "sharing": register.sharing().as_ref().map(sharing_json),
    })
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
