//! The store of one process, in its memory or in a Redis.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::memory::Memory;
use super::options::{StoreMemoryOptions, StoreOptions};
#[cfg(feature = "redis")]
use super::redis::Redis;
#[cfg(test)]
use super::tests::scripted::Scripted;
use super::types::{FirstUse, KeyPage, Position, StoreError, StoreHealth, StoreKey, StoredRecord};
use crate::clock::{Clock, UnixTime};
use crate::limits::MAX_SHARED_RECORD_BYTES;

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
    #[cfg(test)]
    Scripted(Arc<Scripted>),
}

impl Store {
    /// A store as `options` say. Called within a tokio runtime: connecting begins in the background, and never stops.
    ///
    /// # Errors
    /// The options are wrong.
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
    pub fn in_memory(clock: Arc<dyn Clock>) -> Self {
        let memory = Memory::new(&StoreMemoryOptions::default(), clock);
        Self { backend: Backend::Memory(Box::new(memory)) }
    }

    /// A store whose every answer a test decides.
    #[cfg(test)]
    pub(crate) const fn scripted(scripted: Arc<Scripted>) -> Self {
        Self { backend: Backend::Scripted(scripted) }
    }

    /// Claims `key` until `expires`: of all the claims on all replicas until then, exactly one is the first.
    ///
    /// # Errors
    /// The result is unknown. The claim may have been made.
    pub async fn first_use(
        &self,
        key: &StoreKey,
        expires: UnixTime,
    ) -> Result<FirstUse, StoreError> {
        match &self.backend {
            Backend::Memory(memory) => memory.first_use(key, expires),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.first_use(key, expires).await,
            #[cfg(test)]
            Backend::Scripted(scripted) => scripted.first_use(key, expires).await,
        }
    }

    /// Counts a failed attempt of `key` on all replicas together: `failures` at once, then one in each `interval`. Returns for how
    /// long the limit is reached. One process alone has its own limiter, and nothing to say here.
    ///
    /// # Errors
    /// It may not have been counted.
    #[cfg_attr(
        not(feature = "redis"),
        expect(unused_variables, reason = "a process alone counts elsewhere")
    )]
    pub async fn count_attempt(
        &self,
        key: &StoreKey,
        interval: Duration,
        failures: u32,
    ) -> Result<Option<Duration>, StoreError> {
        match &self.backend {
            Backend::Memory(_) => Ok(None),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.count_attempt(key, interval, failures).await,
            #[cfg(test)]
            Backend::Scripted(scripted) => scripted.count_attempt(interval).await,
        }
    }

    /// Shares `record` with all replicas, in place of one with the same id, unless that one has a greater `order`: what arrives
    /// late replaces nothing that is later.
    ///
    /// # Errors
    /// It is not certain that they will get it.
    pub async fn publish(&self, record: &StoredRecord, order: u64) -> Result<Position, StoreError> {
        if record.bytes.len() > MAX_SHARED_RECORD_BYTES {
            return Err(StoreError::TooLarge(record.bytes.len()));
        }
        match &self.backend {
            Backend::Memory(memory) => memory.publish(record, order),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.publish(record, order).await,
            #[cfg(test)]
            Backend::Scripted(scripted) => scripted.publish(record, order).await,
        }
    }

    /// The records that were published after `after`, at most `limit` of them; all that there are from the default position
    /// on. Those that have expired may be missing.
    ///
    /// # Errors
    /// They cannot be read; records that were read before stay true.
    pub async fn records_after(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<KeyPage, StoreError> {
        match &self.backend {
            Backend::Memory(memory) => Ok(memory.records_after(after, limit)),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.records_after(after, limit).await,
            #[cfg(test)]
            Backend::Scripted(scripted) => scripted.records_after(after).await,
        }
    }

    /// Follows how far the records have come: it changes within [`crate::limits::STORE_POLL`] of a publication on any replica.
    pub fn position(&self) -> watch::Receiver<Position> {
        match &self.backend {
            Backend::Memory(memory) => memory.position(),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.position(),
            #[cfg(test)]
            Backend::Scripted(scripted) => scripted.position(),
        }
    }

    /// How it is doing.
    pub fn health(&self) -> StoreHealth {
        match &self.backend {
            Backend::Memory(_) => Memory::health(),
            #[cfg(feature = "redis")]
            Backend::Redis(redis) => redis.health(),
            #[cfg(test)]
            Backend::Scripted(_) => StoreHealth { kind: "redis", ..Memory::health() },
        }
    }
}
