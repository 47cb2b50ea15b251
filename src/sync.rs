//! What threads share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex` also where a thread panicked while it held it: every change in this crate is complete when its lock is
/// released, so that what is behind one can be used.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
