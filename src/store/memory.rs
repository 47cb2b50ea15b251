//! The store in this process's memory: bounded, and closed when it is full.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::{
    FirstUse, KeyPage, Position, StoreError, StoreHealth, StoreKey, StoreMemoryOptions,
    StoredRecord,
};
use crate::clock::{Clock, UnixTime};
use crate::limits::MAX_SHARED_RECORDS;
use crate::sync::lock;

/// The memory of one process.
#[derive(Debug)]
pub(super) struct Memory {
    clock: Arc<dyn Clock>,
    uses: Mutex<Uses>,
    records: Mutex<Records>,
    position: watch::Sender<Position>,
}

/// Claims, and which of them expires first.
#[derive(Debug)]
struct Uses {
    capacity: usize,
    until: HashMap<StoreKey, UnixTime>,
    next: BinaryHeap<Reverse<(UnixTime, StoreKey)>>,
    /// Claims that expired before this are forgotten. Later than now where the clock went back.
    forgotten: UnixTime,
}

/// Records by id, and their order.
#[derive(Debug, Default)]
struct Records {
    by_id: HashMap<StoreKey, MemoryEntry>,
    order: BTreeMap<u64, StoreKey>,
    last: u64,
}

#[derive(Debug)]
struct MemoryEntry {
    revision: u64,
    order: u64,
    record: StoredRecord,
}

/// There is one life: what a process forgets, it forgets by ending.
const EPOCH: u64 = 1;

impl Memory {
    pub(super) fn new(options: &StoreMemoryOptions, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            uses: Mutex::new(Uses::new(options.first_uses)),
            records: Mutex::default(),
            position: watch::Sender::new(Position { epoch: EPOCH, revision: 0 }),
        }
    }

    pub(super) fn first_use(
        &self,
        key: &StoreKey,
        expires: UnixTime,
    ) -> Result<FirstUse, StoreError> {
        lock(&self.uses).claim(key, expires, self.clock.now())
    }

    pub(super) fn publish(
        &self,
        record: &StoredRecord,
        order: u64,
    ) -> Result<Position, StoreError> {
        let revision = lock(&self.records).insert(record, order, self.clock.now())?;
        let position = Position { epoch: EPOCH, revision };
        self.position.send_if_modified(|current| {
            let grows = current.revision < revision;
            if grows {
                *current = position;
            }
            grows
        });
        Ok(position)
    }

    pub(super) fn records_after(&self, after: Position, limit: usize) -> KeyPage {
        let restarted = after.epoch != EPOCH && after != Position::default();
        let from = if after.epoch == EPOCH { after.revision } else { 0 };
        lock(&self.records).after(from, limit, restarted)
    }

    pub(super) fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    pub(super) const fn health() -> StoreHealth {
        StoreHealth {
            kind: "memory",
            up: true,
            was_up: true,
            since: None,
            losses: 0,
            why: String::new(),
            forgetful: None,
            accepted: false,
        }
    }
}

impl Uses {
    fn new(capacity: usize) -> Self {
        let forgotten = UnixTime::from_millis(i64::MIN);
        Self { capacity, until: HashMap::new(), next: BinaryHeap::new(), forgotten }
    }

    /// Only what has expired makes room: a claim that is forgotten early could be made again.
    fn claim(
        &mut self,
        key: &StoreKey,
        expires: UnixTime,
        now: UnixTime,
    ) -> Result<FirstUse, StoreError> {
        self.forget_expired(now);
        if self.until.contains_key(key) {
            return Ok(FirstUse::Seen);
        }
        if expires <= self.forgotten {
            let why = "the clock went back to before what is already forgotten";
            return Err(StoreError::Refused(why.into()));
        }
        if self.until.len() >= self.capacity {
            return Err(StoreError::Full);
        }
        self.until.insert(*key, expires);
        self.next.push(Reverse((expires, *key)));
        Ok(FirstUse::First)
    }

    fn forget_expired(&mut self, now: UnixTime) {
        self.forgotten = self.forgotten.max(now);
        while let Some(Reverse((until, key))) = self.next.peek().copied()
            && until <= now
        {
            self.next.pop();
            self.until.remove(&key);
        }
    }
}

impl Records {
    fn insert(
        &mut self,
        record: &StoredRecord,
        order: u64,
        now: UnixTime,
    ) -> Result<u64, StoreError> {
        if self.by_id.get(&record.id).is_some_and(|entry| entry.order > order) {
            return Ok(self.last);
        }
        if !self.by_id.contains_key(&record.id) && self.by_id.len() >= MAX_SHARED_RECORDS {
            self.forget_expired(now);
            if self.by_id.len() >= MAX_SHARED_RECORDS {
                return Err(StoreError::Full);
            }
        }
        self.last = self.last.saturating_add(1);
        let entry = MemoryEntry { revision: self.last, order, record: record.clone() };
        if let Some(former) = self.by_id.insert(record.id, entry) {
            self.order.remove(&former.revision);
        }
        self.order.insert(self.last, record.id);
        Ok(self.last)
    }

    fn forget_expired(&mut self, now: UnixTime) {
        let order = &mut self.order;
        self.by_id.retain(|_, MemoryEntry { revision, record, .. }| {
            let stays = record.expires.is_none_or(|expires| expires > now);
            if !stays {
                order.remove(revision);
            }
            stays
        });
    }

    fn after(&self, from: u64, limit: usize, restarted: bool) -> KeyPage {
        let mut revision = from;
        let mut records = Vec::new();
        let mut rest = self.order.range(from.saturating_add(1)..);
        for (number, id) in rest.by_ref().take(limit) {
            revision = *number;
            records.extend(self.by_id.get(id).map(|entry| entry.record.clone()));
        }
        let more = rest.next().is_some();
        let position = Position { epoch: EPOCH, revision: if more { revision } else { self.last } };
        KeyPage { records, position, more, restarted }
    }
}
