//! Following what is remote: key sets, files that documents name, revocation lists. Each has one task, which asks again and
//! again; what was good stays until something better comes. They differ in how an answer is judged, put in force and saved.

mod bucket;
mod hosts;
mod saved;
mod schedule;

pub(super) use bucket::TokenBucket;
pub use hosts::{FetchOptions, PacedFetcher};
pub(super) use saved::{MAX_SAVED_BYTES, Saved};
pub use schedule::refresh_after;
pub(super) use schedule::{FetchFailure, FetchSchedule};

use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::clock::{Clock, UnixTime, jitter};
use crate::limits::MAX_KEY_WAITERS;
use crate::sync::lock;

/// A remote thing: how it is asked for, judged, put in force and saved.
pub(super) trait RemoteResource: Send + 'static {
    /// Asks once; `wanted` says how much it is wanted, also while it waits for its turn. Gives for how long the server says that the
    /// answer may be kept.
    ///
    /// # Errors
    /// Nothing new is in force.
    fn look(
        &mut self,
        wanted: &Arc<AtomicU32>,
    ) -> impl Future<Output = Result<Option<Duration>, FetchFailure>> + Send;
}

/// When one thing is asked for, and how that went: shared by its task and those that look at it.
#[derive(Debug)]
pub(super) struct RefreshState {
    clock: Arc<dyn Clock>,
    schedule: Mutex<FetchSchedule>,
    ended: watch::Sender<u64>,
    wake: Notify,
    waiting: AtomicUsize,
    wanted: Arc<AtomicU32>,
}

/// A task that follows. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct RefreshTask(AbortHandle);

/// One request's place among those that wait for an answer.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a RefreshState);

/// A sleeping task does not notice that the wall clock jumps, so it looks at it now and then (P82).
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How long a confirmation of what is known need not be saved: after a restart it seems older by at most this much.
pub(super) const SAVE_AGAIN: Duration = Duration::from_mins(1);

/// The longest wait before a failed fetch is repeated for a request that waits.
const QUICK_RETRY: Duration = Duration::from_millis(80);

impl RefreshTask {
    /// Follows from now on. Call it within a tokio runtime.
    pub(super) fn start(refresh_state: &Arc<RefreshState>, followed: impl RemoteResource) -> Self {
        Self(tokio::spawn(run(Arc::clone(refresh_state), followed)).abort_handle())
    }
}

impl Drop for RefreshTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(refresh_state: Arc<RefreshState>, mut followed: impl RemoteResource) {
    loop {
        refresh_state.until_due().await;
        refresh_state.schedule().begin(refresh_state.clock.now());
        let looked = followed.look(&refresh_state.wanted).await;
        if refresh_state.note(looked) {
            tokio::time::sleep(QUICK_RETRY.mul_f64(0.5 + 0.5 * jitter())).await;
        }
    }
}

impl RefreshState {
    /// The course of something that is asked for every `refresh`, and now.
    pub(super) fn new(refresh: Duration, clock: Arc<dyn Clock>) -> Arc<Self> {
        let schedule = Mutex::new(FetchSchedule::new(refresh, clock.now()));
        let (ended, wake, waiting) = (watch::Sender::new(0), Notify::new(), AtomicUsize::new(0));
        Arc::new(Self { clock, schedule, ended, wake, waiting, wanted: Arc::default() })
    }

    /// The schedule, locked.
    pub(super) fn schedule(&self) -> MutexGuard<'_, FetchSchedule> {
        lock(&self.schedule)
    }

    /// The time by its clock.
    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// Notes the result of a look. Whether the next one follows at once, for a request that waits.
    pub(super) fn note(&self, looked: Result<Option<Duration>, FetchFailure>) -> bool {
        let now = self.clock.now();
        let mut schedule = self.schedule();
        let waiting = self.waiting.load(Ordering::Relaxed) > 0;
        self.wanted.store(waiting.into(), Ordering::Relaxed);
        let at_once = match looked {
            Ok(said) => {
                schedule.succeed(said, now, jitter());
                false
            }
            Err(failure) => schedule.fail(failure, waiting, now, jitter()),
        };
        let ended = schedule.ended();
        drop(schedule);
        self.ended.send_replace(ended);
        at_once
    }

    /// How many looks have ended, now and later.
    pub(super) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Has the task look at the clock again.
    pub(super) fn recheck(&self) {
        self.wake.notify_one();
    }

    /// The next look is wanted this much, or more.
    pub(super) fn want(&self, times: u32) {
        self.wanted.fetch_max(times, Ordering::Relaxed);
    }

    /// A place among the requests that wait, if one is free.
    pub(super) fn wait(&self) -> Option<Waiting<'_>> {
        let place = Waiting(self);
        // Dropping the place gives it back, also where none was free.
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        (before < MAX_KEY_WAITERS).then_some(place)
    }

    /// Waits until a look is due, by the clock that says so first: the wall clock may be set back, or stand still.
    async fn until_due(&self) {
        let wait = || self.schedule().wait(self.clock.now());
        let mut pause = pin!(tokio::time::sleep(wait()));
        loop {
            let wait = wait();
            if wait.is_zero() {
                return;
            }
            tokio::select! {
                () = &mut pause => return,
                () = tokio::time::sleep(wait.min(LONGEST_SLEEP)) => {}
                () = self.wake.notified() => {}
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
