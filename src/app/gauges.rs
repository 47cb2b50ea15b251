//! What the metrics page shows of levels and counts that are kept by the parts themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::parts::Parts;
use crate::audit::AuditCounts;
use crate::clock::UnixTime;
use crate::pdp::{KeyStatus, RemoteStatus};
use crate::store::Store;
use crate::telemetry::{Metrics, instruments};
use crate::trust::TrustDomain;

impl Parts {
    /// Shows everything on `metrics`.
    pub(super) fn watched_by(self: &Arc<Self>, metrics: &Metrics) {
        self.watch_documents(metrics);
        self.watch_listener(metrics);
        watch_audit(metrics, &self.audit);
        watch_store(metrics, &self.store);
        super::revocations::watch(metrics, self.pdp.revocations());
        self.watch_moments(metrics);
        if let Some(signer) = self.signer.clone() {
            metrics.watch_counter(&instruments::ASSERTIONS_SIGNED, move || signer.signed());
        }
        let parts = Arc::clone(self);
        metrics
            .watch_counter(&instruments::UNKNOWN_XFCC_KEYS, move || parts.pdp.unknown_xfcc_keys());
        let exports = self.exports.clone();
        metrics.watch_counters(&instruments::EXPORTS_FAILED, move || exports.failed());
        let parts = Arc::clone(self);
        metrics.watch_seconds(&instruments::CLOCK_OFFSET, move || {
            parts.clock_offset.bounds(parts.clock.now())
        });
    }

    fn watch_documents(self: &Arc<Self>, metrics: &Metrics) {
        let shown = |read: fn(&Self) -> u64| {
            let parts = Arc::clone(self);
            move || read(&parts)
        };
        metrics.watch_counter(
            &instruments::RELOADS_APPLIED,
            shown(|parts| count(&parts.reload.applied)),
        );
        metrics.watch_counter(
            &instruments::RELOADS_REFUSED,
            shown(|parts| count(&parts.reload.refused)),
        );
        let parts = Arc::clone(self);
        metrics.watch_gauges(&instruments::DOCUMENTS_INFO, move || {
            vec![(parts.pdp.revision().to_string(), 1)]
        });
        metrics
            .watch_gauge(&instruments::DOCUMENTS_STALE, shown(|parts| flag(&parts.reload.stale)));
    }

    /// When things were fetched and when they expire: alert on `time()` minus or until them. One series for each origin,
    /// trust domain and certificate in documents and settings.
    fn watch_moments(self: &Arc<Self>, metrics: &Metrics) {
        let shown = |read: fn(&Self) -> Vec<(String, i64)>| {
            let parts = Arc::clone(self);
            move || read(&parts)
        };
        metrics.watch_gauges(
            &instruments::KEYS_FETCHED,
            shown(|parts| {
                let fetched = |key: KeyStatus| Some((key.origin, key.fetched_at?.as_secs()));
                parts.keys.status().into_iter().filter_map(fetched).collect()
            }),
        );
        metrics.watch_gauges(
            &instruments::KEYS_USABLE,
            shown(|parts| {
                let usable = |key: KeyStatus| (key.origin, i64::from(key.keys.is_some()));
                parts.keys.status().into_iter().map(usable).collect()
            }),
        );
        metrics.watch_gauges(
            &instruments::FILE_FETCHED,
            shown(|parts| {
                let fetched = |file: RemoteStatus| Some((file.origin, file.fetched_at?.as_secs()));
                parts.remote.status().into_iter().filter_map(fetched).collect()
            }),
        );
        metrics.watch_gauges(
            &instruments::FILE_UNUSABLE,
            shown(|parts| {
                let unusable = |file: RemoteStatus| (file.origin, i64::from(file.unusable));
                parts.remote.status().into_iter().map(unusable).collect()
            }),
        );
        metrics.watch_gauges(
            &instruments::AUTHORITY_EXPIRY,
            shown(|parts| {
                parts.of_domains(|domain| {
                    let ends = domain.authorities().iter().map(|a| a.validity().not_after);
                    ends.min()
                })
            }),
        );
        metrics.watch_gauges(
            &instruments::CRL_NEXT_UPDATE,
            shown(|parts| parts.of_domains(|domain| domain.revocation()?.next_update())),
        );
        metrics.watch_gauges(
            &instruments::CRL_PROBLEMS,
            shown(|parts| {
                parts.pdp.inspect(|snapshot| {
                    let domains = snapshot.trust().domains().iter();
                    let asked = domains.filter(|domain| domain.revocation().is_some());
                    let count = |domain: &TrustDomain| {
                        let problems = domain.list_problems().len();
                        (domain.name().to_owned(), i64::try_from(problems).unwrap_or(i64::MAX))
                    };
                    asked.map(count).collect()
                })
            }),
        );
        metrics.watch_gauges(
            &instruments::CERTIFICATE_EXPIRY,
            shown(|parts| {
                let expiry = parts.tls.as_ref().map(|tls| tls.status().not_after.as_secs());
                expiry.map(|expiry| ("listener".to_owned(), expiry)).into_iter().collect()
            }),
        );
        metrics.watch_gauges(
            &instruments::CALLER_EXPIRY,
            shown(|parts| parts.callers.soonest(parts.clock.now())),
        );
    }

    fn of_domains(&self, moment: fn(&TrustDomain) -> Option<UnixTime>) -> Vec<(String, i64)> {
        self.pdp.inspect(|snapshot| {
            let domains = snapshot.trust().domains().iter();
            let moments = domains
                .filter_map(|domain| Some((domain.name().to_owned(), moment(domain)?.as_secs())));
            moments.collect()
        })
    }

    fn watch_listener(self: &Arc<Self>, metrics: &Metrics) {
        let shown = |read: fn(&Self) -> u64| {
            let parts = Arc::clone(self);
            move || read(&parts)
        };
        metrics.watch_gauge(
            &instruments::CONNECTIONS,
            shown(|parts| count(&parts.listener.connections)),
        );
        metrics.watch_gauge(
            &instruments::CHECKS_IN_FLIGHT,
            shown(|parts| count(&parts.listener.checks)),
        );
        metrics.watch_gauge(&instruments::DRAINING, shown(|parts| flag(&parts.listener.draining)));
        metrics.watch_counter(
            &instruments::CONNECTIONS_ACCEPTED,
            shown(|parts| count(&parts.listener.accepted)),
        );
        metrics.watch_counter(
            &instruments::CONNECTIONS_REFUSED,
            shown(|parts| count(&parts.listener.refused)),
        );
        metrics.watch_counter(
            &instruments::CONNECTIONS_AGED,
            shown(|parts| count(&parts.listener.aged)),
        );
        metrics
            .watch_counter(&instruments::CALLS_RESET, shown(|parts| count(&parts.listener.reset)));
        metrics.watch_counter(
            &instruments::CONNECTIONS_BROKEN,
            shown(|parts| count(&parts.listener.broken)),
        );
        metrics.watch_counter(
            &instruments::CONNECTIONS_REVOKED,
            shown(|parts| count(&parts.listener.revoked)),
        );
    }
}

fn watch_audit(metrics: &Metrics, sinks: &[(&'static str, Arc<AuditCounts>)]) {
    let shown = |read: fn(&AuditCounts) -> &AtomicU64| {
        let sinks = sinks.to_vec();
        move || {
            let each = sinks.iter().map(|(sink, counts)| ((*sink).to_owned(), count(read(counts))));
            each.collect::<Vec<_>>()
        }
    };
    metrics.watch_counters(&instruments::AUDIT_WRITTEN, shown(|counts| &counts.written));
    metrics.watch_counters(&instruments::AUDIT_DROPPED, shown(|counts| &counts.dropped));
    metrics.watch_counters(&instruments::AUDIT_UNSAMPLED, shown(|counts| &counts.unsampled));
    metrics.watch_counters(&instruments::AUDIT_WRITES_FAILED, shown(|counts| &counts.failed));
    let waiting = shown(|counts| &counts.waiting);
    metrics.watch_gauges(&instruments::AUDIT_WAITING, move || {
        let level = |(sink, level)| (sink, i64::try_from(level).unwrap_or(i64::MAX));
        waiting().into_iter().map(level).collect()
    });
}

fn watch_store(metrics: &Metrics, store: &Arc<Store>) {
    let watched = Arc::clone(store);
    metrics.watch_gauge(&instruments::STORE_UP, move || u64::from(watched.health().up));
    let watched = Arc::clone(store);
    metrics.watch_counter(&instruments::STORE_LOSSES, move || watched.health().losses);
}

fn count(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn flag(flag: &AtomicBool) -> u64 {
    u64::from(flag.load(Ordering::Relaxed))
}
