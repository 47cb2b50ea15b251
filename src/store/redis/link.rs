//! The link to the server: one task connects, looks for news and connects again; requests only ever use what it holds up.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::{Cmd, FromRedisValue, RedisError};
use tokio::sync::{Notify, watch};

use super::super::{Forgetful, Position, RedisOptions, StoreError, StoreHealth};
use super::connect::{RedisConnection, RedisTarget, plain};
use super::forgetful;
use super::script::Keys;
use crate::clock::{Clock, jitter};
use crate::document::HumanDuration;
use crate::limits::{STORE_EXAMINED, STORE_FAILURES, STORE_POLL, STORE_RECONNECT};
use crate::sync::lock;

/// The way to the server, open or not.
pub(super) struct Link {
    timeout: Duration,
    forgetful: Forgetful,
    clock: Arc<dyn Clock>,
    live: ArcSwapOption<Live>,
    health: Mutex<StoreHealth>,
    position: watch::Sender<Position>,
    /// Something happened that the supervisor should see to at once.
    wake: Notify,
}

/// One connection, until it is given up.
struct Live {
    connection: RedisConnection,
    failures: AtomicU32,
}

impl Link {
    pub(super) fn new(options: &RedisOptions, clock: Arc<dyn Clock>) -> Self {
        let health = StoreHealth {
            kind: "redis",
            up: false,
            was_up: false,
            since: None,
            losses: 0,
            why: "not connected yet".into(),
            forgetful: None,
            accepted: options.forgetful == Forgetful::Accept,
        };
        Self {
            timeout: options.timeout.get(),
            forgetful: options.forgetful,
            clock,
            live: ArcSwapOption::empty(),
            health: Mutex::new(health),
            position: watch::Sender::new(Position::default()),
            wake: Notify::new(),
        }
    }

    /// The server's answer to `command`, or why there is none, within the timeout; at once where the server is lost.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let Some(live) = self.live.load_full() else {
            return Err(StoreError::Unavailable(self.lock().why.clone()));
        };
        let mut connection = live.connection.clone();
        match tokio::time::timeout(self.timeout, connection.query(command)).await {
            Ok(Ok(answer)) => {
                live.failures.store(0, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) => Err(self.failed(&live, &error)),
            Err(_) => {
                self.count_failure(&live, "no answer within the timeout");
                Err(StoreError::Slow)
            }
        }
    }

    /// A broken connection is dropped at once, a faulty one after several faults in a row.
    fn failed(&self, live: &Arc<Live>, error: &RedisError) -> StoreError {
        let why = plain(error);
        // `READONLY`: a primary that became a replica, as after a failover; its name may lead to the new one.
        let broken = error.is_unrecoverable_error() || error.is_connection_dropped();
        if broken || error.code() == Some("READONLY") {
            self.give_up(live, &why);
        } else {
            self.count_failure(live, &why);
        }
        StoreError::Refused(why)
    }

    fn count_failure(&self, live: &Arc<Live>, why: &str) {
        if live.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= STORE_FAILURES {
            self.give_up(live, why);
        }
    }

    /// Requests stop asking from here on. Of all who notice, one reports it.
    fn give_up(&self, live: &Arc<Live>, why: &str) {
        let held = self.live.compare_and_swap(live, None);
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, live)) {
            self.mark_down(why);
            self.wake.notify_one();
        }
    }

    /// Has the supervisor look for news now.
    pub(super) fn look(&self) {
        self.wake.notify_one();
    }

    /// Keeps the link up for as long as the process lives.
    pub(super) async fn supervise(self: Arc<Self>, target: RedisTarget, keys: Keys) {
        let (first, longest) = STORE_RECONNECT;
        let mut pause = first;
        loop {
            match self.connect(&target, &keys).await {
                Ok(live) => {
                    pause = first;
                    self.mark_up(live);
                    self.watch(&keys).await;
                }
                Err(why) => self.mark_down(&why),
            }
            tokio::time::sleep(pause.mul_f64(1.0 + 0.25 * jitter())).await;
            pause = pause.saturating_mul(2).min(longest);
        }
    }

    /// A connection over which a write and a read were answered in time: a server that only accepts connections is not back.
    async fn connect(&self, target: &RedisTarget, keys: &Keys) -> Result<Arc<Live>, String> {
        let mut connection = target.connect().await?;
        let proof = async {
            let _: i64 = connection.query(&keys.begin_epoch()).await?;
            connection.query::<(Option<u64>, Option<u64>)>(&keys.look()).await
        };
        let proved = tokio::time::timeout(self.timeout.saturating_mul(2), proof).await;
        let seen = proved
            .map_err(|_| String::from("it connects, and does not answer within the timeout"))?
            .map_err(|error| plain(&error))?;
        self.examine(&mut connection).await?;
        self.saw(seen);
        Ok(Arc::new(Live { connection, failures: AtomicU32::new(0) }))
    }

    /// Checks that the server keeps what was written: an error where it may not, and is not to be used then.
    async fn examine(&self, connection: &mut RedisConnection) -> Result<(), String> {
        let asked =
            tokio::time::timeout(self.timeout.saturating_mul(2), forgetful::why(connection));
        let found = asked.await.unwrap_or_else(|_| Some(forgetful::unknown()));
        let mut health = self.lock();
        if let Some(why) = &found
            && health.forgetful != found
            && self.forgetful == Forgetful::Warn
        {
            tracing::warn!(why, "the shared store may forget what was written");
        }
        health.forgetful.clone_from(&found);
        match found {
            Some(why) if self.forgetful == Forgetful::Refuse => Err(why),
            Some(_) | None => Ok(()),
        }
    }

    /// Looks for news until the link is given up.
    async fn watch(&self, keys: &Keys) {
        let mut examining = tokio::time::interval(STORE_EXAMINED);
        examining.reset();
        while let Some(live) = self.live.load_full() {
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(STORE_POLL) => {}
                _ = examining.tick() => {
                    if let Err(why) = self.examine(&mut live.connection.clone()).await {
                        self.give_up(&live, &why);
                    }
                }
            }
            match self.ask(&keys.look()).await {
                // The store was emptied: a new epoch begins, and all replicas see it.
                Ok((None, _)) => drop(self.ask::<i64>(&keys.begin_epoch()).await),
                Ok(seen) => self.saw(seen),
                Err(_) => {}
            }
        }
    }

    fn saw(&self, (epoch, revision): (Option<u64>, Option<u64>)) {
        let Some(epoch) = epoch else { return };
        let seen = Position { epoch, revision: revision.unwrap_or(0) };
        self.position.send_if_modified(|current| {
            let changed = *current != seen;
            *current = seen;
            changed
        });
    }

    fn mark_up(&self, live: Arc<Live>) {
        self.live.store(Some(live));
        let mut health = self.lock();
        let now = self.clock.now();
        let lost_for = health.since.map(|since| HumanDuration::new(now.since(since)).to_string());
        if health.was_up {
            tracing::info!(lost_for, "the shared store answers again");
        } else {
            tracing::info!("connected to the shared store");
        }
        health.up = true;
        health.was_up = true;
        health.since = Some(now);
        health.why.clear();
    }

    fn mark_down(&self, why: &str) {
        let mut health = self.lock();
        if health.up {
            health.up = false;
            health.losses = health.losses.saturating_add(1);
            health.since = Some(self.clock.now());
            tracing::warn!(why, "the shared store is lost; reconnecting");
        } else if !health.was_up && health.why != why {
            tracing::warn!(why, "the shared store cannot be used yet; trying again");
        }
        why.clone_into(&mut health.why);
    }

    pub(super) fn position(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    pub(super) fn health(&self) -> StoreHealth {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, StoreHealth> {
        lock(&self.health)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("health", &self.health()).finish_non_exhaustive()
    }
}
