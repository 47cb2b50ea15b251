//! What replicas share: which one-time credentials were used, and small records that all of them must know of.
//!
//! One interface, two places to keep it: the process's own memory, or a Redis (or Valkey) that several replicas use. Whatever
//! goes wrong is a [`StoreError`]; what it means for a request is the caller's decision, and never an allow by accident.

mod memory;
mod options;
#[cfg(feature = "redis")]
mod redis;

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::{Clock, UnixTime};
use crate::limits::MAX_SHARED_RECORD_BYTES;

pub use options::{OnLoss, PasswordSource, RedisOptions, StoreMemoryOptions, StoreOptions};

use self::memory::Memory;
#[cfg(feature = "redis")]
use self::redis::Redis;

/// The store of one process.
#[derive(Debug)]
pub struct Store {
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Memory(Box<Memory>),
    #[cfg(feature = "redis")]
    Redis(Box<Redis>),
}

/// Names something without telling it: a SHA-256, made by the caller.
pub type Key = [u8; 32];

/// Whether this was the first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstUse {
    /// It was, and no other use will be.
    First,
    /// It was used before.
    Seen,
}

/// How far the shared records have come. Read it cheaply and often; only where it changed is there something to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which life of the store this is: another one means that the store lost what it had.
    pub epoch: u64,
    /// Grows with every record that is published. Zero: none was.
    pub revision: u64,
}

/// A record that all replicas must know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is about: a later record with the same id takes its place.
    pub id: Key,
    /// What it says: for whoever publishes and reads it.
    pub bytes: Vec<u8>,
    /// From when on it may be forgotten; `None`: never.
    pub expires: Option<UnixTime>,
}

/// Some of the records, in the order in which they were published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// Where to read on.
    pub position: Position,
    /// Whether more follow right away.
    pub more: bool,
    /// Whether the store lost what it had, so that this reading begins at its new beginning. What was known before is not
    /// in it any more.
    pub restarted: bool,
}

/// How the store is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// `memory` or `redis`.
    pub kind: &'static str,
    /// Whether it can be used now.
    pub up: bool,
    /// Whether it could ever be used since the start.
    pub was_up: bool,
    /// Since when it is as `up` says; none where it never was otherwise.
    pub since: Option<UnixTime>,
    /// How often it was lost since the start.
    pub losses: u64,
    /// Why it cannot be used; empty where it can.
    pub why: String,
}

/// Why the store did not do what it was asked to. Nobody can tell then whether something was used before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is not reachable, and was not even asked.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// It did not answer in time.
    #[error("the store did not answer within its timeout")]
    Slow,
    /// It answered with an error, or with something that is no answer.
    #[error("the store answered with an error: {0}")]
    Refused(String),
    /// It has no room left, and nothing in it has expired.
    #[error("the store is full")]
    Full,
    /// The record is too large to be shared.
    #[error("record has {0} bytes, more than the {MAX_SHARED_RECORD_BYTES} that are shared")]
    TooLarge(usize),
}

// === impl Store ===

impl Store {
    /// A store as `options` say. Called within a tokio runtime: connecting begins in the background, and never stops.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn start(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let backend = match options {
            StoreOptions::Memory(options) => Backend::Memory(Box::new(Memory::new(options, clock))),
            #[cfg(feature = "redis")]
            StoreOptions::Redis(options) => Backend::Redis(Box::new(Redis::start(options, clock)?)),
            #[cfg(not(feature = "redis"))]
            StoreOptions::Redis(_) => {
                return Err("`store.redis` needs a build with the feature `redis`".into());
            }
        };
        Ok(Self { backend })
    }

    /// A store in this process alone.
    #[must_use]
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        let memory = Memory::new(&StoreMemoryOptions::default(), clock);
        Self { backend: Backend::Memory(Box::new(memory)) }
    }

    /// Claims `key` until `expires`: of all the claims on all replicas until then, exactly one is the first.
    ///
    /// # Errors
    /// Where nobody can tell. The claim may have been made all the same.
    pub async fn first_use(&self, key: &Key, expires: UnixTime) -> Result<FirstUse, StoreError> {
        match &self.backend {
            Backend::Memory(memory) => memory.first_use(key, expires),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.first_use(key, expires).await,
        }
    }

    /// Shares `record` with all replicas, in place of an earlier one with the same id.
    ///
    /// # Errors
    /// Where it is not certain that they will know of it.
    pub async fn publish(&self, record: &Record) -> Result<Position, StoreError> {
        if record.bytes.len() > MAX_SHARED_RECORD_BYTES {
            return Err(StoreError::TooLarge(record.bytes.len()));
        }
        match &self.backend {
            Backend::Memory(memory) => memory.publish(record),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.publish(record).await,
        }
    }

    /// The records that were published after `after`, at most `limit` of them; all that there are from the default position
    /// on. Those that have expired may be missing.
    ///
    /// # Errors
    /// Where they cannot be read; what was read before stays true.
    pub async fn records_after(&self, after: Position, limit: usize) -> Result<Page, StoreError> {
        match &self.backend {
            Backend::Memory(memory) => Ok(memory.records_after(after, limit)),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.records_after(after, limit).await,
        }
    }

    /// Follows how far the records have come: it changes within [`crate::limits::STORE_POLL`] of a publication on any replica.
    #[must_use]
    pub fn position(&self) -> watch::Receiver<Position> {
        match &self.backend {
            Backend::Memory(memory) => memory.position(),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.position(),
        }
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        match &self.backend {
            Backend::Memory(_) => Memory::health(),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.health(),
        }
    }
}

#[cfg(test)]
mod tests;
