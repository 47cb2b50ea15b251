//! What was in force: freeing it takes longer with more documents, and is nothing that a check should wait for.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::current::Current;

/// What was in force until another snapshot was published.
#[derive(Debug)]
pub struct Retired(pub(super) Arc<Current>);

/// Pause between two looks, and how many there are: longer than a check may take by default. What is kept for longer is
/// freed by whoever keeps it.
const PAUSE: Duration = Duration::from_millis(5);
const LOOKS: usize = 200;

// === impl Retired ===

impl Retired {
    /// Waits until the checks that began with it have ended, and frees it where nobody waits for that.
    pub async fn free(self) {
        for _ in 0..LOOKS {
            if Arc::strong_count(&self.0) == 1 {
                break;
            }
            sleep(PAUSE).await;
        }
        // What is to be freed goes with the runtime, if that ends first.
        let _ = spawn_blocking(move || drop(self)).await;
    }
}
