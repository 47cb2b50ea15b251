//! Revocations that were made while servers run: records that all replicas share, and the order of two changes to one entry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;
use crate::store::{StoreKey, StoredRecord};
use crate::trust::{RUNNING, RevocationEntry, RevocationTable};

/// Every revocation and withdrawal, by the id of the entry.
#[derive(Debug, Default)]
pub(super) struct LiveRevocations {
    known: BTreeMap<StoreKey, RevocationChange>,
}

/// An entry that was revoked, or that was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RevocationChange {
    #[serde(rename = "revocation")]
    pub(super) entry: RevocationEntry,
    pub(super) withdrawn: bool,
    /// The later of two changes counts.
    #[serde(with = "millis")]
    changed_at: UnixTime,
}

/// How long a withdrawal is remembered. A replica that was away for longer keeps refusing until it is restarted.
pub(super) const WITHDRAWN_LIFETIME: Duration = Duration::from_secs(30 * 86_400);

/// For how long an entry is kept after its end: a clock that was ahead may be set back.
const AFTER_END: Duration = Duration::from_secs(3600);

impl LiveRevocations {
    /// A change that counts as later than every known change to `entry`.
    pub(super) fn change(
        &self,
        entry: RevocationEntry,
        withdrawn: bool,
        now: UnixTime,
    ) -> RevocationChange {
        let after = |known: &RevocationChange| known.changed_at.plus(Duration::from_millis(1));
        let changed_at = self.known.get(&entry.id()).map_or(now, |known| now.max(after(known)));
        RevocationChange { entry, withdrawn, changed_at }
    }

    /// Applies a change, and returns whether anything changed. Of two changes at the same time the one that refuses counts.
    pub(super) fn apply(&mut self, change: RevocationChange) -> bool {
        let id = change.entry.id();
        let order = |change: &RevocationChange| (change.changed_at, !change.withdrawn);
        if self.known.get(&id).is_some_and(|known| order(known) >= order(&change)) {
            return false;
        }
        self.known.insert(id, change);
        true
    }

    /// Forgets entries that ended long ago, and returns whether there were any.
    pub(super) fn forget(&mut self, now: UnixTime) -> bool {
        let before = self.known.len();
        self.known.retain(|_, change| change.ends().is_none_or(|end| now < end));
        self.known.len() < before
    }

    /// The entries in force, in the order of the ids.
    pub(super) fn entries(&self) -> impl Iterator<Item = &RevocationEntry> {
        self.known.values().filter(|change| !change.withdrawn).map(|change| &change.entry)
    }

    pub(super) fn table(&self) -> Arc<RevocationTable> {
        Arc::new(RevocationTable::of(RUNNING, self.entries()))
    }

    /// Everything that is known, in the order of the ids.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&StoreKey, &RevocationChange)> {
        self.known.iter()
    }

    pub(super) fn get(&self, id: &StoreKey) -> Option<&RevocationChange> {
        self.known.get(id)
    }
}

impl RevocationChange {
    /// The change in a record of the store, or `None` if the record is something else.
    pub(super) fn read(record: &StoredRecord) -> Option<Self> {
        let change: Self = serde_json::from_slice(&record.bytes).ok()?;
        (change.entry.id() == record.id).then_some(change)
    }

    /// Greater for the change that counts.
    pub(super) fn order(&self) -> u64 {
        let at = u64::try_from(self.changed_at.as_millis()).unwrap_or(0);
        at.saturating_mul(2).saturating_add(u64::from(!self.withdrawn))
    }

    pub(super) fn record(&self) -> StoredRecord {
        // Texts and numbers can always be written.
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        StoredRecord { id: self.entry.id(), bytes, expires: self.ends() }
    }

    /// The time from which it may be forgotten.
    fn ends(&self) -> Option<UnixTime> {
        let entry = self.entry.expires().map(|expires| expires.plus(AFTER_END));
        let withdrawn = self.changed_at.plus(WITHDRAWN_LIFETIME);
        if self.withdrawn {
            Some(entry.map_or(withdrawn, |entry| entry.min(withdrawn)))
        } else {
            entry
        }
    }
}

/// A time as milliseconds since 1970.
mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::clock::UnixTime;

    pub(super) fn serialize<S: Serializer>(at: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UnixTime, D::Error> {
        i64::deserialize(from).map(UnixTime::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(json: &str) -> RevocationEntry {
        RevocationEntry::read(&serde_json::from_str(json).unwrap()).unwrap()
    }

    const ALICE: &str =
        r#"{"sub":"alice","issuer":"i","reason":"r","expires":"2026-11-22T03:00:00Z"}"#;

    #[test]
    fn a_change_survives_being_stored() {
        let running = LiveRevocations::default();
        for withdrawn in [false, true] {
            let change = running.change(entry(ALICE), withdrawn, UnixTime::from_millis(1_234));
            assert_eq!(RevocationChange::read(&change.record()), Some(change));
        }
    }

    /// P64: garbage in the store is no revocation, and takes none back.
    #[test]
    fn a_record_that_is_not_ours_is_ignored() {
        let good =
            LiveRevocations::default().change(entry(ALICE), true, UnixTime::from_secs(1)).record();
        let text = String::from_utf8(good.bytes.clone()).unwrap();
        for bytes in [
            Vec::new(),
            b"garbage".to_vec(),
            b"{}".to_vec(),
            text.replace("alice", "bob").into_bytes(),
            text.replace("\"sub\"", "\"jit\"").into_bytes(),
            vec![0xff; 64],
        ] {
            assert_eq!(RevocationChange::read(&StoredRecord { bytes, ..good.clone() }), None);
        }
        assert_eq!(RevocationChange::read(&StoredRecord { id: [7; 32], ..good }), None);
    }

    #[test]
    fn the_later_change_counts_in_whatever_order_they_arrive() {
        let revoked =
            LiveRevocations::default().change(entry(ALICE), false, UnixTime::from_secs(5));
        let mut running = LiveRevocations::default();
        assert!(running.apply(revoked.clone()));
        assert!(!running.apply(revoked.clone()), "nothing new");
        // A replica whose clock is behind takes it back: that counts all the same.
        let taken_back = running.change(entry(ALICE), true, UnixTime::from_secs(1));
        for changes in [[&revoked, &taken_back], [&taken_back, &revoked]] {
            let mut running = LiveRevocations::default();
            for change in changes {
                running.apply(change.clone());
            }
            assert_eq!(running.entries().count(), 0);
        }
        let tie = RevocationChange { withdrawn: true, ..revoked.clone() };
        for changes in [[&revoked, &tie], [&tie, &revoked]] {
            let mut running = LiveRevocations::default();
            for change in changes {
                running.apply(change.clone());
            }
            assert_eq!(
                running.entries().count(),
                1,
                "of two changes at one moment the one that refuses"
            );
        }
    }

    #[test]
    fn what_ended_is_forgotten_an_hour_later() {
        let mut running = LiveRevocations::default();
        let change = running.change(entry(ALICE), false, UnixTime::from_secs(0));
        running.apply(change);
        let end = UnixTime::from_rfc3339("2026-11-22T03:00:00Z").unwrap();
        running.forget(end.plus(Duration::from_secs(3599)));
        assert_eq!(running.changes().count(), 1);
        running.forget(end.plus(Duration::from_secs(3600)));
        assert_eq!(running.changes().count(), 0);
    }
}
