//! Where records go: a bounded queue to one writer thread. A sink that stalls costs records, which are counted, never
//! requests or memory (P81).

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::audit::DecisionRecord;
use crate::pdp::{Observer, Outcome};
use crate::request::RequestView;

/// Where decision records go, as an operator writes it: exactly one place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditSettings {
    /// Standard output: `{}`.
    #[serde(default)]
    pub stdout: Option<Stdout>,
    /// A file, appended to.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Most records that wait for the writer.
    #[serde(default = "default_queue")]
    pub queue: usize,
}

/// Standard output has no settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stdout {}

/// Where decision records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// How records are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOptions {
    /// Where they go.
    pub target: AuditTarget,
    /// Most records that wait for the writer.
    pub queue: usize,
}

/// Most that can be set: 1 GiB of records.
const MAX_QUEUE: usize = 1 << 20;

/// About a second of a busy replica, 20 MB at most.
const fn default_queue() -> usize {
    16_384
}

/// How long the writer lets records gather after it has written. To be woken for each record would cost more than the record:
/// half of what a busy server does.
const GATHER: Duration = Duration::from_millis(5);

/// What is written at a time where much waits.
const BUFFER: usize = 64 * 1024;

/// Writes one JSON line per decision.
#[derive(Debug)]
pub struct AuditLog {
    queue: SyncSender<Message>,
    /// The writer, to be woken before the queue is full.
    thread: Thread,
    /// So many waiting records wake it.
    many: u64,
    writer: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<AuditCounts>,
}

/// How the sink is doing.
#[derive(Debug, Default)]
pub struct AuditCounts {
    /// Records that wait for the writer, the one that it is writing included.
    pub waiting: AtomicU64,
    /// Records that the sink has taken.
    pub written: AtomicU64,
    /// Allows that sampling left out.
    pub unsampled: AtomicU64,
    /// Records that were lost: too many were waiting, or the sink did not take them.
    pub dropped: AtomicU64,
    /// Writes that failed, each with at least one record.
    pub failed: AtomicU64,
}

/// What the writer is told.
enum Message {
    Record(Box<DecisionRecord>),
    Close,
}

// === impl AuditSettings ===

impl AuditSettings {
    /// What they ask for, a relative file in the folder `base`.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn options(self, base: &Path) -> Result<AuditOptions, String> {
        if !(1..=MAX_QUEUE).contains(&self.queue) {
            return Err(format!("`audit.queue` is {}, expected 1 to {MAX_QUEUE}", self.queue));
        }
        let target = match (self.stdout, self.file) {
            (Some(Stdout {}), None) => AuditTarget::Stdout,
            (None, Some(file)) => AuditTarget::File(base.join(file)),
            (Some(_), Some(_)) | (None, None) => {
                return Err("`audit` needs one of `stdout: {}` and `file: PATH`".into());
            }
        };
        Ok(AuditOptions { target, queue: self.queue })
    }
}

// === impl AuditLog ===

impl AuditLog {
    /// Opens the target and starts the writer.
    ///
    /// # Errors
    /// Where the file cannot be opened or the thread cannot be started.
    pub fn start(options: &AuditOptions) -> io::Result<Self> {
        let out: Box<dyn Write + Send> = match &options.target {
            AuditTarget::Stdout => Box::new(io::stdout()),
            AuditTarget::File(path) => Box::new(open(path)?),
        };
        Self::start_with(out, options.queue)
    }

    fn start_with(out: Box<dyn Write + Send>, queue: usize) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let counts = Arc::<AuditCounts>::default();
        let shared = Arc::clone(&counts);
        let writer = thread::Builder::new()
            .name("audit".into())
            .spawn(move || write_all(&receiver, out, &shared))?;
        let (thread, many) =
            (writer.thread().clone(), u64::try_from(queue / 2).unwrap_or(u64::MAX));
        let writer = Mutex::new(Some(writer));
        Ok(Self { queue: sender, thread, many, writer, counts })
    }

    /// How it is doing, now and later.
    #[must_use]
    pub fn counts(&self) -> Arc<AuditCounts> {
        Arc::clone(&self.counts)
    }

    /// Waits until everything that was observed is written. Later records are dropped.
    pub fn close(&self) {
        // A writer that is gone needs no telling.
        let _ = self.queue.send(Message::Close);
        self.thread.unpark();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A writer that panicked has nothing left to write.
        let _ = writer.map(JoinHandle::join);
    }

    fn send(&self, record: DecisionRecord) {
        // Counted first, or the writer could be done with it before it is.
        let before = self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        if before == self.many {
            self.thread.unpark();
        }
        if self.queue.try_send(Message::Record(Box::new(record))).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Observer for AuditLog {
    fn observe(&self, view: &RequestView, outcome: &Outcome) {
        self.send(DecisionRecord::of(view, outcome));
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Writes until it is told to close, and flushes whenever the queue is empty, so that a quiet system shows its last decision.
/// Then it lets some gather.
fn write_all(queue: &Receiver<Message>, out: Box<dyn Write + Send>, counts: &AuditCounts) {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let note = |result: io::Result<()>| {
        if let Err(error) = result {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "audit record not written");
        }
    };
    let mut next = queue.recv().ok();
    while let Some(Message::Record(record)) = next {
        let written = write_line(&mut out, &record);
        next = queue.try_recv().ok();
        let flushed = if next.is_none() { out.flush() } else { Ok(()) };
        counts.waiting.fetch_sub(1, Ordering::Relaxed);
        note(written.and(flushed));
        if next.is_none() {
            thread::park_timeout(GATHER);
            next = queue.recv().ok();
        }
    }
    note(out.flush());
}

fn write_line(out: &mut impl Write, record: &DecisionRecord) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests;
