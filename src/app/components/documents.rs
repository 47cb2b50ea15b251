//! The documents in force, and how reloading them goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::admin::status::{DocumentsStatus, StatusPage};
use crate::admin::{ComponentHealth, HealthState};
use crate::app::component::{Component, count};
use crate::clock::UnixTime;
use crate::pdp::{Pdp, Snapshot};
use crate::reload::ReloadStatus;
use crate::telemetry::{Measurement, instruments};
use crate::words::counted;

pub(in crate::app) struct DocumentsComponent {
    pub(in crate::app) pdp: Arc<Pdp>,
    pub(in crate::app) reload: Arc<ReloadStatus>,
}

impl DocumentsComponent {
    fn is_stale(&self) -> bool {
        self.reload.stale.load(Ordering::Relaxed)
    }
}

impl Component for DocumentsComponent {
    fn health(&self, _now: UnixTime) -> Vec<ComponentHealth> {
        let (revision, rules) = self.pdp.inspect(|snapshot| {
            (snapshot.revision().to_string(), snapshot.policies().rules().count())
        });
        let (condition, note) = if rules == 0 {
            (HealthState::NotReady, "; no policy is loaded, and every request is denied".into())
        } else if let Some(set) = self.reload.unconfirmed() {
            let note = format!(
                "; the files lack what is in force, the last good ones stay in force until set {set} is confirmed"
            );
            (HealthState::Degraded, note)
        } else if self.is_stale() {
            let note = "; the files have errors, the last good ones stay in force";
            (HealthState::Degraded, note.to_owned())
        } else {
            (HealthState::Good, String::new())
        };
        let detail = format!("{}, revision {revision}{note}", counted(rules, "rule"));
        vec![ComponentHealth::new("policies", condition, detail)]
    }

    fn show(&self, _now: UnixTime, page: &mut StatusPage) {
        let reload = &self.reload;
        page.revision = self.pdp.revision().to_string();
        page.documents = DocumentsStatus {
            policies: self.pdp.inspect(rules_by_policy),
            stale: self.is_stale(),
            reloads_applied: count(&reload.applied),
            reloads_refused: count(&reload.refused),
            changes_unnotified: reload.unnotified.load().as_deref().cloned(),
            unconfirmed_set: reload.unconfirmed().map(|set| set.to_string()),
            errors: reload.errors.load().to_vec(),
        };
    }

    fn metrics(&self, _now: UnixTime) -> Vec<Measurement> {
        let revision = self.pdp.revision().to_string();
        vec![
            instruments::RELOADS_APPLIED.shows(count(&self.reload.applied)),
            instruments::RELOADS_REFUSED.shows(count(&self.reload.refused)),
            instruments::DOCUMENTS_INFO.shows_each([(revision, 1_i64)]),
            instruments::DOCUMENTS_STALE.shows(self.is_stale()),
            instruments::UNKNOWN_XFCC_KEYS.shows(self.pdp.unknown_xfcc_keys()),
        ]
    }
}

fn rules_by_policy(snapshot: &Snapshot) -> BTreeMap<String, u64> {
    let mut rules = BTreeMap::<String, u64>::new();
    for (name, _, _) in snapshot.policies().rules() {
        let count = rules.entry(name.policy.to_string()).or_default();
        *count = count.saturating_add(1);
    }
    rules
}
