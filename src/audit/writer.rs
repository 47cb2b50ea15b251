//! The thread of one sink: takes what waits, all of it at once, and counts what becomes of it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::room::RoomPlace;
use super::{Record, Sink};
use crate::clock::{SAY_AGAIN, Stopwatch};

/// How a sink is doing.
#[derive(Debug, Default)]
pub struct AuditCounts {
    /// Records that wait for the writer, those that it is writing included.
    pub waiting: AtomicU64,
    /// Their bytes.
    pub waiting_bytes: AtomicU64,
    /// Records that the sink has taken.
    pub written: AtomicU64,
    /// Allows that are not recorded because of sampling.
    pub unsampled: AtomicU64,
    /// Records that were lost: too many were waiting, or the sink did not take them.
    pub dropped: AtomicU64,
    /// Writes that failed, each with at least one record.
    pub failed: AtomicU64,
}

impl AuditCounts {
    /// Counts a record that waits from now on. How many waited before.
    pub(super) fn begin(&self, bytes: usize) -> u64 {
        self.waiting_bytes.fetch_add(wide(bytes), Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts records that wait no more.
    pub(super) fn end(&self, records: u64, bytes: usize) {
        self.waiting_bytes.fetch_sub(wide(bytes), Ordering::Relaxed);
        self.waiting.fetch_sub(records, Ordering::Relaxed);
    }
}

/// A message to a writer.
#[derive(Debug)]
pub(super) enum WriterMessage {
    Record(Record, RoomPlace),
    Close,
}

/// Most records that are written at a time: half a megabyte.
pub(super) const MAX_BATCH: usize = 512;

/// Once a batch has so many bytes it is written: a sink needs several times as many for what it makes of it.
const FULL_BATCH_BYTES: usize = 1024 * 1024;

/// Records that are written together, and their places in the queue, which are free once they are written.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    places: Vec<RoomPlace>,
    bytes: usize,
}

/// How long a writer lets records gather after it has written. To be woken for each record would cost more than the record:
/// half of what a busy server does. What gathers for long is written while checks wait for the core.
const GATHER: Duration = Duration::from_millis(1);

/// Writes until a message says close. It writes all waiting records together, and at once when no more wait, so that a
/// quiet system shows its last decision. Then it lets records gather until it is unparked.
pub(super) fn run(
    name: &'static str,
    mut queue: UnboundedReceiver<WriterMessage>,
    mut sink: Box<dyn Sink>,
    counts: &AuditCounts,
) {
    let mut batch = Batch::default();
    let mut said: Option<Stopwatch> = None;
    let mut open = true;
    while open {
        open = gather(&mut queue, &mut batch);
        if batch.records.is_empty() {
            continue;
        }
        let result = take(&mut *sink, &batch.records);
        count(&result, &batch, counts);
        batch.clear();
        match result {
            Ok(()) => said = None,
            Err(error) if said.is_none_or(|said| said.elapsed() > SAY_AGAIN) => {
                tracing::error!(sink = name, %error, "audit records were not written");
                said = Some(Stopwatch::start());
            }
            Err(_) => {}
        }
        if open && queue.is_empty() {
            thread::park_timeout(GATHER);
        }
    }
}

/// Hands `batch` to the sink. A panic there is a failure like others: without its writer a sink would lose everything from then
/// on.
fn take(sink: &mut dyn Sink, batch: &[Record]) -> io::Result<()> {
    let taken = catch_unwind(AssertUnwindSafe(|| sink.take(batch)));
    taken.unwrap_or_else(|_| Err(io::Error::other("the sink panicked, which is a defect")))
}

/// Waits for a record and takes those behind it; whether there can be more.
fn gather(queue: &mut UnboundedReceiver<WriterMessage>, batch: &mut Batch) -> bool {
    let mut next = queue.blocking_recv();
    loop {
        match next {
            Some(WriterMessage::Record(record, place)) => batch.push(record, place),
            Some(WriterMessage::Close) | None => return false,
        }
        if batch.is_full() {
            return true;
        }
        match queue.try_recv() {
            Ok(message) => next = Some(message),
            Err(_) => return true,
        }
    }
}

impl Batch {
    fn push(&mut self, record: Record, place: RoomPlace) {
        self.bytes = self.bytes.saturating_add(record.line().len());
        self.records.push(record);
        self.places.push(place);
    }

    const fn is_full(&self) -> bool {
        self.records.len() >= MAX_BATCH || self.bytes >= FULL_BATCH_BYTES
    }

    fn clear(&mut self) {
        self.records.clear();
        self.places.clear();
        self.bytes = 0;
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn count(result: &io::Result<()>, batch: &Batch, counts: &AuditCounts) {
    let records = wide(batch.records.len());
    counts.end(records, batch.bytes);
    match result {
        Ok(()) => counts.written.fetch_add(records, Ordering::Relaxed),
        Err(_) => {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            counts.dropped.fetch_add(records, Ordering::Relaxed)
        }
    };
}
