//! The snapshot in force, with what was verified under it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::snapshot::Snapshot;
use super::verification_cache::{VerificationCache, VerificationCacheOptions};

/// A snapshot with what was verified under it. A new snapshot starts with an empty cache, so that no verification outlives the
/// trust that it was made with (invariant 7).
#[derive(Debug)]
pub(super) struct CurrentSnapshot {
    pub(super) snapshot: Snapshot,
    pub(super) verified: VerificationCache,
}

/// A snapshot that another one has replaced.
#[derive(Debug)]
pub struct RetiredSnapshot(pub(super) Arc<CurrentSnapshot>);

/// The pause between two looks at whether checks still use a retired snapshot, and how many looks there are: longer than a
/// check may take by default.
const PAUSE: Duration = Duration::from_millis(5);
const LOOKS: usize = 200;

impl CurrentSnapshot {
    pub(super) fn new(snapshot: Snapshot, memory: &VerificationCacheOptions) -> Self {
        Self { snapshot, verified: VerificationCache::new(memory) }
    }
}

impl RetiredSnapshot {
    /// Waits until the checks that began with it have ended, and frees it on a thread of its own: freeing many documents takes
    /// longer than a check should wait.
    pub async fn free(self) {
        for _ in 0..LOOKS {
            if Arc::strong_count(&self.0) == 1 {
                break;
            }
            sleep(PAUSE).await;
        }
        // If the runtime ends first, the memory goes with the process.
        let _ = spawn_blocking(move || drop(self)).await;
    }
}
