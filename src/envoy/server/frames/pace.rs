//! The pace at which a connection is read (P490).

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

use crate::limits::{MAX_CALLS_READ_AT_ONCE, MAX_RESETS_IN};

/// Counts what a client begins and resets, and says when its next bytes are read.
#[derive(Debug)]
pub(super) struct Pace {
    /// Calls that have begun since the last pause.
    calls: usize,
    /// Calls that were reset since `since`.
    resets: usize,
    since: Instant,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { calls: 0, resets: 0, since: Instant::now(), pause: None }
    }
}

impl Pace {
    pub(super) const fn call_begins(&mut self) {
        self.calls = self.calls.saturating_add(1);
    }

    pub(super) const fn call_is_reset(&mut self) {
        self.resets = self.resets.saturating_add(1);
    }

    /// Ready where the next bytes may be read. After [`MAX_CALLS_READ_AT_ONCE`] calls others have their turn first; where more
    /// were reset than [`MAX_RESETS_IN`] allows, the rest of that time passes first.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (time, resets) = MAX_RESETS_IN;
        if self.resets >= resets {
            self.resets = 0;
            let due = self.since.checked_add(time).filter(|due| *due > Instant::now());
            self.pause = due.map(|due| Box::pin(tokio::time::sleep_until(due)));
            self.since = due.unwrap_or_else(Instant::now);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        if self.calls >= MAX_CALLS_READ_AT_ONCE {
            self.calls = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// P490: a client that resets ten thousand calls a second and more is read at that rate; one that resets fewer does not wait.
    #[tokio::test(start_paused = true)]
    async fn resets_beyond_a_rate_wait() {
        let (time, resets) = MAX_RESETS_IN;
        let reset = async |pace: &mut Pace, between: Duration| {
            let begun = Instant::now();
            for _ in 0..10 * resets {
                pace.call_is_reset();
                std::future::poll_fn(|cx| pace.poll(cx)).await;
                tokio::time::advance(between).await;
            }
            begun.elapsed()
        };
        let mut pace = Pace::default();
        let took = reset(&mut pace, Duration::ZERO).await;
        assert!((9 * time..=11 * time).contains(&took), "{took:?}");
        let slow = Duration::from_millis(1);
        let took = reset(&mut pace, slow).await;
        assert!(took <= slow * 1281 + time, "{took:?}");
    }
}
