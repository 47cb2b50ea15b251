//! Claims of one-time credentials that replicas share.

use std::time::Duration;

use super::memory::Memory;
use super::{FirstUse, StoreError, StoreKey};
use crate::clock::UnixTime;
use crate::limits::REPLICA_CLOCK_DIFFERENCE;

/// How long the shared store keeps a claim of what expires at `expires`. Longer than until then by `now`: a replica whose clock is
/// behind takes the credential for as long.
pub(super) fn kept_for(expires: UnixTime, now: UnixTime) -> Duration {
    expires.since(now).saturating_add(REPLICA_CLOCK_DIFFERENCE)
}

/// Claims `key` in the shared store by `shared`, and before that in this replica's own memory `alone`, whose answer counts where
/// the store has none (`onLoss: local`).
pub(super) async fn first_use(
    key: &StoreKey,
    expires: UnixTime,
    alone: Option<&Memory>,
    shared: impl Future<Output = Result<FirstUse, StoreError>>,
) -> Result<FirstUse, StoreError> {
    let alone = alone.map(|memory| memory.first_use(key, expires));
    if let Some(Ok(FirstUse::Seen)) = alone {
        return Ok(FirstUse::Seen);
    }
    match (shared.await, alone) {
        (Ok(answer), _) => Ok(answer),
        (Err(_), Some(alone)) => alone,
        (Err(error), None) => Err(error),
    }
}
