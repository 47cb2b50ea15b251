//! The pace at which a connection is read (P490).

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::Sleep;

use crate::limits::{MAX_CALLS_READ_AT_ONCE, MAX_RESETS_IN};

/// Counts the calls that a client begins and resets, and says when its next bytes are read.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Calls that have begun since the last pause.
    calls: usize,
    /// Calls that were reset in the present window, and the end of that window.
    resets: usize,
    window: Option<Pin<Box<Sleep>>>,
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
        let (time, most) = MAX_RESETS_IN;
        if self.resets > 0 {
            let window = self.window.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
            if self.resets >= most {
                ready!(window.as_mut().poll(cx));
                (self.resets, self.window) = (0, None);
            }
        }
        if self.calls >= MAX_CALLS_READ_AT_ONCE {
            self.calls = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}
