//! The files that documents name by an address.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admin::{Condition, Health};
use crate::app::component::{Component, ago, seconds};
use crate::clock::UnixTime;
use crate::pdp::{RemoteFiles, RemoteStatus};
use crate::telemetry::{Measurement, instruments};

impl Component for Arc<RemoteFiles> {
    fn health(&self, now: UnixTime) -> Vec<Health> {
        RemoteFiles::status(self).iter().map(|status| file(status, now)).collect()
    }

    fn status(&self, _now: UnixTime) -> Value {
        let shown = |status: &RemoteStatus| {
            json!({
                "origin": status.origin,
                "fetched_at": seconds(status.fetched_at),
                "failures": status.failures,
                "unusable": status.unusable,
            })
        };
        json!({ "remote_files": RemoteFiles::status(self).iter().map(shown).collect::<Vec<_>>() })
    }

    /// When they were fetched: alert on `time()` minus that. One series for each origin.
    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let all = RemoteFiles::status(self);
        let fetched = |own: &RemoteStatus| Some((own.origin.clone(), own.fetched_at?.as_secs()));
        let unusable = |own: &RemoteStatus| (own.origin.clone(), own.unusable);
        vec![
            instruments::FILE_FETCHED.shows_each(all.iter().filter_map(fetched)),
            instruments::FILE_UNUSABLE.shows_each(all.iter().map(unusable)),
        ]
    }
}

fn file(status: &RemoteStatus, now: UnixTime) -> Health {
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
    Health::new(format!("file from {}", status.origin), condition, detail)
}
