//! Everything that has to be there for requests to be decided, and how each part is doing: `/readyz`.
//!
//! Ready means that requests can be decided as they should be: documents are in force, and every key set and every
//! remote file was there once. What was there and is getting old is degraded and not unready: taking every replica away
//! would help nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::revocations;
use super::signing::key_set_of;
use crate::admin::{AdminOptions, Component, Condition, Pages, RevocationApi};
use crate::audit::AuditCounts;
use crate::clock::{Clock, UnixTime};
use crate::document::HumanDuration;
use crate::envoy::{ListenAddress, ListenerStatus, Tls, TlsStatus};
use crate::pdp::{KeptLists, KeptListsStatus, KeyCache, KeyStatus, Pdp, RemoteFiles, RemoteStatus};
use crate::reload::ReloadStatus;
use crate::signer::Signer;
use crate::store::{Store, StoreHealth};
use crate::telemetry::{Callers, ClockOffset, Exports, LogLevel, Metrics};
use crate::trust::{Revocation, TrustDomain};

/// The parts of a running server, as far as somebody looks at them.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) started: UnixTime,
    pub(super) pdp: Arc<Pdp>,
    pub(super) keys: Arc<KeyCache>,
    pub(super) remote: Arc<RemoteFiles>,
    /// Where revocation lists outlive a restart.
    pub(super) kept: Option<Arc<KeptLists>>,
    pub(super) store: Arc<Store>,
    pub(super) reload: Arc<ReloadStatus>,
    pub(super) listener: Arc<ListenerStatus>,
    pub(super) address: Option<ListenAddress>,
    pub(super) tls: Option<Arc<Tls>>,
    /// Each sink of records by its name.
    pub(super) audit: Vec<(&'static str, Arc<AuditCounts>)>,
    pub(super) callers: Arc<Callers>,
    pub(super) clock_offset: Arc<ClockOffset>,
    pub(super) exports: Exports,
    pub(super) log_level: LogLevel,
    pub(super) signer: Option<Arc<Signer>>,
}

/// A certificate that is about to expire should have been renewed by now: most are at two thirds of their life.
const EXPIRES_SOON: Duration = Duration::from_hours(1);

// === impl Parts ===

impl Parts {
    /// The pages of the admin listener.
    pub(super) fn pages(self: Arc<Self>, metrics: Arc<Metrics>) -> Pages {
        let (components, status) = (Arc::clone(&self), Arc::clone(&self));
        let (level, set_level) = (self.log_level.clone(), self.log_level.clone());
        let reload = Arc::clone(&self.reload);
        Pages {
            metrics: Box::new(move || metrics.render()),
            status: Box::new(move || status.status()),
            components: Box::new(move || components.components()),
            log_level: Box::new(move || level.get()),
            set_log_level: Box::new(move |level| set_level.set(level)),
            confirm: Box::new(move |set| reload.confirm(set)),
            revocations: None,
            key_set: self.signer.as_ref().map(key_set_of),
        }
    }

    /// The revocation API, where it is configured.
    ///
    /// # Errors
    /// What is wrong with its token; never the token.
    pub(super) fn revocation_api(
        &self,
        options: &AdminOptions,
    ) -> Result<Option<RevocationApi>, String> {
        let Some(options) = options.revocations.clone() else { return Ok(None) };
        options.check()?;
        Ok(Some(RevocationApi { pdp: Arc::clone(&self.pdp), options }))
    }

    /// Every part, in the order in which an operator would look.
    pub(super) fn components(&self) -> Vec<Component> {
        let now = self.clock.now();
        let mut parts = vec![self.serving(), self.policies()];
        parts.extend(self.keys.status().iter().map(|status| keys(status, now)));
        parts.extend(self.remote.status().iter().map(|status| file(status, now)));
        parts.extend(self.pdp.inspect(|snapshot| {
            let domains = snapshot.trust().domains().iter();
            domains.filter_map(|domain| lists(domain, now)).collect::<Vec<_>>()
        }));
        parts.extend(self.kept.as_ref().and_then(|kept| kept_lists(&kept.status())));
        // By what was revoked when the store was read last, before the start, requests can be decided without it.
        let known = self.pdp.revocations().sharing().is_some_and(|sharing| sharing.synced);
        parts.push(store(&self.store.health(), known, now));
        parts.extend(revocations::components(self.pdp.revocations()));
        parts.extend(self.tls.as_ref().map(|tls| certificate(&tls.status(), now)));
        parts.extend(self.audit.iter().map(|(sink, counts)| audit(sink, counts)));
        parts
    }

    fn serving(&self) -> Component {
        let draining = self.listener.draining.load(Ordering::SeqCst);
        let (condition, detail) = if draining {
            (Condition::NotReady, "draining, about to end")
        } else {
            (Condition::Good, "answering")
        };
        Component::new("listener", condition, detail)
    }

    fn policies(&self) -> Component {
        let (revision, rules) = self.pdp.inspect(|snapshot| {
            (snapshot.revision().to_string(), snapshot.policies().rules().count())
        });
        let stale = self.reload.stale.load(Ordering::Relaxed);
        let (condition, note) = if rules == 0 {
            (Condition::NotReady, "; no policy is loaded, and every request is denied".into())
        } else if let Some(set) = self.reload.unconfirmed() {
            let note = format!(
                "; the files lack what is in force, the last good ones stay in force until set {set} is confirmed"
            );
            (Condition::Degraded, note)
        } else if stale {
            let note = "; the files have errors, the last good ones stay in force";
            (Condition::Degraded, note.to_owned())
        } else {
            (Condition::Good, String::new())
        };
        Component::new("policies", condition, format!("{rules} rules, revision {revision}{note}"))
    }
}

/// `fetched 3m ago`, to the second.
fn ago(moment: UnixTime, now: UnixTime) -> String {
    let whole = Duration::from_secs(now.since(moment).as_secs());
    format!("{} ago", HumanDuration::new(whole))
}

fn until(moment: UnixTime, now: UnixTime) -> String {
    let whole = Duration::from_secs(moment.since(now).as_secs());
    HumanDuration::new(whole).to_string()
}

fn keys(status: &KeyStatus, now: UnixTime) -> Component {
    let failures = match status.failures {
        0 => String::new(),
        failures => format!("; {failures} fetches have failed since"),
    };
    let (condition, detail) = match (&status.keys, status.fetched_at) {
        (Some(_), Some(at)) if status.failures == 0 => {
            (Condition::Good, format!("fresh, fetched {}", ago(at, now)))
        }
        (Some(_), Some(at)) => {
            (Condition::Degraded, format!("last good, fetched {}{failures}", ago(at, now)))
        }
        (Some(_), None) => (Condition::Degraded, format!("last good, kept from before{failures}")),
        (None, Some(at)) => {
            (Condition::NotReady, format!("too old to be used, fetched {}{failures}", ago(at, now)))
        }
        (None, None) => (Condition::NotReady, format!("never fetched{failures}")),
    };
    Component::new(format!("keys from {}", status.origin), condition, detail)
}

fn file(status: &RemoteStatus, now: UnixTime) -> Component {
    let (condition, detail) = match (status.fetched_at, status.failures) {
        (Some(at), _) if status.unusable => (
            Condition::Degraded,
            format!(
                "fetched {}; the documents cannot be used with it, the last good one stays in force",
                ago(at, now)
            ),
        ),
        (Some(at), 0) => (Condition::Good, format!("fetched {}", ago(at, now))),
        (Some(at), failures) => (
            Condition::Degraded,
            format!("fetched {}; {failures} fetches have failed since", ago(at, now)),
        ),
        (None, failures) => (Condition::NotReady, format!("never fetched; {failures} have failed")),
    };
    Component::new(format!("file from {}", status.origin), condition, detail)
}

/// The revocation lists of a trust domain that has any.
fn lists(domain: &TrustDomain, now: UnixTime) -> Option<Component> {
    let revocation: &Revocation = domain.revocation()?;
    let name = format!("revocation lists of {}", domain.name());
    let (condition, detail) = match revocation.next_update() {
        None => (Condition::Degraded, "none".to_owned()),
        Some(due) if now <= due => {
            (Condition::Good, format!("next update due in {}", until(due, now)))
        }
        Some(due) if now <= due.plus(revocation.grace()) => {
            (Condition::Degraded, format!("past the next update, which was due {}", ago(due, now)))
        }
        Some(due) => (
            Condition::Degraded,
            format!("too old to be used (crl_stale), an update was due {}", ago(due, now)),
        ),
    };
    let problems = domain.list_problems();
    if problems.is_empty() {
        return Some(Component::new(name, condition, detail));
    }
    let detail = format!("{detail}; {}", problems.join("; "));
    Some(Component::new(name, condition.or_degraded(), detail))
}

/// The folder of lists, where it has any or something is wrong with it.
fn kept_lists(status: &KeptListsStatus) -> Option<Component> {
    let KeptListsStatus { lists, problem } = status;
    let name = "kept revocation lists";
    match problem {
        None if *lists == 0 => None,
        None => Some(Component::new(name, Condition::Good, format!("{lists} lists"))),
        Some(problem) => Some(Component::new(name, Condition::Degraded, problem.clone())),
    }
}

/// A store that was lost does not make a replica unready: all replicas would be so at once, and most requests do not need
/// it.
fn store(health: &StoreHealth, known: bool, now: UnixTime) -> Component {
    let StoreHealth { kind, up, was_up, since, why, .. } = health;
    let since = since.map(|since| ago(since, now)).unwrap_or_default();
    let (condition, detail) = match (up, was_up) {
        (true, _) if since.is_empty() => (Condition::Good, (*kind).to_owned()),
        (true, _) => (Condition::Good, format!("{kind}, up since {since}")),
        (false, true) => (Condition::Degraded, format!("{kind}, lost {since}: {why}")),
        (false, false) => {
            let condition = if known { Condition::Degraded } else { Condition::NotReady };
            (condition, format!("{kind}, no connection yet: {why}"))
        }
    };
    Component::new("store", condition, detail)
}

/// Our own certificate: Envoy does not connect to an expired one.
fn certificate(status: &TlsStatus, now: UnixTime) -> Component {
    let TlsStatus { not_after, problem } = status;
    let (mut condition, mut detail) = if now > *not_after {
        (Condition::NotReady, format!("expired {}", ago(*not_after, now)))
    } else if now.plus(EXPIRES_SOON) > *not_after {
        (Condition::Degraded, format!("expires in {}", until(*not_after, now)))
    } else {
        (Condition::Good, format!("expires in {}", until(*not_after, now)))
    };
    if let Some(problem) = problem {
        condition = condition.or_degraded();
        detail = format!("{detail}; the files cannot be used: {problem}");
    }
    Component::new("certificate of the listener", condition, detail)
}

fn audit(sink: &str, counts: &AuditCounts) -> Component {
    let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    let (waiting, dropped, failed) =
        (read(&counts.waiting), read(&counts.dropped), read(&counts.failed));
    let condition = if dropped == 0 && failed == 0 { Condition::Good } else { Condition::Degraded };
    let detail = format!("{waiting} records waiting, {dropped} dropped, {failed} writes failed");
    Component::new(format!("audit log to {sink}"), condition, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{KeyPurpose, KeySet};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    #[test]
    fn keys_are_fresh_last_good_or_missing() {
        let before = |secs| Some(NOW.minus(Duration::from_secs(secs)));
        for (usable, fetched_at, failures, expected) in [
            (true, before(90), 0, "[+] keys from https://a.test: fresh, fetched 1m30s ago"),
            (
                true,
                before(7200),
                3,
                "[~] keys from https://a.test: last good, fetched 2h ago; 3 fetches have failed since",
            ),
            (true, None, 0, "[~] keys from https://a.test: last good, kept from before"),
            (
                false,
                before(86_400),
                9,
                "[-] keys from https://a.test: too old to be used, fetched 1d ago; 9 fetches have failed since",
            ),
            (false, None, 0, "[-] keys from https://a.test: never fetched"),
        ] {
            let set =
                usable.then(|| Arc::new(KeySet::parse(b"{\"keys\":[]}", KeyPurpose::Jwt).unwrap()));
            let status = KeyStatus {
                first_seen: crate::pdp::FirstSeen::new(),
                origin: "https://a.test".into(),
                keys: set,
                fetched_at,
                next_fetch: NOW,
                failures,
            };
            assert_eq!(keys(&status, NOW).to_string(), expected);
        }
    }

    #[test]
    fn a_certificate_is_told_with_what_is_left_of_it() {
        let status = |left: i64, problem: Option<&str>| TlsStatus {
            not_after: UnixTime::from_secs(NOW.as_secs() + left),
            problem: problem.map(str::to_owned),
        };
        let told = |status| certificate(&status, NOW).to_string();
        let name = "certificate of the listener";
        assert_eq!(told(status(7200, None)), format!("[+] {name}: expires in 2h"));
        assert_eq!(told(status(60, None)), format!("[~] {name}: expires in 1m"));
        assert_eq!(told(status(-60, None)), format!("[-] {name}: expired 1m ago"));
        let torn = told(status(7200, Some("no key")));
        assert_eq!(torn, format!("[~] {name}: expires in 2h; the files cannot be used: no key"));
    }

    #[test]
    fn a_sink_that_loses_records_is_degraded_and_not_unready() {
        let counts = AuditCounts::default();
        assert_eq!(audit("file", &counts).condition, Condition::Good);
        counts.dropped.store(1, Ordering::Relaxed);
        assert_eq!(audit("file", &counts).condition, Condition::Degraded);
    }
}
