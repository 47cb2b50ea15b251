//! The listener's status, for operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::clock::{Deadline, Seldom};

/// Counts and levels of one listener.
#[derive(Debug, Default)]
pub struct ListenerStatus {
    /// Connections that are open and whose client may send checks.
    pub connections: AtomicU64,
    /// Connections that wait for the first byte or the end of the TLS handshake.
    pub greeting: AtomicU64,
    /// Connections that were taken so far.
    pub accepted: AtomicU64,
    /// Connections that were turned away so far: too many, no or a wrong certificate, no byte, handshake or call in time.
    pub refused: AtomicU64,
    /// Connections that were asked to end because of their age.
    pub aged: AtomicU64,
    /// Calls that HTTP/2 refused so far, without a decision: Envoy sees an error and not a denial.
    pub reset: AtomicU64,
    /// Connections that HTTP/2 ended so far because of an error.
    pub broken: AtomicU64,
    /// Connections that were cut because the client's certificate was revoked.
    pub revoked: AtomicU64,
    /// Checks that are being decided.
    pub checks: AtomicU64,
    /// True if serving is about to end.
    pub draining: AtomicBool,
    /// Lines in the log that clients cause, one of each kind a minute.
    pub(super) said: LogPace,
}

/// When each kind of line is due again.
#[derive(Debug, Default)]
pub(super) struct LogPace {
    pub(super) refused: [Seldom; RefusedConnection::COUNT],
    pub(super) http2: Seldom,
    pub(super) accept: Seldom,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum RefusedConnection {
    /// As many are open as there may be, of all or of one address.
    Full,
    /// Newer ones took its slot before it was done with its handshake.
    Displaced,
    /// Nothing was said in time, or the handshake failed.
    Greeting,
    /// Its client is revoked.
    Revoked,
    /// No call came in time.
    Unused,
}

/// A check that is on its way to its answer.
#[derive(Debug)]
pub(super) struct Arrival {
    /// When the answer has to be there.
    pub(super) deadline: Deadline,
    /// `None` where there is too much to do already.
    pub(super) admitted: Option<LevelGuard>,
}

impl RefusedConnection {
    const COUNT: usize = 5;

    const fn index(self) -> usize {
        match self {
            Self::Full => 0,
            Self::Displaced => 1,
            Self::Greeting => 2,
            Self::Revoked => 3,
            Self::Unused => 4,
        }
    }
}

impl ListenerStatus {
    /// Counts a connection that is refused, and says so once a minute, with how many of that kind there were.
    pub(super) fn refuse(&self, refused: RefusedConnection, client: &str, detail: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let due = self.said.refused.get(refused.index()).and_then(Seldom::due);
        if let Some(connections) = due {
            tracing::warn!(client, connections, detail, "connection refused");
        }
    }
}

/// One more on a level for as long as it lives.
#[derive(Debug)]
pub(crate) struct LevelGuard {
    status: Arc<ListenerStatus>,
    level: fn(&ListenerStatus) -> &AtomicU64,
}

impl LevelGuard {
    /// One more on `level`.
    pub(super) fn one(
        status: &Arc<ListenerStatus>,
        level: fn(&ListenerStatus) -> &AtomicU64,
    ) -> Self {
        level(status).fetch_add(1, Ordering::Relaxed);
        Self { status: Arc::clone(status), level }
    }

    /// One more on `level`, unless it is at `most` already.
    pub(crate) fn below(
        most: usize,
        status: &Arc<ListenerStatus>,
        level: fn(&ListenerStatus) -> &AtomicU64,
    ) -> Option<Self> {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        // Counted first and looked at after, so that two at a time cannot both be the last one.
        let counted = Self { status: Arc::clone(status), level };
        (level(status).fetch_add(1, Ordering::Relaxed) < most).then_some(counted)
    }
}

impl Drop for LevelGuard {
    fn drop(&mut self) {
        (self.level)(&self.status).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_goes_up_to_its_limit_and_down_again() {
        let status = Arc::default();
        let one_more = || LevelGuard::below(2, &status, |status| &status.checks);
        let (first, second) = (one_more(), one_more());
        assert!(first.is_some() && second.is_some());
        assert!(one_more().is_none(), "at the limit");
        assert_eq!(status.checks.load(Ordering::Relaxed), 2, "a refused one is not left counted");
        drop(first);
        assert!(one_more().is_some());
    }
}
