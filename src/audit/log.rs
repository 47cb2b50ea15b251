//! From a decision to the queues of the sinks. A sink that stalls costs records, which are counted, or time, which is
//! bounded, or decisions, where an operator wants it so; never memory (P81).

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::file::FileSink;
use super::room::{Room, RoomPlace};
use super::sink::{Lines, Sink};
use super::writer::{self, AuditCounts, WriterMessage};
use super::{AuditOptions, AuditTarget, OnFull, Record, RecordedClaims};
use crate::clock::Deadline;
use crate::pdp::{AuditSink, Outcome, Recording};
use crate::reason::Reason;
use crate::request::RequestView;
use crate::sync::lock;

/// Keeps a record of each decision in every sink.
#[derive(Debug)]
pub struct AuditLog {
    lanes: Vec<Lane>,
    on_full: OnFull,
    sample_allows: f64,
    claims: RecordedClaims,
    /// Tells the file that it was moved away.
    reopen: Arc<AtomicBool>,
}

/// One sink with its queue and its thread.
#[derive(Debug)]
struct Lane {
    name: &'static str,
    /// Bounded by the room.
    queue: UnboundedSender<WriterMessage>,
    room: Room,
    /// The writer, to be woken before the queue is full.
    thread: Thread,
    /// So many waiting records wake it.
    many: u64,
    writer: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<AuditCounts>,
}

impl AuditLog {
    /// Opens the sinks and starts their writers. `collector` takes the records that are sent there.
    ///
    /// # Errors
    /// The file cannot be opened, a thread cannot be started, or there is no collector.
    pub fn start(options: &AuditOptions, collector: Option<Box<dyn Sink>>) -> io::Result<Self> {
        let reopen = Arc::<AtomicBool>::default();
        let mut collector = collector;
        let mut lanes = Vec::new();
        for target in &options.targets {
            let sink: Box<dyn Sink> = match target {
                AuditTarget::Stdout => Box::new(Lines::new(io::stdout())),
                AuditTarget::File(path, rotation) => {
                    Box::new(FileSink::open(path, *rotation, Arc::clone(&reopen))?)
                }
                AuditTarget::Otlp => {
                    collector.take().ok_or_else(|| io::Error::other("there is no collector"))?
                }
            };
            lanes.push(Lane::start(target.name(), sink, options.queue, options.queue_bytes)?);
        }
        let AuditOptions { on_full, sample_allows, .. } = *options;
        Ok(Self { lanes, on_full, sample_allows, claims: options.claims.clone(), reopen })
    }

    /// How each sink is doing, now and later.
    pub fn counts(&self) -> Vec<(&'static str, Arc<AuditCounts>)> {
        self.lanes.iter().map(|lane| (lane.name, Arc::clone(&lane.counts))).collect()
    }

    /// Opens the file again before the next record, because it was moved away.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::SeqCst);
    }

    /// Waits until everything that was recorded is written, outside of any async task. Later records are lost.
    pub fn close(&self) {
        // Closes all queues before it waits for any: a sink that stalls does not delay the others.
        for lane in &self.lanes {
            // A writer that is gone needs no telling.
            let _ = lane.queue.send(WriterMessage::Close);
        }
        for lane in &self.lanes {
            lane.thread.unpark();
            let writer = lock(&lane.writer).take();
            // A writer that panicked has nothing left to write.
            let _ = writer.map(JoinHandle::join);
        }
    }

    /// True if an allow is recorded. The decision id decides, which no caller can choose: every sink samples the same.
    fn is_sampled(&self, outcome: &Outcome) -> bool {
        let [a, b, c, d, ..] = *outcome.id.as_bytes();
        let share = f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0);
        share < self.sample_allows
    }

    /// The part of the likes of it that is recorded, or `None` where this one is not.
    fn rate_of(&self, outcome: &Outcome) -> Option<f64> {
        let always = !outcome.decision.is_allow()
            || outcome.decision.shadows().iter().any(|shadow| shadow.changes);
        if always {
            return Some(1.0);
        }
        self.is_sampled(outcome).then_some(self.sample_allows)
    }

    fn keep(&self, record: &Record, deadline: &Deadline) -> Recording {
        match self.on_full {
            OnFull::Drop => {
                self.offer(record);
                Recording::Done
            }
            OnFull::Block(bound) => self.wait_for_room(record, bound.min(deadline.left())),
            OnFull::Deny if record.allows() => self.insist(record),
            // Nothing is allowed by it.
            OnFull::Deny => {
                self.offer(record);
                Recording::Done
            }
        }
    }

    /// Keeps the record in every sink that has room.
    pub(super) fn offer(&self, record: &Record) {
        self.lanes.iter().for_each(|lane| lane.offer(record));
    }

    fn wait_for_room(&self, record: &Record, bound: Duration) -> Recording {
        let full: Vec<_> = self.lanes.iter().filter(|lane| !lane.has_taken(record)).collect();
        if full.is_empty() {
            return Recording::Done;
        }
        let waits: Vec<_> = full.into_iter().map(|lane| lane.wait(record, bound)).collect();
        Recording::Pending(Box::pin(async move {
            for wait in waits {
                wait.await;
            }
        }))
    }

    /// Keeps the record in every sink or in none.
    fn insist(&self, record: &Record) -> Recording {
        let mut places = Vec::with_capacity(self.lanes.len());
        for lane in &self.lanes {
            let Some(place) = lane.place(record) else {
                let detail = format!("too many records wait for the audit sink `{}`", lane.name);
                return Recording::Refused(Reason::AuditUnavailable.because(detail));
            };
            places.push((lane, place));
        }
        for (lane, place) in places {
            lane.send(record.clone(), place);
        }
        Recording::Done
    }
}

impl AuditSink for AuditLog {
    fn record(&self, view: &RequestView, outcome: &Outcome, deadline: &Deadline) -> Recording {
        let Some(rate) = self.rate_of(outcome) else {
            for lane in &self.lanes {
                lane.counts.unsampled.fetch_add(1, Ordering::Relaxed);
            }
            return Recording::Done;
        };
        self.keep(&Record::of(view, outcome, &self.claims, rate), deadline)
    }
}

impl Lane {
    fn start(
        name: &'static str,
        sink: Box<dyn Sink>,
        records: usize,
        bytes: usize,
    ) -> io::Result<Self> {
        let (queue, receiver) = unbounded_channel();
        let counts = Arc::<AuditCounts>::default();
        let shared = Arc::clone(&counts);
        let writer = thread::Builder::new()
            .name(format!("audit {name}"))
            .spawn(move || writer::run(name, receiver, sink, &shared))?;
        let many = u64::try_from(records / 2).unwrap_or(u64::MAX);
        let (thread, room) = (writer.thread().clone(), Room::new(records, bytes));
        Ok(Self { name, queue, room, thread, many, writer: Mutex::new(Some(writer)), counts })
    }

    fn send(&self, record: Record, place: RoomPlace) {
        if send(&self.queue, &self.counts, record, place) == self.many {
            self.thread.unpark();
        }
    }

    /// A place in the queue, if there is one and its writer lives.
    fn place(&self, record: &Record) -> Option<RoomPlace> {
        if self.queue.is_closed() { None } else { self.room.take(record) }
    }

    /// True if there was room for the record.
    fn has_taken(&self, record: &Record) -> bool {
        self.place(record).map(|place| self.send(record.clone(), place)).is_some()
    }

    /// Keeps the record, or counts that it is lost.
    fn offer(&self, record: &Record) {
        if !self.has_taken(record) {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Keeps the record once there is room, or counts that it is lost.
    fn wait(&self, record: &Record, bound: Duration) -> impl Future<Output = ()> + Send + use<> {
        let (queue, counts) = (self.queue.clone(), Arc::clone(&self.counts));
        let (room, record) = (self.room.clone(), record.clone());
        async move {
            if let Ok(Some(place)) = tokio::time::timeout(bound, room.wait(&record)).await {
                send(&queue, &counts, record, place);
            } else {
                counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Hands over a record, which is lost where the writer is gone. How many waited before.
fn send(
    queue: &UnboundedSender<WriterMessage>,
    counts: &AuditCounts,
    record: Record,
    place: RoomPlace,
) -> u64 {
    let bytes = record.line().len();
    // Counted before it is there, or the writer could be done with it already.
    let before = counts.begin(bytes);
    if queue.send(WriterMessage::Record(record, place)).is_err() {
        counts.end(1, bytes);
        counts.dropped.fetch_add(1, Ordering::Relaxed);
    }
    before
}

#[cfg(test)]
mod tests;
