//! Where records go: a bounded queue to one writer thread. A sink that stalls costs records, which are counted, never
//! requests or memory (P81).

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde::Deserialize;

use crate::audit::DecisionRecord;
use crate::pdp::{Observer, Outcome};
use crate::request::RequestView;

/// Where decision records go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum AuditTarget {
    /// Standard output.
    Stdout {},
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

/// Writes one JSON line per decision.
#[derive(Debug)]
pub struct AuditLog {
    queue: SyncSender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
    dropped: AtomicU64,
}

/// What the writer is told.
enum Message {
    Record(Box<DecisionRecord>),
    Close,
}

// === impl AuditLog ===

impl AuditLog {
    /// Opens the target and starts the writer.
    ///
    /// # Errors
    /// Where the file cannot be opened or the thread cannot be started.
    pub fn start(options: &AuditOptions) -> io::Result<Self> {
        let out: Box<dyn Write + Send> = match &options.target {
            AuditTarget::Stdout {} => Box::new(io::stdout()),
            AuditTarget::File(path) => Box::new(open(path)?),
        };
        Self::start_with(out, options.queue)
    }

    fn start_with(out: Box<dyn Write + Send>, queue: usize) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let writer =
            thread::Builder::new().name("audit".into()).spawn(move || write_all(&receiver, out))?;
        let writer = Mutex::new(Some(writer));
        Ok(Self { queue: sender, writer, dropped: AtomicU64::default() })
    }

    /// How many records were dropped because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything that was observed is written. Later records are dropped.
    pub fn close(&self) {
        // A writer that is gone needs no telling.
        let _ = self.queue.send(Message::Close);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A writer that panicked has nothing left to write.
        let _ = writer.map(JoinHandle::join);
    }

    fn send(&self, record: DecisionRecord) {
        if self.queue.try_send(Message::Record(Box::new(record))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
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
fn write_all(queue: &Receiver<Message>, out: Box<dyn Write + Send>) {
    let mut out = BufWriter::new(out);
    let mut next = queue.recv().ok();
    while let Some(Message::Record(record)) = next {
        let written = write_line(&mut out, &record);
        next = queue.try_recv().ok();
        let flushed = if next.is_none() { out.flush() } else { Ok(()) };
        if let Err(error) = written.and(flushed) {
            tracing::error!(%error, "audit record not written");
        }
        next = next.or_else(|| queue.recv().ok());
    }
}

fn write_line(out: &mut impl Write, record: &DecisionRecord) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests;
