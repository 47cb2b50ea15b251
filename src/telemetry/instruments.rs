//! Every metric: its name, unit, labels and help, in one place. `docs/operations.md` has the same table; a test compares.
//!
//! Labels are closed words and names from documents and settings, never anything from a request, so that no caller can
//! create series. Dashboards and alerts use these names: they do not change.

/// One metric.
#[derive(Debug)]
pub struct Instrument {
    /// Its name in OpenTelemetry; Prometheus writes it with `_` and its unit and kind at the end.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// The unit by UCUM; empty for plain counts and flags.
    pub unit: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Its help text.
    pub help: &'static str,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only goes up.
    Counter,
    /// Goes up and down, in whole numbers.
    Gauge,
    /// A gauge with fractions.
    Fraction,
    /// A distribution.
    Histogram,
}

macro_rules! instruments {
    ($($constant:ident $kind:ident $name:literal $unit:literal [$($label:literal),*] $help:literal;)+) => {
        $(
            #[doc = $help]
            pub static $constant: Instrument = Instrument {
                name: $name,
                kind: MetricKind::$kind,
                unit: $unit,
                labels: &[$($label),*],
                help: $help,
            };
        )+

        /// All of them, in the order of the docs.
        pub static ALL: &[&Instrument] = &[$(&$constant),+];
    };
}

instruments! {
    DECISIONS Counter "countersign.decisions" "" ["decision", "reason", "policy"]
        "Decisions by answer, reason code (empty on an allow) and policy";
    CHECK_DURATION Histogram "countersign.check.duration" "s" ["decision"]
        "Time from the arrival of the check to the decision";
    PEERS Counter "countersign.peers" "" ["trust_domain", "evidence"]
        "Verified peers by trust domain and level of evidence";
    SHADOW_CHANGES Counter "countersign.shadow.changes" "" ["policy", "rule"]
        "Decisions that a rule in shadow mode would have changed, by policy and rule";
    UNKNOWN_XFCC_KEYS Counter "countersign.xfcc.unknown.keys" "" []
        "XFCC keys ignored because they are unknown";
    ASSERTIONS_SIGNED Counter "countersign.assertions.signed" "" []
        "Assertions signed; one that is used again is not counted";

    THROTTLE_ATTEMPTS Counter "countersign.throttle.attempts" "" ["limit"]
        "Failed attempts to authenticate: within the limit of their source, over it, and over it and not verified";
    THROTTLE_SOURCES Gauge "countersign.throttle.sources" "" []
        "Sources whose failed attempts are remembered";
    THROTTLE_UNSHARED Counter "countersign.throttle.unshared" "" []
        "Failed attempts that replicas did not count together: the store was lost or too slow";

    ANOMALIES Counter "countersign.anomalies" "" ["signal"]
        "Signals that something is odd, by kind; absent without `anomalies`";
    ANOMALIES_DROPPED Counter "countersign.anomalies.dropped" "" []
        "Decisions that were not examined for signals because too many were waiting";

    CONNECTIONS Gauge "countersign.connections" "" []
        "Connections that are open and whose client may send checks";
    CONNECTIONS_GREETING Gauge "countersign.connections.greeting" "" []
        "Connections that wait for the first byte or the end of the TLS handshake";
    CONNECTIONS_ACCEPTED Counter "countersign.connections.accepted" "" []
        "Connections accepted";
    CONNECTIONS_REFUSED Counter "countersign.connections.refused" "" []
        "Connections refused: too many, no admitted certificate, or no byte, handshake or call in time";
    CONNECTIONS_AGED Counter "countersign.connections.aged" "" []
        "Connections asked to end because of their age";
    CONNECTIONS_BROKEN Counter "countersign.connections.broken" "" []
        "Connections that HTTP/2 ended because of an error: Envoy treats the calls on them as an outage";
    CALLS_RESET Counter "countersign.calls.reset" "" []
        "Calls that HTTP/2 refused, without a decision and a record: Envoy treats each as an outage";
    CONNECTIONS_REVOKED Counter "countersign.connections.revoked" "" []
        "Connections cut because the client's certificate was revoked";
    CHECKS_IN_FLIGHT Gauge "countersign.checks.in_flight" "" []
        "Checks that are being decided";
    BUILD_INFO Gauge "countersign.build.info" "" ["version"]
        "1 for the version that runs: during an upgrade there are two";
    DRAINING Gauge "countersign.draining" "" []
        "1 while the server drains before it stops";

    DOCUMENTS_INFO Gauge "countersign.documents.info" "" ["revision"]
        "1 for the revision of the documents in force: replicas with the same files have the same";
    DOCUMENTS_STALE Gauge "countersign.documents.stale" "" []
        "1 while the files have errors or lack what is in force, and the last good documents stay in force";
    RELOADS_APPLIED Counter "countersign.reloads.applied" "" []
        "Sets of documents put in force since the start";
    RELOADS_REFUSED Counter "countersign.reloads.refused" "" []
        "Sets of documents refused since the start";

    KEYS_FETCHED Gauge "countersign.keys.fetched.timestamp" "s" ["issuer"]
        "When the keys of an issuer were fetched last";
    KEYS_USABLE Gauge "countersign.keys.usable" "" ["issuer"]
        "1 while the keys of an issuer may be used";
    FILE_FETCHED Gauge "countersign.file.fetched.timestamp" "s" ["file"]
        "When a remote file was fetched last";
    FILE_UNUSABLE Gauge "countersign.file.unusable" "" ["file"]
        "1 while a remote file was never fetched or is too old, or its last version cannot be used and the last good one stays in force";
    AUTHORITY_EXPIRY Gauge "countersign.authority.expiry.timestamp" "s" ["trust_domain"]
        "When the first authority of a trust domain expires";
    AUTHORITY_ENDING Gauge "countersign.authority.ending" "" ["trust_domain"]
        "1 while an authority of a trust domain is in the last tenth of its lifetime (30 days at most), has expired, or is not valid yet";
    CRL_NEXT_UPDATE Gauge "countersign.crl.next.update.timestamp" "s" ["trust_domain"]
        "When the first revocation list of a trust domain is due to be replaced";
    CRL_PROBLEMS Gauge "countersign.crl.problems" "" ["trust_domain"]
        "Revocation lists of a trust domain that are configured and not in use: signed by another authority, unreadable, or older than the one in use";
    CERTIFICATE_EXPIRY Gauge "countersign.certificate.expiry.timestamp" "s" ["certificate"]
        "When a certificate of this server expires";
    CERTIFICATE_ENDING Gauge "countersign.certificate.ending" "" ["certificate"]
        "1 while a certificate of this server is in the last tenth of its lifetime (30 days at most), or has expired";
    CALLER_EXPIRY Gauge "countersign.caller.expiry.timestamp" "s" ["trust_domain"]
        "When the first of the certificates expires that callers showed in the last ten minutes; /status names them";
    CLOCK_OFFSET Fraction "countersign.clock.offset" "s" ["bound"]
        "This server's clock minus Envoy's when a check came in, least and most of the last minute: below 0 Envoy's clock is ahead";

    REVOCATION_ENTRIES Gauge "countersign.revocation.entries" "" []
        "Revocations in force";
    REVOCATION_REFUSING Gauge "countersign.revocation.refusing" "" []
        "1 while every request with a credential is refused, because a revocation list is too old or was never read";
    REVOCATION_LISTS_STALE Gauge "countersign.revocation.lists.stale" "" []
        "Revocation lists that are older than their documents allow, or were never read";
    REVOCATION_LISTS_AGE Gauge "countersign.revocation.lists.age" "s" []
        "Seconds since the oldest revocation list was confirmed or written";
    REVOCATION_UNSHARED Gauge "countersign.revocation.unshared" "" []
        "Revocations that the shared store has not taken yet";
    REVOCATION_STORE_FAILING Gauge "countersign.revocation.store.failing" "" []
        "1 while revocations of other replicas cannot be read from the shared store";
    STATE_FAILING Gauge "countersign.state.failing" "" ["part"]
        "1 while a part of the state folder cannot be written, or has damaged files: a restart loses or has lost something";
    STORE_UP Gauge "countersign.store.up" "" []
        "1 while the shared store answers";
    STORE_LOSSES Counter "countersign.store.losses" "" []
        "How often the shared store was lost since the start";
    STORE_FORGETFUL Gauge "countersign.store.forgetful" "" []
        "1 while the shared store may forget what was written, by eviction or a restart, and `store.redis.forgetful` does not accept it";

    AUDIT_WRITTEN Counter "countersign.audit.records.written" "" ["sink"]
        "Decision records that a sink has taken";
    AUDIT_DROPPED Counter "countersign.audit.records.dropped" "" ["sink"]
        "Decision records that were lost: too many were waiting, or the sink did not take them";
    AUDIT_UNSAMPLED Counter "countersign.audit.records.unsampled" "" ["sink"]
        "Allows without a record because of `audit.sampleAllows`";
    AUDIT_WAITING Gauge "countersign.audit.records.waiting" "" ["sink"]
        "Decision records that wait for a sink";
    AUDIT_WAITING_BYTES Gauge "countersign.audit.waiting" "By" ["sink"]
        "Bytes of the decision records that wait for a sink";
    AUDIT_WRITES_FAILED Counter "countersign.audit.writes.failed" "" ["sink"]
        "Writes to a sink that failed, each with at least one record";
    PANICS Counter "countersign.panics" "" []
        "Panics of threads and tasks since the start: each is a defect";
    EXPORTS_FAILED Counter "countersign.telemetry.exports.failed" "" ["signal"]
        "Batches of traces, metrics and logs that the collector did not take";
}

impl Instrument {
    /// As it is called on the Prometheus page.
    pub fn prometheus_name(&self) -> String {
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        let total = if self.kind == MetricKind::Counter { "_total" } else { "" };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }
}

#[cfg(test)]
mod tests;
