//! Revocations that a restart does not lose.

use super::*;
#[cfg(feature = "redis")]
use crate::document::HumanDuration;
use crate::pdp::revocation::state_folder::RevocationFolder;
use crate::store::KeyPage;
use crate::store::Store;
use crate::trust::RevocationEntry;
use crate::trust::TrustStore;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn saved_in(
    folder: &Path,
    trust: &TrustStore,
    clock: &Arc<FixedClock>,
    fetcher: Arc<Script>,
) -> RevocationRegister {
    RevocationRegister::saved_in(Some(folder.to_owned()), trust, clock.clone(), fetcher)
}

fn entry(id: &str) -> RevocationEntry {
    let spec = serde_json::from_str(&format!(r#"{{"spiffe":"spiffe://{id}/x"}}"#)).unwrap();
    RevocationEntry::read(&spec).unwrap()
}

/// Until the list with this number is in the folder.
async fn saved(folder: &Path, trust: &TrustStore, sequence: u64) {
    let source = trust.revocation_lists()[0].source.as_ref().unwrap();
    let number =
        || Some(RevocationFolder::new(folder.to_owned()).list("far", source)?.known.mark.sequence);
    until(|| number() == Some(Some(sequence))).await;
}

/// P64: a list is in force again at once, although its server is away, and no older one takes its place.
#[tokio::test]
async fn a_list_is_in_force_after_a_restart_and_an_older_one_is_not() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(FixedClock::at(NOW)));
    let trust = remote("onStale: deny, maxAge: 1h");
    let script = Script::new(vec![Some(("\"5\"", list(5, "a")))]);
    let register = saved_in(folder.path(), &trust, &clock, script);
    saved(folder.path(), &trust, 5).await;
    assert!(revokes(&register, "a"));
    drop(register);

    let away = Script::new(vec![None]);
    let register = saved_in(folder.path(), &trust, &clock, away);
    assert!(revokes(&register, "a") && register.current().stale().is_none());
    drop(register);

    let older = Script::new(vec![Some(("\"4\"", list(4, "b")))]);
    let register = saved_in(folder.path(), &trust, &clock, older);
    until(|| register.lists()[0].failures > 0).await;
    assert!(register.lists()[0].error.as_ref().unwrap().contains("`@sequence` is 4, but 5"));
    assert!(revokes(&register, "a") && !revokes(&register, "b"));
    drop(register);

    clock.advance(Duration::from_secs(3601));
    let register = saved_in(folder.path(), &trust, &clock, Script::new(vec![None]));
    assert_eq!(register.current().stale(), Some("far"), "its age goes on while no server runs");
    drop(register);

    let other = trust_of_another_place();
    let script = Script::new(vec![Some(("\"1\"", list(1, "c")))]);
    let register = saved_in(folder.path(), &other, &clock, script);
    assert!(!revokes(&register, "a"), "the number counts for the place it is from");
    until(|| revokes(&register, "c")).await;
}

fn trust_of_another_place() -> TrustStore {
    trust("{ from: { remote: { url: https://b.test/l, refresh: 10s } }, onStale: allow }")
}

/// A text that was damaged is not used; its number counts all the same, and the same list is let in again.
#[tokio::test]
async fn of_a_damaged_list_the_number_is_left() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(FixedClock::at(NOW)));
    let trust = remote("onStale: deny");
    let script = Script::new(vec![Some(("\"5\"", list(5, "a")))]);
    let register = saved_in(folder.path(), &trust, &clock, script);
    saved(folder.path(), &trust, 5).await;
    drop(register);
    let is_text = |path: &PathBuf| path.extension().is_some_and(|end| end == "list");
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let text = files.into_iter().find(is_text).unwrap();
    std::fs::remove_file(&text).unwrap();
    let register = saved_in(folder.path(), &trust, &clock, Script::new(vec![None]));
    let problem = register.state_files().unwrap().problem();
    assert!(problem.unwrap().contains(".list` is not written"), "P252: missing, and seen");
    drop(register);
    std::fs::write(&text, list(5, "z")).unwrap();

    let script = Script::new(vec![Some(("\"4\"", list(4, "b"))), Some(("\"5\"", list(5, "a")))]);
    let register = saved_in(folder.path(), &trust, &clock, script);
    assert_eq!(register.current().stale(), Some("far"));
    until(|| register.lists()[0].failures > 0).await;
    assert!(!revokes(&register, "b") && !revokes(&register, "z"));
    until(|| revokes(&register, "a")).await;
    assert_eq!(register.current().stale(), None);
    drop(register);

    for entry in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::write(entry.unwrap().path(), "{").unwrap();
    }
    let register = saved_in(folder.path(), &trust, &clock, Script::new(vec![None]));
    assert_eq!(register.current().stale(), Some("far"), "garbage is as nothing");
    assert!(saved_problem(folder.path()).unwrap().contains(".json.damaged-1"));
}

/// P64: revocations that were made while servers ran are in force again before anything is decided, and withdrawn ones are
/// not.
#[tokio::test]
async fn running_revocations_survive_a_restart() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(FixedClock::at(NOW)));
    let none = TrustStore::default();
    let unreachable = || Script::new(vec![None]);
    let register = saved_in(folder.path(), &none, &clock, unreachable());
    register.share(Arc::new(Store::in_memory(clock.clone())), BeforeFirstSync::Deny);
    register.revoke(entry("a")).await;
    register.revoke(entry("b")).await;
    register.withdraw(&entry("b").id()).await.unwrap();
    drop(register);
    let register = saved_in(folder.path(), &none, &clock, unreachable());
    assert!(revokes(&register, "a") && !revokes(&register, "b"));

    // The store of this process knows nothing of it yet.
    register.share(Arc::new(Store::in_memory(clock.clone())), BeforeFirstSync::Deny);
    assert_eq!(register.sharing().unwrap().unshared, 2);
    until(|| register.sharing().unwrap().unshared == 0).await;
    assert!(revokes(&register, "a") && !revokes(&register, "b"));
    drop(register);

    assert_eq!(saved_problem(folder.path()), None);
    std::fs::write(folder.path().join("running.json"), "{").unwrap();
    let register = saved_in(folder.path(), &none, &clock, unreachable());
    assert!(!revokes(&register, "a"), "garbage is as nothing");
    assert!(register.state_files().unwrap().problem().unwrap().contains("running.json.damaged-1"));
}

fn saved_problem(folder: &Path) -> Option<String> {
    RevocationFolder::new(folder.to_owned()).files().problem()
}

/// P252: a revocation that the state folder does not take says so, to its caller and to operators, until it is written.
#[tokio::test]
async fn a_revocation_that_is_not_saved_says_so() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(FixedClock::at(NOW)));
    let path = folder.path().join("state");
    std::fs::write(&path, "a file").unwrap();
    let register = saved_in(&path, &TrustStore::default(), &clock, Script::new(vec![None]));
    register.share(Arc::new(Store::in_memory(clock.clone())), BeforeFirstSync::Deny);
    let problem = || register.state_files().unwrap().problem();
    let published = register.revoke(entry("a")).await;
    assert!(published.not_saved.is_some() && revokes(&register, "a"));
    assert!(problem().unwrap().contains("`running.json` is not written"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(register.revoke(entry("b")).await.not_saved, None);
    assert_eq!(problem(), None);
}

/// P254: an entry that has ended counts for no request, and is not counted.
#[tokio::test]
async fn entries_that_are_over_are_not_counted() {
    let clock = Arc::new(FixedClock::at(NOW));
    let none = TrustStore::default();
    let register =
        RevocationRegister::saved_in(None, &none, clock.clone(), Script::new(vec![None]));
    let end = NOW.plus(Duration::from_secs(60)).to_rfc3339();
    let spec = format!(r#"{{"spiffe":"spiffe://a/x","expires":"{end}"}}"#);
    let ending = RevocationEntry::read(&serde_json::from_str(&spec).unwrap()).unwrap();
    assert_eq!(register.check_not_over(&ending), Ok(()));
    register.revoke(ending.clone()).await;
    assert_eq!(register.in_force(), 1);
    clock.advance(Duration::from_secs(60));
    assert_eq!(register.in_force(), 0);
    let refused = register.check_not_over(&ending).unwrap_err();
    assert!(refused.contains(&end) && refused.contains("write a later time"), "{refused}");
}

/// P252: one entry that cannot be read must not pass for one that is not there: the others count, and are not taken for all.
#[tokio::test]
async fn of_running_revocations_a_part_is_not_taken_for_all() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(FixedClock::at(NOW)));
    let register = saved_in(folder.path(), &TrustStore::default(), &clock, Script::new(vec![None]));
    register.share(Arc::new(Store::in_memory(clock.clone())), BeforeFirstSync::Deny);
    until(|| register.sharing().unwrap().synced).await;
    register.revoke(entry("a")).await;
    register.revoke(entry("b")).await;
    drop(register);
    let kept = || {
        let running = RevocationFolder::new(folder.path().to_owned()).changes();
        (running.synced_at.is_some(), running.changes.len())
    };
    assert_eq!(kept(), (true, 2));
    let path = folder.path().join("running.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("spiffe://a/x", "of a later version")).unwrap();
    assert_eq!(kept(), (false, 1));
    // A file that cannot be read is kept for a person, once, and the rest is written without it.
    std::fs::remove_file(folder.path().join("running.json.damaged-1")).unwrap();
    for _ in 0..2 {
        let none = TrustStore::default();
        drop(saved_in(folder.path(), &none, &clock, Script::new(vec![None])));
        let aside = std::fs::read_to_string(folder.path().join("running.json.damaged-1"));
        assert!(aside.unwrap().contains("of a later version"));
        assert!(!folder.path().join("running.json.damaged-2").exists());
        assert_eq!(kept(), (false, 1));
    }
}

/// A restart goes by a store that was read to its end: one page of several is not when the store was read last.
#[tokio::test]
async fn a_store_counts_as_read_when_it_was_read_to_its_end() {
    let clock = Arc::new(FixedClock::at(NOW));
    let register = RevocationRegister::saved_in(
        None,
        &TrustStore::default(),
        clock.clone(),
        Script::new(vec![None]),
    );
    register.share(Arc::new(Store::in_memory(clock)), BeforeFirstSync::Deny);
    // Nothing is awaited, so only this test reads.
    let position = register.shared.lock().sharing.as_ref().unwrap().position;
    for more in [true, false] {
        let page = KeyPage { records: Vec::new(), position, more, restarted: false };
        register.shared.apply(&page);
        let sharing = register.sharing().unwrap();
        assert_eq!((sharing.synced, sharing.synced_at.is_some()), (!more, !more));
    }
}

/// A store that is away at the start: revocations are unknown, unless it was read lately and the settings accept that.
#[cfg(feature = "redis")]
#[tokio::test]
async fn what_was_known_lately_counts_only_where_that_was_chosen() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(FixedClock::at(NOW)));
    let none = TrustStore::default();
    let register = saved_in(folder.path(), &none, &clock, Script::new(vec![None]));
    register.share(Arc::new(Store::in_memory(clock.clone())), BeforeFirstSync::Deny);
    until(|| register.sharing().unwrap().synced).await;
    register.revoke(entry("a")).await;
    drop(register);

    let hour = HumanDuration::new(Duration::from_secs(3600));
    let day = Duration::from_secs(86_400);
    for (later, before_first_sync, refuses, known) in [
        (Duration::ZERO, BeforeFirstSync::Deny, true, true),
        (Duration::ZERO, BeforeFirstSync::Allow, false, true),
        (Duration::ZERO, BeforeFirstSync::LastKnown(hour), false, true),
        (Duration::from_secs(3590), BeforeFirstSync::LastKnown(hour), false, true),
        (Duration::from_secs(3700), BeforeFirstSync::LastKnown(hour), true, true),
        (day * 31, BeforeFirstSync::LastKnown(hour), true, false),
    ] {
        let clock = Arc::new(FixedClock::at(NOW.plus(later)));
        let register = saved_in(folder.path(), &none, &clock, Script::new(vec![None]));
        // Nothing listens on port 1 of this machine.
        let options = serde_json::json!({ "redis": { "url": "redis://127.0.0.1:1" } });
        let options = serde_json::from_value(options).unwrap();
        let store = Arc::new(Store::start(&options, clock.clone()).unwrap());
        register.share(store, before_first_sync);
        until(|| register.sharing().unwrap().error.is_some()).await;
        let stale = register.current().stale().is_some();
        assert_eq!((stale, revokes(&register, "a")), (refuses, known), "{later:?}");
    }
    let before = Arc::new(FixedClock::at(NOW.minus(day)));
    let register = saved_in(folder.path(), &none, &before, Script::new(vec![None]));
    let options = serde_json::from_str(r#"{ "redis": { "url": "redis://127.0.0.1:1" } }"#).unwrap();
    let store = Arc::new(Store::start(&options, before.clone()).unwrap());
    register.share(store, BeforeFirstSync::LastKnown(hour));
    assert!(register.current().stale().is_some(), "a clock that went back makes nothing younger");
}
