//! Records arrive, and a sink that stalls costs what an operator chose and nothing else.

use std::sync::mpsc::{self, Sender};

use super::*;
use crate::audit::options::AuditSettings;
use crate::audit::tests::{pdp, view};
use crate::audit::{DecisionRecord, RecordedClaims};
use crate::authn::{Binding, Credential, Subject, TokenIdentity};
use crate::pdp::{NoRequestTrace, Pdp};
use std::sync::atomic::AtomicU64;

/// Its holder keeps a sink waiting.
type Gate = Arc<tokio::sync::Mutex<()>>;

/// Tells the test of every record; waits while the test holds the gate.
struct Gated {
    gate: Gate,
    records: Sender<DecisionRecord>,
}

impl Sink for Gated {
    fn take(&mut self, records: &[Record]) -> io::Result<()> {
        drop(self.gate.blocking_lock());
        for record in records {
            // A test that has seen enough does not listen any more.
            let _ = self.records.send(record.read());
        }
        Ok(())
    }
}

/// Room in bytes, of which no test needs all that is not about it.
const BYTES: usize = 1024 * 1024;

/// One gated sink for each of `gates`, and the records that arrive in it.
fn log(
    on_full: OnFull,
    queue: usize,
    gates: &[&Gate],
) -> (AuditLog, Vec<mpsc::Receiver<DecisionRecord>>) {
    let (mut lanes, mut received) = (Vec::new(), Vec::new());
    for gate in gates {
        let (records, receiver) = mpsc::channel();
        let sink = Gated { gate: Arc::clone(gate), records };
        lanes.push(Lane::start("test", Box::new(sink), queue, BYTES).unwrap());
        received.push(receiver);
    }
    let claims = RecordedClaims::new(vec!["/sub".to_owned()]).unwrap();
    (AuditLog { lanes, on_full, sample_allows: 1.0, claims, reopen: Arc::default() }, received)
}

fn now(count: &AtomicU64) -> u64 {
    count.load(Ordering::SeqCst)
}

const LONG: Duration = Duration::from_secs(60);

fn patient() -> Deadline {
    Deadline::within(LONG)
}

/// P81: with `onFull: drop` a sink that stalls neither blocks a check nor grows the queue; lost records are counted.
#[test]
fn a_stalled_sink_costs_counted_records_only() {
    let gate = Gate::default();
    let (log, received) = log(OnFull::Drop, 8, &[&gate]);
    let held = Arc::clone(&gate).try_lock_owned().unwrap();
    for id in 0..1000 {
        assert!(matches!(log.keep(&Record::brief("allow", id), &patient()), Recording::Done));
    }
    let (_, counts) = log.counts().pop().unwrap();
    let dropped = now(&counts.dropped);
    assert_eq!((now(&counts.waiting), dropped), (8, 992), "the writer's hands count");
    drop(held);
    log.close();
    drop(log);
    let kept = u64::try_from(received[0].iter().count()).unwrap();
    assert_eq!(kept + dropped, 1000);
    assert_eq!((now(&counts.written), now(&counts.waiting)), (kept, 0));
    assert_eq!(now(&counts.waiting_bytes), 0);
}

/// The record of a request for `path` by a caller who has proved something or nothing.
async fn record_of(pdp: &Pdp, path: &str, is_proven: bool) -> Record {
    let claims = serde_json::json!({ "iss": "corp", "sub": "alice" });
    let token =
        TokenIdentity::assertion("corp", claims.as_object().unwrap().clone(), Binding::None);
    let tokens =
        if is_proven { Credential::Verified(vec![token.unwrap()]) } else { Credential::Absent };
    let subject = Subject::assertion(Credential::Absent, tokens);
    let view = view(path);
    let outcome = pdp.pin().decide_for(&view, subject, &mut NoRequestTrace::default()).await;
    let claims = RecordedClaims::new(Vec::new()).unwrap();
    Record::of(&view, &outcome, &claims, 1.0)
}

/// P300: a stalled sink and paths of 57 KB cost so many bytes and no more, and half of them are kept for callers who proved
/// who they are: a flood of denials, or of allows that anyone gets, buries none of their records and denies none of them.
#[tokio::test]
async fn a_flood_of_long_records_costs_bounded_bytes_and_buries_no_allow() {
    let pdp = pdp();
    let long = format!("/{}", "x".repeat(57 * 1024));
    let mut denials = vec![record_of(&pdp, &long, false).await, record_of(&pdp, &long, true).await];
    denials.push(record_of(&pdp, "/nowhere", false).await);
    denials.push(record_of(&pdp, "/open", false).await);
    let good = record_of(&pdp, "/open", true).await;
    for on_full in [OnFull::Drop, OnFull::Block(Duration::from_millis(1)), OnFull::Deny] {
        let gate = Gate::default();
        let (log, received) = log(on_full, 16 * 1024, &[&gate]);
        let held = Arc::clone(&gate).try_lock_owned().unwrap();
        let (_, counts) = log.counts().pop().unwrap();
        for record in denials.iter().cycle().take(20_000) {
            // A future that is dropped gives its place up.
            drop(log.keep(record, &patient()));
        }
        let flooded = now(&counts.waiting_bytes);
        assert!((BYTES / 3..=BYTES / 2).contains(&usize::try_from(flooded).unwrap()), "{counts:?}");
        for _ in 0..100 {
            assert!(matches!(log.keep(&good, &patient()), Recording::Done), "{on_full:?}");
        }
        assert_eq!(
            now(&counts.waiting_bytes),
            flooded + 100 * u64::try_from(good.line().len()).unwrap()
        );
        drop(held);
        tokio::task::spawn_blocking(move || drop((log.close(), log))).await.unwrap();
        let kept = received[0]
            .iter()
            .filter(|record| !record.tokens.is_empty() && record.decision == "allow");
        assert_eq!((kept.count(), now(&counts.waiting_bytes)), (100, 0));
    }
}

/// P300: callers with credentials cost bounded bytes as well.
#[tokio::test]
async fn a_flood_of_allows_costs_bounded_bytes() {
    let pdp = pdp();
    let good = record_of(&pdp, "/open", true).await;
    let gate = Gate::default();
    let (log, _received) = log(OnFull::Drop, 16 * 1024, &[&gate]);
    let held = Arc::clone(&gate).try_lock_owned().unwrap();
    let (_, counts) = log.counts().pop().unwrap();
    (0..5_000).for_each(|_| drop(log.keep(&good, &patient())));
    assert!(
        now(&counts.waiting_bytes) <= BYTES.try_into().unwrap() && now(&counts.dropped) > 0,
        "{counts:?}"
    );
    drop(held);
}

/// P81: with `onFull: block` an answer waits for room, for a bounded time, and then the record is lost.
#[tokio::test]
async fn an_answer_waits_for_room_for_a_bounded_time() {
    let gate = Gate::default();
    let (log, _received) = log(OnFull::Block(Duration::from_millis(20)), 2, &[&gate]);
    let (_, counts) = log.counts().pop().unwrap();
    let held = Arc::clone(&gate).try_lock_owned().unwrap();
    // One is being written and one waits, at most; whatever comes then is lost.
    for id in 0..10 {
        if let Recording::Pending(later) = log.keep(&Record::brief("allow", id), &patient()) {
            later.await;
        }
        if now(&counts.dropped) > 0 {
            break;
        }
    }
    assert_eq!(now(&counts.dropped), 1);
    // There is room before the time is over.
    let log = AuditLog { on_full: OnFull::Block(LONG), ..log };
    let Recording::Pending(later) = log.keep(&Record::brief("allow", 9), &patient()) else {
        panic!("it is full")
    };
    drop(held);
    later.await;
    assert_eq!(now(&counts.dropped), 1, "only the first was lost");
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
    assert_eq!(now(&counts.waiting), 0);
}

#[tokio::test]
async fn no_answer_waits_for_longer_than_its_own_deadline() {
    let gate = Gate::default();
    let (log, _received) = log(OnFull::Block(LONG), 2, &[&gate]);
    let held = Arc::clone(&gate).try_lock_owned().unwrap();
    let mut waited = 0;
    for id in 0..4 {
        if let Recording::Pending(later) =
            log.keep(&Record::brief("allow", id), &Deadline::within(Duration::from_millis(1)))
        {
            later.await;
            waited += 1;
        }
    }
    assert!(waited > 0);
    drop(held);
}

/// P81, invariant 2: with `onFull: deny` nothing is allowed that is not in every sink, and none has a record of an allow
/// that did not happen.
#[test]
fn nothing_is_allowed_unrecorded_where_that_is_asked_for() {
    let (open, stalled) = (Gate::default(), Gate::default());
    let (log, received) = log(OnFull::Deny, 4, &[&open, &stalled]);
    let held = Arc::clone(&stalled).try_lock_owned().unwrap();
    let (mut kept, mut refused) = (Vec::new(), 0);
    for id in 0..100 {
        match log.keep(&Record::brief("allow", id), &patient()) {
            Recording::Done => kept.push(format!("{id:04}")),
            Recording::Refused(why) => {
                assert_eq!(why.reason(), Reason::AuditUnavailable);
                assert!(why.detail().contains("`test`"), "{why}");
                assert!(matches!(
                    log.keep(&Record::brief("deny", 1000 + id), &patient()),
                    Recording::Done
                ));
                refused += 1;
            }
            Recording::Pending(_) => panic!("no check waits"),
        }
    }
    assert!(refused > 0 && !kept.is_empty(), "{refused} refused, {kept:?} kept");
    drop(held);
    log.close();
    drop(log);
    for sink in received {
        let records: Vec<_> = sink.iter().collect();
        let allows = records.iter().filter(|record| record.decision == "allow");
        assert_eq!(allows.map(|record| record.decision_id.clone()).collect::<Vec<_>>(), kept);
    }
}

/// One that stalls keeps no other from its end.
#[test]
fn a_sink_is_written_to_its_end_although_another_stalls() {
    let (open, stalled) = (Gate::default(), Gate::default());
    let (log, received) = log(OnFull::Drop, 4, &[&open, &stalled]);
    let held = Arc::clone(&stalled).try_lock_owned().unwrap();
    for id in 0..50 {
        let _ = log.keep(&Record::brief("allow", id), &patient());
    }
    let counts: Vec<_> = log.counts().into_iter().map(|(_, counts)| counts).collect();
    let closing = thread::spawn(move || log.close());
    let expected = 50 - now(&counts[0].dropped);
    let records: Vec<_> = received[0].iter().take(usize::try_from(expected).unwrap()).collect();
    assert_eq!(u64::try_from(records.len()).unwrap(), expected);
    drop(held);
    closing.join().unwrap();
}

/// As a disk that is full.
struct Full;

impl Sink for Full {
    fn take(&mut self, _: &[Record]) -> io::Result<()> {
        Err(io::Error::other("no space left"))
    }
}

/// P81: what cannot be written is counted and does not end the writer.
#[test]
fn records_that_a_sink_does_not_take_are_counted_as_lost() {
    let (mut log, _) = log(OnFull::Drop, 8, &[]);
    log.lanes.push(Lane::start("test", Box::new(Full), 8, BYTES).unwrap());
    for id in 0..3 {
        let _ = log.keep(&Record::brief("deny", id), &patient());
    }
    log.close();
    let (_, counts) = log.counts().pop().unwrap();
    assert_eq!((now(&counts.dropped), now(&counts.written), now(&counts.waiting)), (3, 0, 0));
    assert!((1..=3).contains(&now(&counts.failed)));
}

/// A stream that takes so many bytes and then fails once.
struct Torn {
    text: Arc<Mutex<Vec<u8>>>,
    left: usize,
}

impl io::Write for Torn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            self.left = usize::MAX;
            return Err(io::Error::other("torn"));
        }
        let taken = self.left.min(bytes.len());
        self.left = self.left.saturating_sub(taken);
        self.text.lock().unwrap().extend(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_torn_line_does_not_spoil_the_next_one() {
    let text = Arc::<Mutex<Vec<u8>>>::default();
    let mut lines = Lines::new(Torn { text: Arc::clone(&text), left: 10 });
    assert!(lines.take(&[Record::brief("deny", 1)]).is_err());
    lines.take(&[Record::brief("deny", 2)]).unwrap();
    let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
    let whole = text.lines().nth(1).unwrap();
    assert_eq!(whole, "{\"decision_id\":\"0002\",\"decision\":\"deny\"}", "{text}");
}

#[tokio::test]
async fn allows_are_sampled_and_denials_never_are() {
    let gate = Gate::default();
    let (log, received) = log(OnFull::Drop, 2000, &[&gate]);
    let log = AuditLog { sample_allows: 0.25, ..log };
    let pdp = pdp();
    for path in ["/open", "/nowhere", "/watched"].repeat(400) {
        let view = view(path);
        let anonymous = Subject::assertion(Credential::Absent, Credential::Absent);
        let outcome = pdp.pin().decide_for(&view, anonymous, &mut NoRequestTrace::default()).await;
        assert!(matches!(log.record(&view, &outcome, &patient()), Recording::Done));
    }
    let (_, counts) = log.counts().pop().unwrap();
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
    let records: Vec<_> = received[0].try_iter().collect();
    let of = |path: &str| {
        let is = |record: &&DecisionRecord| record.request.as_ref().unwrap().path == path;
        records.iter().filter(is).collect::<Vec<_>>()
    };
    assert_eq!(of("/nowhere").len(), 400, "denials");
    assert!(
        of("/nowhere").iter().all(|record| record.sample_rate == 0.0 && record.reason == "no_rule")
    );
    assert_eq!(of("/watched").len(), 400, "allows that a shadow rule would have denied");
    let open = of("/open");
    assert!((40..=180).contains(&open.len()), "{} of 400 at a quarter", open.len());
    assert!(open.iter().all(|record| record.sample_rate == 0.25));
    assert_eq!(now(&counts.unsampled) + u64::try_from(open.len()).unwrap(), 400);
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let options = |json: &str| {
        let settings: AuditSettings = serde_json::from_str(json).unwrap();
        settings.options(std::path::Path::new("/etc"))
    };
    let all = r#"{"stdout": {}, "file": "a", "otlp": {}, "rotation": {}, "onFull": "block"}"#;
    let all = options(all).unwrap();
    assert_eq!(
        all.targets.iter().map(AuditTarget::name).collect::<Vec<_>>(),
        ["stdout", "file", "otlp"]
    );
    assert_eq!(all.file(), Some(std::path::Path::new("/etc/a")));
    assert_eq!(all.on_full, OnFull::Block(Duration::from_millis(20)));
    for (json, records) in [
        ("{}", "at least one of"),
        (r#"{"file": "a", "queue": 1}"#, "`audit.queue` is 1, expected 2 to"),
        (r#"{"file": "a", "queueBytes": 1000}"#, "`audit.queueBytes` is 1000, expected"),
        (r#"{"file": "a", "sampleAllows": 1.5}"#, "audit.sampleAllows"),
        (r#"{"file": "a", "blockFor": "2s"}"#, "audit.blockFor"),
        (r#"{"stdout": {}, "rotation": {}}"#, "audit.rotation"),
        (r#"{"file": "a", "rotation": {"keep": 0}}"#, "audit.rotation.keep"),
        (r#"{"file": "a", "rotation": {"maxBytes": 1}}"#, "audit.rotation.maxBytes"),
        (r#"{"file": "a", "claims": ["sub"]}"#, "audit.claims"),
    ] {
        assert!(options(json).unwrap_err().contains(records), "{json}");
    }
}

/// Panics on its first batch.
struct Doomed(bool, Sender<DecisionRecord>);

impl Sink for Doomed {
    fn take(&mut self, records: &[Record]) -> io::Result<()> {
        assert!(std::mem::replace(&mut self.0, true), "a bug");
        for record in records {
            let _ = self.1.send(record.read());
        }
        Ok(())
    }
}

/// P251: a sink that panics loses that batch, which is counted as a failed write, and takes the next one.
#[test]
fn a_sink_that_panics_goes_on() {
    for on_full in [OnFull::Drop, OnFull::Deny] {
        let (records, received) = mpsc::channel();
        let lanes = vec![Lane::start("test", Box::new(Doomed(false, records)), 8, BYTES).unwrap()];
        let claims = RecordedClaims::new(Vec::new()).unwrap();
        let log = AuditLog { lanes, on_full, sample_allows: 1.0, claims, reopen: Arc::default() };
        let (_, counts) = log.counts().pop().unwrap();
        let keep = |id| log.keep(&Record::brief("allow", id), &patient());
        assert!(matches!(keep(1), Recording::Done));
        let is_gone = || lock(&log.lanes[0].writer).as_ref().is_none_or(JoinHandle::is_finished);
        while now(&counts.failed) == 0 && !is_gone() {
            thread::yield_now();
        }
        assert_eq!((now(&counts.dropped), now(&counts.waiting)), (1, 0));
        assert!(matches!(keep(2), Recording::Done), "{on_full:?}");
        log.close();
        drop(log);
        assert_eq!((received.iter().count(), now(&counts.written)), (1, 1));
    }
}
