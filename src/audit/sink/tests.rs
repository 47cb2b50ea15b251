//! Records arrive, and a stalled sink costs records only.

use std::sync::mpsc::{self, Sender};

use super::*;

fn record(id: &str) -> DecisionRecord {
    DecisionRecord { decision_id: id.into(), decision: "deny".into(), ..Default::default() }
}

/// Sends every write to the test; blocks while the test holds the gate.
#[derive(Debug)]
struct Gated {
    gate: Arc<Mutex<()>>,
    written: Sender<Vec<u8>>,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(self.gate.lock().unwrap());
        self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn records_are_json_lines_without_empty_fields() {
    let (written, lines) = mpsc::channel();
    let log = AuditLog::start_with(Box::new(Gated { gate: Arc::default(), written }), 8).unwrap();
    log.send(record("a"));
    log.close();
    let text: Vec<u8> = lines.iter().flatten().collect();
    assert_eq!(String::from_utf8(text).unwrap(), "{\"decision_id\":\"a\",\"decision\":\"deny\"}\n");
}

/// P81: a sink that stalls neither blocks the sender nor grows the queue; what is lost is counted.
#[test]
fn a_stalled_sink_costs_counted_records_only() {
    let (written, lines) = mpsc::channel();
    let gate = Arc::new(Mutex::new(()));
    let log =
        AuditLog::start_with(Box::new(Gated { gate: Arc::clone(&gate), written }), 8).unwrap();
    let held = gate.lock().unwrap();
    for n in 0..1000 {
        log.send(record(&n.to_string()));
    }
    let dropped = log.counts().dropped.load(Ordering::Relaxed);
    assert!(dropped > 0, "the queue holds 8");
    assert_eq!(log.counts().waiting.load(Ordering::Relaxed) + dropped, 1000);
    drop(held);
    log.close();
    let text: Vec<u8> = lines.iter().flatten().collect();
    let kept = text.iter().filter(|b| **b == b'\n').count();
    assert_eq!(u64::try_from(kept).unwrap() + dropped, 1000);
    assert_eq!(log.counts().waiting.load(Ordering::Relaxed), 0);
}

/// As a disk that is full.
#[derive(Debug)]
struct Full;

impl Write for Full {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("no space left"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// P81: what cannot be written is counted and does not end the writer.
#[test]
fn failed_writes_are_counted() {
    let log = AuditLog::start_with(Box::new(Full), 8).unwrap();
    log.send(record("a"));
    log.close();
    assert!(log.counts().failed.load(Ordering::Relaxed) > 0);
}
