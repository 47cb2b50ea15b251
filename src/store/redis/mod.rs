//! The store in a Redis or Valkey. Every call is bounded by the timeout that is set, and a server that is lost costs a
//! request nothing: it is not asked until it answered again.

mod connect;
mod forgetful;
mod link;
mod script;

use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::claim;
use super::memory::Memory;
use super::{
    FirstUse, KeyPage, OnLoss, Position, RedisOptions, StoreError, StoreHealth, StoreKey,
    StoreMemoryOptions, StoredRecord,
};
use crate::clock::{Clock, UnixTime};
use crate::limits::MAX_SHARED_PAGE;

use self::link::Link;
use self::script::Keys;

/// A client that keeps itself connected.
#[derive(Debug)]
pub(super) struct Redis {
    link: Arc<Link>,
    keys: Keys,
    clock: Arc<dyn Clock>,
    /// A local copy of the claims, so that this replica knows its own when the server is lost.
    local: Option<Memory>,
    supervisor: JoinHandle<()>,
}

impl Redis {
    pub(super) fn start(options: &RedisOptions, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let target = connect::RedisTarget::read(options)?;
        let keys = Keys::new(&options.prefix);
        let local = (options.on_loss == OnLoss::Local)
            .then(|| Memory::new(&StoreMemoryOptions::default(), Arc::clone(&clock)));
        let link = Arc::new(Link::new(options, Arc::clone(&clock)));
        let supervisor = tokio::spawn(Arc::clone(&link).supervise(target, keys.clone()));
        Ok(Self { link, keys, clock, local, supervisor })
    }

    pub(super) async fn first_use(
        &self,
        key: &StoreKey,
        expires: UnixTime,
    ) -> Result<FirstUse, StoreError> {
        claim::first_use(key, expires, self.local.as_ref(), self.claim(key, expires)).await
    }

    /// `SET key 1 NX PX millis`: one command, so that one of all who send it is the first.
    async fn claim(&self, key: &StoreKey, expires: UnixTime) -> Result<FirstUse, StoreError> {
        let millis = claim::kept_for(expires, self.clock.now()).as_millis();
        let mut command = Cmd::new();
        command.arg("SET").arg(self.keys.first_use(key)).arg(1).arg("NX").arg("PX");
        command.arg(u64::try_from(millis).unwrap_or(u64::MAX / 2));
        let answer: Option<String> = self.link.ask(&command).await?;
        match answer.as_deref() {
            Some("OK") => Ok(FirstUse::First),
            None => Ok(FirstUse::Seen),
            Some(_) => {
                Err(StoreError::Refused("an answer that is neither `OK` nor nothing".into()))
            }
        }
    }

    pub(super) async fn count_attempt(
        &self,
        key: &StoreKey,
        interval: Duration,
        failures: u32,
    ) -> Result<Option<Duration>, StoreError> {
        let command = self.keys.count_attempt(key, interval, failures);
        let wait: u64 = self.link.ask(&command).await?;
        Ok((wait > 0).then(|| Duration::from_micros(wait)))
    }

    pub(super) async fn publish(
        &self,
        record: &StoredRecord,
        order: u64,
    ) -> Result<Position, StoreError> {
        let command = self.keys.publish(record, order);
        let (epoch, revision) = self.link.ask(&command).await?;
        self.link.look();
        Ok(Position { epoch, revision })
    }

    pub(super) async fn records_after(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<KeyPage, StoreError> {
        let limit = limit.clamp(1, MAX_SHARED_PAGE);
        let answer: script::PageAnswer = self.link.ask(&self.keys.read(after, limit)).await?;
        answer.into_page(after, limit)
    }

    pub(super) fn position(&self) -> watch::Receiver<Position> {
        self.link.position()
    }

    pub(super) fn health(&self) -> StoreHealth {
        self.link.health()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}
