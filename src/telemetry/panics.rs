//! Panics of every thread and task, those of libraries included. One that is caught, or that ends a thread which no other part
//! waits for, is seen by its count.

use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::lock;

/// The panics so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panics {
    /// How many there were since the start.
    pub count: u64,
    /// The place of the last one in the source, as `FILE:LINE:COLUMN`, with the name of its thread.
    pub last: Option<String>,
}

static COUNT: AtomicU64 = AtomicU64::new(0);
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Counts panics from now on. Standard error shows them as before.
pub fn watch() {
    let shown = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        *lock(&LAST) = Some(format!("{place} in the thread `{}`", thread.name().unwrap_or("-")));
        COUNT.fetch_add(1, Ordering::Relaxed);
        shown(panic);
    }));
}

/// The panics since [`watch`].
pub fn so_far() -> Panics {
    Panics { count: COUNT.load(Ordering::Relaxed), last: lock(&LAST).clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P251: a panic is counted, whichever thread it ends.
    #[test]
    fn a_panic_of_any_thread_is_counted() {
        let before = so_far().count;
        watch();
        let ended = std::thread::Builder::new().name("doomed".into()).spawn(|| panic!("a bug"));
        assert!(ended.unwrap().join().is_err());
        let Panics { count, last } = so_far();
        assert!(count > before);
        // Other tests panic on purpose, too.
        assert!(last.is_some_and(|last| last.contains(".rs:")));
    }
}
