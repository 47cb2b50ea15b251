//! A store that several replicas share within a test. Each call waits until the test ends it: it takes effect, it is refused, or it
//! takes effect unheard. What it does is what `redis/script.rs` does in Redis.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::{Id, try_id};

use crate::clock::{Clock, UnixTime};
use crate::store::memory::Memory;
use crate::store::{
    FirstUse, KeyPage, Position, StoreError, StoreKey, StoreMemoryOptions, StoredRecord, claim,
};
use crate::sync::lock;

/// The state that the replicas share.
#[derive(Debug, Default)]
pub(crate) struct Server {
    at: Position,
    lives: u64,
    records: BTreeMap<u64, StoredRecord>,
    newest: HashMap<StoreKey, (u64, u64)>,
    /// Until when each claim is kept, by the server's own clock.
    claims: HashMap<StoreKey, UnixTime>,
}

/// One replica's way to the server.
#[derive(Debug)]
pub(crate) struct Scripted {
    server: Arc<Mutex<Server>>,
    /// The replica's clock, and the server's.
    clocks: [Arc<dyn Clock>; 2],
    local: Option<Memory>,
    position: watch::Sender<Position>,
    calls: Mutex<Vec<Call>>,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Refused,
    Unheard,
}

/// A call that waits for its end.
#[derive(Debug)]
struct Call {
    task: Option<Id>,
    end: oneshot::Sender<End>,
}

impl Server {
    /// Begins a life, if none is under way.
    pub(crate) fn begin(&mut self) {
        if self.at.epoch == 0 {
            self.lives += 1;
            self.at = Position { epoch: self.lives, revision: 0 };
        }
    }

    /// Loses everything.
    pub(crate) fn lose(&mut self) {
        *self = Self { lives: self.lives, ..Self::default() };
    }

    fn publish(&mut self, record: &StoredRecord, order: u64) -> Position {
        self.begin();
        if self.newest.get(&record.id).is_some_and(|(_, known)| *known > order) {
            return self.at;
        }
        self.at.revision += 1;
        self.records.insert(self.at.revision, record.clone());
        if let Some((former, _)) = self.newest.insert(record.id, (self.at.revision, order)) {
            self.records.remove(&former);
        }
        self.at
    }

    fn page(&self, after: Position) -> KeyPage {
        let from = if after.epoch == self.at.epoch { after.revision } else { 0 };
        let restarted = after != Position::default() && after.epoch != self.at.epoch;
        let records = self.records.range(from + 1..).map(|(_, record)| record.clone()).collect();
        KeyPage { records, position: self.at, more: false, restarted }
    }
}

impl Scripted {
    pub(crate) fn new(
        server: &Arc<Mutex<Server>>,
        clocks: [Arc<dyn Clock>; 2],
        local: bool,
    ) -> Arc<Self> {
        let memory = Memory::new(&StoreMemoryOptions::default(), Arc::clone(&clocks[0]));
        Arc::new(Self {
            server: Arc::clone(server),
            clocks,
            local: local.then_some(memory),
            position: watch::Sender::default(),
            calls: Mutex::default(),
        })
    }

    /// Ends the oldest call of the task `of`, or of a task that is not `but`. Returns whether there is one.
    pub(crate) fn end(&self, is_meant: impl Fn(Option<Id>) -> bool, end: End) -> bool {
        let mut calls = lock(&self.calls);
        calls.retain(|call| !call.end.is_closed());
        let Some(place) = calls.iter().position(|call| is_meant(call.task)) else { return false };
        calls.remove(place).end.send(end).is_ok()
    }

    /// The result of `call`, once the test ends it.
    async fn ask<T>(&self, call: impl FnOnce(&mut Server) -> T) -> Result<T, StoreError> {
        let (end, ended) = oneshot::channel();
        lock(&self.calls).push(Call { task: try_id(), end });
        match ended.await {
            Ok(End::Done) => Ok(call(&mut lock(&self.server))),
            Ok(End::Unheard) => {
                call(&mut lock(&self.server));
                Err(StoreError::Slow)
            }
            Ok(End::Refused) | Err(_) => Err(StoreError::Unavailable("away".into())),
        }
    }

    pub(in crate::store) async fn first_use(
        &self,
        key: &StoreKey,
        expires: UnixTime,
    ) -> Result<FirstUse, StoreError> {
        let kept = claim::kept_for(expires, self.clocks[0].now());
        let clock = Arc::clone(&self.clocks[1]);
        let shared = self.ask(|server| {
            let now = clock.now();
            server.claims.retain(|_, until| now < *until);
            let before = server.claims.contains_key(key);
            server.claims.entry(*key).or_insert_with(|| now.plus(kept));
            if before { FirstUse::Seen } else { FirstUse::First }
        });
        claim::first_use(key, expires, self.local.as_ref(), shared).await
    }

    pub(in crate::store) async fn publish(
        &self,
        record: &StoredRecord,
        order: u64,
    ) -> Result<Position, StoreError> {
        self.ask(|server| server.publish(record, order)).await
    }

    pub(in crate::store) async fn records_after(
        &self,
        after: Position,
    ) -> Result<KeyPage, StoreError> {
        self.ask(|server| server.page(after)).await
    }

    /// Always over the limit.
    pub(in crate::store) async fn count_attempt(
        &self,
        interval: Duration,
    ) -> Result<Option<Duration>, StoreError> {
        self.ask(|_| Some(interval)).await
    }

    pub(in crate::store) fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }
}
