//! Failed attempts that replicas count together. No answer waits for it: what the store says counts from the next attempt on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};

use super::limiter::Limiter;
use super::options::ThrottleOptions;
use crate::limits::MAX_UNSHARED_ATTEMPTS;
use crate::store::{Store, StoreKey};

/// The way to the shared count. Its task ends when this is dropped.
#[derive(Debug)]
pub(super) struct SharedCount {
    waiting: Sender<StoreKey>,
    unshared: Arc<AtomicU64>,
}

struct Task {
    store: Arc<Store>,
    limiter: Arc<Limiter>,
    interval: Duration,
    failures: u32,
    unshared: Arc<AtomicU64>,
}

impl SharedCount {
    /// Begins to share. Call it within a tokio runtime.
    pub(super) fn start(
        options: &ThrottleOptions,
        store: Arc<Store>,
        limiter: Arc<Limiter>,
    ) -> Self {
        let (waiting, attempts) = mpsc::channel(MAX_UNSHARED_ATTEMPTS);
        let unshared = Arc::default();
        let (interval, failures) = (options.interval(), options.failures.get());
        let task = Task { store, limiter, interval, failures, unshared: Arc::clone(&unshared) };
        tokio::spawn(task.run(attempts));
        Self { waiting, unshared }
    }

    /// Has a failed attempt counted, unless too many wait for that.
    pub(super) fn count(&self, key: StoreKey) {
        if self.waiting.try_send(key).is_err() {
            self.unshared.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many attempts this replica alone has counted.
    pub(super) fn unshared(&self) -> u64 {
        self.unshared.load(Ordering::Relaxed)
    }
}

impl Task {
    async fn run(self, mut attempts: Receiver<StoreKey>) {
        while let Some(key) = attempts.recv().await {
            match self.store.count_attempt(&key, self.interval, self.failures).await {
                Ok(None) => {}
                // A store that others write to must not lock anyone out.
                Ok(Some(wait)) => self.limiter.hold(&key, wait.min(self.interval)),
                Err(_) => {
                    self.unshared.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}
