//! Reading logs, and putting their records to the sets: in parallel, with the result of one thread.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde::de::IgnoredAny;

use super::judge::Replay;
use super::tally::Tally;
use crate::audit::{DecisionRecord, RecordedEvent};
use crate::cli::records::Filters;
use crate::cli::{CommandError, files, records};
use crate::limits::REPLAY_BATCH_BYTES;

/// Lines of one log.
#[derive(Default)]
struct Batch {
    lines: String,
    /// The position of the log.
    log: usize,
    /// Lines that cannot be records.
    torn: u64,
}

/// A thread that takes batches, and gives what it counted in each, in the same order.
struct Worker {
    batches: SyncSender<Batch>,
    tallies: Receiver<Tally>,
}

/// The batches that are being counted, in the order of the logs.
struct Queue {
    workers: Vec<Worker>,
    /// The workers that have a batch, the one with the oldest first.
    busy: VecDeque<usize>,
    next: usize,
    tally: Tally,
    /// Most examples of a group.
    examples: usize,
    shows_progress: bool,
}

/// Batches that each worker has: one that it counts, and one that waits.
const AHEAD: usize = 2;

/// Reads `logs`, and counts what becomes of their decisions.
pub(super) fn read(
    logs: &[PathBuf],
    replay: &Replay,
    filters: &Filters,
    examples: usize,
) -> Result<Tally, CommandError> {
    thread::scope(|scope| {
        let count = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let worker = |_| {
            let (batches, taken) = sync_channel::<Batch>(AHEAD);
            let (counted, tallies) = sync_channel(AHEAD);
            scope.spawn(move || {
                let count = |batch: Batch| tally(&batch, replay, (filters, examples));
                // The reader has failed, and wants no more.
                taken.iter().map(count).try_for_each(|tally| counted.send(tally).map_err(drop))
            });
            Worker { batches, tallies }
        };
        let mut queue = Queue {
            workers: (0..count).map(worker).collect(),
            busy: VecDeque::new(),
            next: 0,
            tally: Tally::default(),
            examples,
            shows_progress: io::stderr().is_terminal(),
        };
        queue.read_all(logs)?;
        queue.finish()
    })
}

impl Queue {
    fn read_all(&mut self, logs: &[PathBuf]) -> Result<(), CommandError> {
        let mut seen = BTreeSet::new();
        for (log, path) in logs.iter().enumerate() {
            let is_input = path.as_os_str() == "-";
            let files = if is_input { vec![path.clone()] } else { records::with_older(path) };
            for file in files {
                // A pattern of a shell names the older files as well.
                let place = file.canonicalize().unwrap_or_else(|_| file.clone());
                if seen.insert(place) {
                    self.read_file(&file, log)?;
                }
            }
        }
        Ok(())
    }

    fn read_file(&mut self, file: &std::path::Path, log: usize) -> Result<(), CommandError> {
        let failed = |error: io::Error| CommandError::Usage(files::unreadable(file, &error));
        let mut lines = records::open(file).map_err(failed)?;
        let mut batch = Batch { log, ..Batch::default() };
        let mut sent = Ok(());
        lines
            .each_or_none(|line| {
                match line {
                    Some(line) => batch.push(line),
                    None => batch.torn = batch.torn.saturating_add(1),
                }
                if batch.lines.len() >= REPLAY_BATCH_BYTES && sent.is_ok() {
                    let full = std::mem::replace(&mut batch, Batch { log, ..Batch::default() });
                    sent = self.send(full);
                }
            })
            .map_err(failed)?;
        lines.check(file).map_err(CommandError::Usage)?;
        batch.torn = batch.torn.saturating_add(lines.is_torn().into());
        sent.and_then(|()| self.send(batch))
    }

    fn send(&mut self, batch: Batch) -> Result<(), CommandError> {
        if self.busy.len() >= self.workers.len().saturating_mul(AHEAD) {
            self.take_oldest()?;
        }
        let at = self.next;
        self.next = at.saturating_add(1) % self.workers.len().max(1);
        let sent = self.workers.get(at).map(|worker| worker.batches.send(batch));
        self.busy.push_back(at);
        if let Some(Ok(())) = sent { Ok(()) } else { Err(ended()) }
    }

    /// Takes the counts of the oldest batch, so that the order is that of the logs.
    fn take_oldest(&mut self) -> Result<(), CommandError> {
        let Some(at) = self.busy.pop_front() else { return Ok(()) };
        let worker = self.workers.get(at);
        let tally = worker.and_then(|worker| worker.tallies.recv().ok()).ok_or_else(ended)?;
        self.tally.merge(tally, self.examples);
        if self.shows_progress {
            // Progress is for a person who watches: if it cannot be written, the command goes on.
            let _ = write!(io::stderr(), "\r{} decisions ...", self.tally.all.records);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Tally, CommandError> {
        while !self.busy.is_empty() {
            self.take_oldest()?;
        }
        if self.shows_progress {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
        Ok(self.tally)
    }
}

impl Batch {
    fn push(&mut self, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
    }
}

fn ended() -> CommandError {
    CommandError::failure("a thread that puts records to the documents has ended")
}

fn tally(batch: &Batch, replay: &Replay, (filters, examples): (&Filters, usize)) -> Tally {
    let mut tally = Tally::default();
    tally.ignored.torn = batch.torn;
    for line in batch.lines.lines().filter(|line| !line.trim().is_empty()) {
        let Some(record) = record(line, &mut tally) else { continue };
        if filters.want(&record) {
            tally.add(&record, replay.judge(&record), batch.log, examples);
        } else {
            tally.ignored.filtered = tally.ignored.filtered.saturating_add(1);
        }
    }
    tally
}

/// The record in `line`. What is none is counted by what it is.
fn record(line: &str, tally: &mut Tally) -> Option<DecisionRecord> {
    let ignored = &mut tally.ignored;
    let own = match serde_json::from_str::<DecisionRecord>(line) {
        Ok(record) if record.decision_id.is_empty() => {
            let event = serde_json::from_str::<RecordedEvent>(line);
            let is_event = event.is_ok_and(|event| !event.event.is_empty());
            if is_event { &mut ignored.events } else { &mut ignored.foreign }
        }
        Ok(record) if is_older(&record) => &mut ignored.older,
        Ok(record) => {
            if let Some(field) = records::unknown_field(line, &record) {
                tally.newer = tally.newer.saturating_add(1);
                tally.add_unknown_field(&field);
            }
            return Some(record);
        }
        Err(_) if serde_json::from_str::<IgnoredAny>(line).is_ok() => &mut ignored.foreign,
        Err(_) => &mut ignored.torn,
    };
    *own = own.saturating_add(1);
    None
}

/// True if it lacks a field that every record has today: then it lacks others, and which ones cannot be known.
fn is_older(record: &DecisionRecord) -> bool {
    record.mode.is_empty() || record.revision.is_empty() || record.request.is_none()
}
