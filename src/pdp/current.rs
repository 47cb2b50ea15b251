//! What is in force, with what was verified under it.

use super::remember::{MemoryOptions, Remembered};
use super::snapshot::Snapshot;

/// A snapshot with what was verified under it: a new snapshot starts with nothing remembered, so that no verification
/// outlives the trust it was made with (invariant 7).
#[derive(Debug)]
pub(super) struct Current {
    pub(super) snapshot: Snapshot,
    pub(super) remembered: Remembered,
}

// === impl Current ===

impl Current {
    pub(super) fn new(snapshot: Snapshot, memory: &MemoryOptions) -> Self {
        Self { snapshot, remembered: Remembered::new(memory) }
    }
}
