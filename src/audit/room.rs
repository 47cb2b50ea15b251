//! The room for waiting records, in bytes. Denials, and allows of callers who proved nothing, get half of it: a flood of them
//! neither buries a record of a caller who proved who it is nor keeps such a caller from being allowed.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Record;

/// The bytes that are free.
#[derive(Clone, Debug)]
pub(super) struct Room {
    all: Arc<Semaphore>,
    /// Those that any record may take.
    shared: Arc<Semaphore>,
    /// A record takes so many at least: their number is bounded as well.
    least: usize,
}

/// The bytes of one record, until it is dropped.
#[derive(Debug)]
pub(super) struct RoomPlace {
    _all: OwnedSemaphorePermit,
    _shared: Option<OwnedSemaphorePermit>,
}

/// Memory of a waiting record beside its line.
const BESIDE: usize = 256;

impl Room {
    /// Room for `records`, and for so many `bytes` of them.
    pub(super) fn new(records: usize, bytes: usize) -> Self {
        let of = |bytes| Arc::new(Semaphore::new(bytes));
        let least = bytes.checked_div(records).unwrap_or(bytes);
        Self { all: of(bytes), shared: of(bytes / 2), least }
    }

    /// A place for `record`, if there is one now.
    pub(super) fn take(&self, record: &Record) -> Option<RoomPlace> {
        let bytes = self.bytes_of(record);
        let take = |from: &Arc<Semaphore>| Arc::clone(from).try_acquire_many_owned(bytes).ok();
        let shared = if record.is_precious() { None } else { Some(take(&self.shared)?) };
        Some(RoomPlace { _all: take(&self.all)?, _shared: shared })
    }

    /// A place for `record`, once there is one.
    pub(super) async fn wait(self, record: &Record) -> Option<RoomPlace> {
        let bytes = self.bytes_of(record);
        let shared = if record.is_precious() {
            None
        } else {
            Some(self.shared.acquire_many_owned(bytes).await.ok()?)
        };
        Some(RoomPlace { _all: self.all.acquire_many_owned(bytes).await.ok()?, _shared: shared })
    }

    fn bytes_of(&self, record: &Record) -> u32 {
        let bytes = record.line().len().saturating_add(BESIDE).max(self.least);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}
