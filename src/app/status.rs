//! `/status`: what is in force and how it is doing, for an operator and for scripts. Names and ages; no key, no secret and
//! no address beyond its origin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::parts::Parts;
use super::revocations;
use crate::audit::AuditCounts;
use crate::clock::UnixTime;
use crate::pdp::{KeyStatus, RemoteStatus, Snapshot};
use crate::store::StoreHealth;
use crate::trust::{Issuer, KeySource, TrustDomain};

// === impl Parts ===

impl Parts {
    pub(super) fn status(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started_at": self.started.as_secs(),
            "uptime_seconds": self.clock.now().since(self.started).as_secs(),
            "revision": self.pdp.revision().as_str(),
            "documents": self.documents(),
            "trust_domains": self.pdp.inspect(|now| each(now.trust().domains(), domain)),
            "issuers": self.pdp.inspect(|now| each(now.trust().issuers(), issuer)),
            "keys": each(&self.keys.status(), key_status),
            "remote_files": each(&self.remote.status(), file_status),
            "store": store_status(&self.store.health()),
            "revocations": revocations::status(self.pdp.revocations()),
            "listener": self.listener(),
            "callers_expiring_first": self.callers.named(self.clock.now()),
            "audit": self.audit.iter().map(audit).collect::<Value>(),
            "log_level": self.log_level.get(),
            "components": self.components(),
        })
    }

    fn documents(&self) -> Value {
        let reload = &self.reload;
        json!({
            "policies": self.pdp.inspect(policies),
            "stale": reload.stale.load(Ordering::Relaxed),
            "reloads_applied": count(&reload.applied),
            "reloads_refused": count(&reload.refused),
            "errors": reload.errors.load().as_ref(),
            "unconfirmed_set": reload.unconfirmed().as_deref(),
        })
    }

    fn listener(&self) -> Value {
        let listener = &self.listener;
        json!({
            "address": self.address.as_ref().map(ToString::to_string),
            "tls": self.tls.as_ref().map(|tls| {
                let status = tls.status();
                json!({ "not_after": status.not_after.as_secs(), "problem": status.problem })
            }),
            "draining": listener.draining.load(Ordering::Relaxed),
            "connections": count(&listener.connections),
            "connections_accepted": count(&listener.accepted),
            "connections_refused": count(&listener.refused),
            "connections_aged": count(&listener.aged),
            "calls_reset": count(&listener.reset),
            "connections_broken": count(&listener.broken),
            "connections_revoked": count(&listener.revoked),
            "checks_in_flight": count(&listener.checks),
        })
    }
}

/// One sink of records.
fn audit((sink, counts): &(&'static str, Arc<AuditCounts>)) -> (String, Value) {
    let status = json!({
        "waiting": count(&counts.waiting),
        "written": count(&counts.written),
        "unsampled": count(&counts.unsampled),
        "dropped": count(&counts.dropped),
        "failed_writes": count(&counts.failed),
    });
    ((*sink).to_owned(), status)
}

fn each<T>(items: &[T], show: fn(&T) -> Value) -> Vec<Value> {
    items.iter().map(show).collect()
}

fn count(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn seconds(moment: Option<UnixTime>) -> Option<i64> {
    moment.map(UnixTime::as_secs)
}

/// How many rules each policy has.
fn policies(snapshot: &Snapshot) -> Value {
    let mut rules = std::collections::BTreeMap::<String, u64>::new();
    for (name, _, _) in snapshot.policies().rules() {
        let count = rules.entry(name.policy.to_string()).or_default();
        *count = count.saturating_add(1);
    }
    json!(rules)
}

fn domain(domain: &TrustDomain) -> Value {
    let authorities = domain.authorities().iter().map(|authority| authority.validity().not_after);
    let lists = domain.revocation().into_iter().flat_map(|revocation| revocation.lists());
    json!({
        "name": domain.name(),
        "spiffe": domain.spiffe().map(ToString::to_string),
        "authorities_not_after": authorities.map(UnixTime::as_secs).collect::<Vec<_>>(),
        "revocation_lists": lists.map(|list| json!({
            "number": list.number(),
            "this_update": list.validity().not_before.as_secs(),
            "next_update": list.validity().not_after.as_secs(),
            "revoked": list.len(),
        })).collect::<Vec<_>>(),
        "revocation_list_problems": domain.list_problems(),
    })
}

fn issuer(issuer: &Issuer) -> Value {
    json!({
        "name": issuer.name(),
        "issuer": issuer.iss(),
        "audiences": issuer.audiences(),
        "keys": match issuer.keys() {
            KeySource::Local(_) => "local",
            KeySource::Remote(_) => "fetched",
            KeySource::Introspected(_) => "introspection",
        },
    })
}

fn key_status(status: &KeyStatus) -> Value {
    let keys = status.keys.iter().flat_map(|set| set.keys()).map(|key| {
        let first_seen = status.first_seen.get(key.thumbprint()).copied();
        json!({
            "kid": key.id(),
            "thumbprint": key.thumbprint(),
            "first_seen": seconds(first_seen),
        })
    });
    json!({
        "keys": keys.collect::<Vec<_>>(),
        "origin": status.origin,
        "usable": status.keys.is_some(),
        "fetched_at": seconds(status.fetched_at),
        "next_fetch": status.next_fetch.as_secs(),
        "failures": status.failures,
    })
}

fn file_status(status: &RemoteStatus) -> Value {
    json!({
        "origin": status.origin,
        "fetched_at": seconds(status.fetched_at),
        "failures": status.failures,
        "unusable": status.unusable,
    })
}

fn store_status(health: &StoreHealth) -> Value {
    json!({
        "kind": health.kind,
        "up": health.up,
        "since": health.since.map(UnixTime::as_secs),
        "losses": health.losses,
        "why": health.why,
    })
}
