//! What the metrics page shows of levels and counts that are kept by the parts themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::parts::Parts;
use crate::audit::AuditCounts;
use crate::clock::UnixTime;
use crate::pdp::{KeyStatus, RemoteStatus};
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::trust::TrustDomain;

impl Parts {
    /// Shows everything on `metrics`.
    pub(super) fn watched_by(self: &Arc<Self>, metrics: &Metrics) {
        self.watch_documents(metrics);
        self.watch_listener(metrics);
        if let Some(audit) = &self.audit {
            watch_audit(metrics, audit);
        }
        watch_store(metrics, &self.store);
        self.watch_moments(metrics);
        if let Some(signer) = self.signer.clone() {
            let help = "Assertions that were signed; those that were used again are not counted";
            metrics.watch_counter("countersign.assertions.signed", help, move || signer.signed());
        }
        let parts = Arc::clone(self);
        let help = "XFCC keys passed over because they are not known here";
        metrics.watch_counter("countersign.xfcc.unknown.keys", help, move || {
            parts.pdp.unknown_xfcc_keys()
        });
    }

    fn watch_documents(self: &Arc<Self>, metrics: &Metrics) {
        let shown = |read: fn(&Self) -> u64| {
            let parts = Arc::clone(self);
            move || read(&parts)
        };
        metrics.watch_counter(
            "countersign.reloads.applied",
            "Sets of documents put in force since the start",
            shown(|parts| count(&parts.reload.applied)),
        );
        metrics.watch_counter(
            "countersign.reloads.refused",
            "Sets of documents refused since the start",
            shown(|parts| count(&parts.reload.refused)),
        );
        metrics.watch_gauge(
            "countersign.documents.stale",
            "1 while the files have errors and the last good documents stay in force",
            shown(|parts| flag(&parts.reload.stale)),
        );
    }

    /// When things were fetched and when they expire: alert on `time()` minus or until them. One series for each origin,
    /// trust domain and certificate in documents and settings.
    fn watch_moments(self: &Arc<Self>, metrics: &Metrics) {
        let shown = |read: fn(&Self) -> Vec<(String, i64)>| {
            let parts = Arc::clone(self);
            move || read(&parts)
        };
        metrics.watch_gauges(
            "countersign.keys.fetched.timestamp",
            "s",
            "When the keys of an origin were fetched last",
            "origin",
            shown(|parts| {
                let fetched = |key: KeyStatus| Some((key.origin, key.fetched_at?.as_secs()));
                parts.keys.status().into_iter().filter_map(fetched).collect()
            }),
        );
        metrics.watch_gauges(
            "countersign.keys.usable",
            "",
            "1 while the keys of an origin may be used",
            "origin",
            shown(|parts| {
                let usable = |key: KeyStatus| (key.origin, i64::from(key.keys.is_some()));
                parts.keys.status().into_iter().map(usable).collect()
            }),
        );
        metrics.watch_gauges(
            "countersign.file.fetched.timestamp",
            "s",
            "When a remote file was fetched last",
            "origin",
            shown(|parts| {
                let fetched = |file: RemoteStatus| Some((file.origin, file.fetched_at?.as_secs()));
                parts.remote.status().into_iter().filter_map(fetched).collect()
            }),
        );
        metrics.watch_gauges(
            "countersign.authority.expiry.timestamp",
            "s",
            "When the first authority of a trust domain expires",
            "trust_domain",
            shown(|parts| {
                parts.of_domains(|domain| {
                    let ends = domain.authorities().iter().map(|a| a.validity().not_after);
                    ends.min()
                })
            }),
        );
        metrics.watch_gauges(
            "countersign.crl.next.update.timestamp",
            "s",
            "When the first revocation list of a trust domain is due to be replaced",
            "trust_domain",
            shown(|parts| {
                parts.of_domains(|domain| {
                    domain.revocation()?.lists().map(|list| list.validity().not_after).min()
                })
            }),
        );
        metrics.watch_gauges(
            "countersign.certificate.expiry.timestamp",
            "s",
            "When a certificate of our own expires",
            "certificate",
            shown(|parts| {
                let expiry = parts.tls.as_ref().map(|tls| tls.status().not_after.as_secs());
                expiry.map(|expiry| ("listener".to_owned(), expiry)).into_iter().collect()
            }),
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
            "countersign.connections",
            "Connections that are open",
            shown(|parts| count(&parts.listener.connections)),
        );
        metrics.watch_gauge(
            "countersign.checks.in_flight",
            "Checks that are being decided",
            shown(|parts| count(&parts.listener.checks)),
        );
        metrics.watch_gauge(
            "countersign.draining",
            "1 while serving is about to end",
            shown(|parts| flag(&parts.listener.draining)),
        );
        metrics.watch_counter(
            "countersign.connections.accepted",
            "Connections taken",
            shown(|parts| count(&parts.listener.accepted)),
        );
        metrics.watch_counter(
            "countersign.connections.refused",
            "Connections turned away: too many, no admitted certificate, or no handshake in time",
            shown(|parts| count(&parts.listener.refused)),
        );
        metrics.watch_counter(
            "countersign.connections.aged",
            "Connections asked to end because of their age",
            shown(|parts| count(&parts.listener.aged)),
        );
    }
}

fn watch_audit(metrics: &Metrics, audit: &Arc<AuditCounts>) {
    let shown = |read: fn(&AuditCounts) -> &AtomicU64| {
        let audit = Arc::clone(audit);
        move || count(read(&audit))
    };
    metrics.watch_counter(
        "countersign.audit.records.dropped",
        "Decision records that were dropped because the sink was too slow",
        shown(|audit| &audit.dropped),
    );
    metrics.watch_counter(
        "countersign.audit.writes.failed",
        "Writes of decision records that failed",
        shown(|audit| &audit.failed),
    );
    metrics.watch_gauge(
        "countersign.audit.records.waiting",
        "Decision records that wait for the sink",
        shown(|audit| &audit.waiting),
    );
}

fn watch_store(metrics: &Metrics, store: &Arc<Store>) {
    let watched = Arc::clone(store);
    let help = "1 while the shared store answers";
    metrics.watch_gauge("countersign.store.up", help, move || u64::from(watched.health().up));
    let watched = Arc::clone(store);
    let help = "How often the shared store was lost since the start";
    metrics.watch_counter("countersign.store.losses", help, move || watched.health().losses);
}

fn count(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn flag(flag: &AtomicBool) -> u64 {
    u64::from(flag.load(Ordering::Relaxed))
}
