//! Lists from servers and files that answer well, badly, late and not at all, while the clock jumps.

use std::collections::VecDeque;
use std::path::Path;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderValue;

use super::*;
use crate::clock::UnixTime;
use crate::clock::{Clock, FixedClock};
use crate::document::{Attachments, SourceFile, any_error, parse};
use crate::pdp::Fetcher;
use crate::pdp::fetch::{FetchError, FetchRequest, Fetched, Validators};
use crate::store::{Store, StoreKind};
use crate::trust::RevocationEntry;
use crate::trust::RevocationTarget;
use crate::trust::TrustStore;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

mod replay;
mod restart;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// Gives one answer after the other, and the last one forever; records the etags of the requests.
#[derive(Debug, Default)]
struct Script {
    answers: Mutex<VecDeque<Option<(&'static str, String)>>>,
    asked: Mutex<Vec<Option<String>>>,
}

impl Script {
    fn new(answers: Vec<Option<(&'static str, String)>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into()), asked: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Fetcher for Script {
    fn fetch<'a>(&'a self, ask: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let etag = ask.known.and_then(|known| known.etag.as_ref());
        let etag = etag.map(|etag| etag.to_str().unwrap().to_owned());
        self.asked.lock().unwrap().push(etag.clone());
        let mut answers = self.answers.lock().unwrap();
        let answer =
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        Box::pin(async move {
            let (name, text) = answer.ok_or(FetchError::Status(503))?;
            let body = (etag.as_deref() != Some(name)).then(|| Bytes::from(text));
            let etag = Some(HeaderValue::from_static(name));
            let validators = Validators { etag, modified: None };
            Ok(Fetched { body, validators, ..Fetched::default() })
        })
    }
}

fn trust(spec: &str) -> TrustStore {
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: RevocationList\nmetadata: {{ name: far }}\nspec: {spec}\n"
    );
    let mut problems = Vec::new();
    let documents = parse(&SourceFile::new("/l/far.yaml", text), &mut problems);
    let trust = TrustStore::compile(&documents, &Attachments::default(), &mut problems);
    assert!(!any_error(&problems), "{problems:?}");
    trust
}

fn remote(more: &str) -> TrustStore {
    trust(&format!("{{ from: {{ remote: {{ url: https://a.test/l, refresh: 10s }} }}, {more} }}"))
}

fn list(sequence: u64, id: &str) -> String {
    format!("countersign-revocations/1\n@sequence {sequence}\nspiffe spiffe://{id}/x\n")
}

fn revokes(register: &RevocationRegister, id: &str) -> bool {
    let id = format!("spiffe://{id}/x");
    register.current().find(&RevocationTarget::Spiffe(&id), None, NOW).is_some()
}

async fn until(what: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never comes true");
}

/// P77, P64: garbage, an older list and an outage leave the last good list in force; the server is asked with its etag.
#[tokio::test(start_paused = true)]
async fn what_a_server_breaks_changes_nothing() {
    let script = Script::new(vec![
        Some(("\"1\"", list(5, "a"))),
        Some(("\"2\"", String::from("<html>"))),
        Some(("\"3\"", list(4, "b"))),
        None,
        Some(("\"1\"", list(5, "a"))),
        Some(("\"6\"", list(6, "c"))),
    ]);
    let clock = Arc::new(FixedClock::at(NOW));
    let register =
        RevocationRegister::saved_in(None, &remote("onStale: deny"), clock, script.clone());
    assert_eq!(register.current().stale(), Some("far"), "nothing is decided before it was read");
    until(|| revokes(&register, "a")).await;
    assert_eq!(register.current().stale(), None);
    for (asked, failures) in [(2, 1), (3, 2), (4, 3)] {
        until(|| script.asked() >= asked && register.lists()[0].failures >= failures).await;
        assert!(revokes(&register, "a") && !revokes(&register, "b"));
        assert!(register.lists()[0].error.is_some());
    }
    // The server says that the list in force is the newest again.
    until(|| script.asked() >= 5 && register.lists()[0].failures == 0).await;
    assert!(revokes(&register, "a") && register.lists()[0].error.is_none());
    until(|| revokes(&register, "c")).await;
    assert!(!revokes(&register, "a"));
    assert_eq!((register.lists()[0].failures, register.lists()[0].sequence), (0, Some(6)));
    let asked = script.asked.lock().unwrap();
    assert_eq!(asked[0], None);
    assert!(asked[1..5].iter().all(|etag| etag.as_deref() == Some("\"1\"")), "{asked:?}");
}

/// Each `onStale`, while the server is away and the clock jumps forward and back.
#[tokio::test(start_paused = true)]
async fn a_list_that_is_too_old_does_what_its_document_says() {
    for (on_stale, after_2m, after_2h) in
        [("deny", true, true), ("{ grace: 1h }", false, true), ("allow", false, false)]
    {
        let script = Script::new(vec![Some(("\"1\"", list(1, "a"))), None]);
        let clock = Arc::new(FixedClock::at(NOW));
        let trust = remote(&format!("maxAge: 1m, onStale: {on_stale}"));
        let register = RevocationRegister::saved_in(None, &trust, clock.clone(), script);
        until(|| revokes(&register, "a")).await;
        for (minutes, refuses) in [(2, after_2m), (120, after_2h), (0, false)] {
            clock.set(NOW.plus(Duration::from_secs(minutes * 60)));
            until(|| register.current().stale().is_some() == refuses).await;
            assert_eq!(register.lists()[0].stale, minutes > 0, "{on_stale}");
            assert!(revokes(&register, "a"), "what is known stays in force");
        }
    }
}

/// A list that was never read: what a server starts with is missed at once, what is added later when it cannot be read.
#[tokio::test(start_paused = true)]
async fn a_list_that_was_never_had_is_missed() {
    let clock = Arc::new(FixedClock::at(NOW));
    let unreachable = || Script::new(vec![None]);
    let register =
        RevocationRegister::saved_in(None, &remote("onStale: allow"), clock.clone(), unreachable());
    until(|| register.lists()[0].failures > 0).await;
    assert_eq!(register.current().stale(), None);
    let register = RevocationRegister::saved_in(None, &TrustStore::default(), clock, unreachable());
    register.follow(&remote("onStale: deny"));
    assert_eq!(register.current().stale(), None, "it comes into force when it is read");
    until(|| register.current().stale() == Some("far")).await;
    register.follow(&TrustStore::default());
    assert_eq!(register.current().stale(), None, "no document names it any more");
}

/// A file counts from the start, is seen when it changes, and stays in force over a reload and over a mistake.
#[tokio::test]
async fn a_file_is_read_before_anything_is_decided_and_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.txt");
    std::fs::write(&path, list(1, "a")).unwrap();
    let spec = format!("{{ from: {{ file: {} }}, onStale: deny }}", path.display());
    let (trust, clock) = (trust(&spec), Arc::new(FixedClock::at(NOW)));
    let register = RevocationRegister::saved_in(None, &trust, clock, Script::new(vec![None]));
    assert!(revokes(&register, "a"));
    std::fs::write(&path, "garbage, and longer than before").unwrap();
    until(|| register.lists()[0].failures > 0).await;
    register.follow(&trust);
    assert!(revokes(&register, "a"));
    let next = folder.path().join("next");
    std::fs::write(&next, list(2, "b")).unwrap();
    std::fs::rename(&next, &path).unwrap();
    until(|| revokes(&register, "b")).await;
    assert!(!revokes(&register, "a"));
}

/// A revocation that is made while servers run counts at once, survives every reload, and can be withdrawn.
#[tokio::test]
async fn running_revocations_survive_reloads() {
    let clock = Arc::new(FixedClock::at(NOW));
    let script = Script::new(vec![None]);
    let register =
        RevocationRegister::saved_in(None, &TrustStore::default(), clock.clone(), script);
    register.share(Arc::new(Store::in_memory(clock)), BeforeFirstSync::Deny);
    until(|| register.sharing().is_some_and(|sharing| sharing.synced)).await;
    let spec = serde_json::from_str(r#"{"spiffe":"spiffe://a/x","reason":"r"}"#).unwrap();
    let entry = RevocationEntry::read(&spec).unwrap();
    let published = register.revoke(entry.clone()).await;
    assert_eq!((published.store, published.not_shared), (StoreKind::Memory, None));
    assert!(revokes(&register, "a"));
    register.follow(&trust("{ entries: [{ spiffe: 'spiffe://b/x' }] }"));
    assert!(revokes(&register, "a") && revokes(&register, "b"));
    assert_eq!(register.known().len(), 2);
    let [id] = register.like(&entry)[..] else { panic!() };
    register.withdraw(&id).await.unwrap();
    assert!(!revokes(&register, "a") && revokes(&register, "b"));
    assert_eq!(register.withdraw(&id).await, Err(UnknownRevocation));
}

/// P767: a file without a number that lost its end revokes as before, also after a restart.
#[tokio::test]
async fn a_file_that_was_cut_revokes_as_before() {
    const FIRST: &str = "countersign-revocations/1\nspiffe spiffe://a/x\n";
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = (folder.path().join("list.txt"), folder.path().join("state"));
    let write = |text: &str| {
        std::fs::write(folder.path().join("next"), text).unwrap();
        std::fs::rename(folder.path().join("next"), &path).unwrap();
    };
    let spec = format!("{{ from: {{ file: {} }}, onStale: deny }}", path.display());
    let (trust, clock) = (trust(&spec), Arc::new(FixedClock::at(NOW)));
    let start = || {
        let saved = Some(state.clone());
        RevocationRegister::saved_in(saved, &trust, clock.clone(), Script::new(vec![None]))
    };
    write(&format!("{FIRST}spiffe spiffe://b/x\n"));
    let register = start();
    write(FIRST);
    // It is no better for being looked at again.
    until(|| register.lists()[0].failures > 1).await;
    assert!(revokes(&register, "a") && revokes(&register, "b"));
    drop(register);
    let restarted = start();
    assert!(revokes(&restarted, "a") && revokes(&restarted, "b"));
    assert!(restarted.lists()[0].error.as_ref().unwrap().contains("its end may be missing"));
    write(&format!("{FIRST}# b is good again\n"));
    until(|| !revokes(&restarted, "b")).await;
}
