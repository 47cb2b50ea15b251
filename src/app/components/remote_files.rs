//! The files that documents name by an address.

use std::sync::Arc;

use crate::admin::status::{RemoteFileStatus, StatusPage};
use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::{Component, ago, shown_at};
use crate::clock::UnixTime;
use crate::pdp::{RemoteFiles, RemoteStatus};
use crate::telemetry::{Measurement, instruments};

impl Component for Arc<RemoteFiles> {
    fn health(&self, now: UnixTime) -> Vec<ComponentHealth> {
        RemoteFiles::status(self).iter().map(|status| file(status, now)).collect()
    }

    fn show(&self, _now: UnixTime, page: &mut StatusPage) {
        let shown = |own: RemoteStatus| RemoteFileStatus {
            trust_domain: own.trust_domain,
            file: own.file,
            origin: own.origin,
            fetched_at: shown_at(own.fetched_at),
            next_fetch: own.next_fetch.to_rfc3339(),
            failures: own.failures,
            error: own.error,
            unusable: own.unusable,
            stale: own.stale,
        };
        page.remote_files = RemoteFiles::status(self).into_iter().map(shown).collect();
    }

    /// When they were fetched: alert on `time()` minus that. One series for each place in a document.
    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let all = RemoteFiles::status(self);
        let fetched = |own: &RemoteStatus| Some((name(own), own.fetched_at?.as_secs()));
        let unusable =
            |own: &RemoteStatus| (name(own), own.unusable || own.stale || own.fetched_at.is_none());
        vec![
            instruments::FILE_FETCHED.shows_each(all.iter().filter_map(fetched)),
            instruments::FILE_UNUSABLE.shows_each(all.iter().map(unusable)),
        ]
    }
}

fn name(status: &RemoteStatus) -> String {
    format!("{}/{}", status.trust_domain, status.file)
}

fn file(status: &RemoteStatus, now: UnixTime) -> ComponentHealth {
    let (condition, detail) = match (status.fetched_at, status.failures) {
        (Some(at), failures) if status.stale => (
            HealthState::Missing,
            format!(
                "too old to be used, fetched {}; {failures} fetches have failed since",
                ago(at, now)
            ),
        ),
        (Some(at), _) if status.unusable => (
            HealthState::Degraded,
            format!(
                "fetched {}; the documents cannot be used with it, the last good one stays in force",
                ago(at, now)
            ),
        ),
        (Some(at), 0) => (HealthState::Good, format!("fetched {}", ago(at, now))),
        (Some(at), failures) => (
            HealthState::Degraded,
            format!("fetched {}; {failures} fetches have failed since", ago(at, now)),
        ),
        (None, failures) => {
            (HealthState::Missing, format!("never fetched; {failures} have failed"))
        }
    };
    let name = format!("file `{}` from {}", name(status), status.origin);
    ComponentHealth::new(name, condition, detail)
}
