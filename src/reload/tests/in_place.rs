//! Files that are written, cut, emptied, removed and swapped while a server goes by them.

use std::os::unix::fs::symlink;

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::evidence::PeerSources;
use crate::pdp::{HttpsFetcher, KeyCache, PdpOptions, VerificationCacheOptions};

/// A policy that allows every caller, with a rule that denies at its end.
pub(super) const ORDERS: &str = "apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: orders }
spec:
  target: { hosts: [orders.example] }
  rules:
    - name: everybody
      effect: allow
      public: true
    - name: no-deletes
      effect: deny
      on:
        methods:
          - DELETE
          - PUT
";

const FREEZE: &str = "apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: freeze }
spec:
  target: { hosts: [orders.example] }
  rules:
    - name: admin
      effect: deny
      on: { paths: [\"/admin\"] }
";

/// Long enough for a poll, a rest and a second look, by a clock that runs whenever no task works.
pub(super) const LONG: Duration = Duration::from_secs(130);

/// A decision point that goes by a folder.
struct Running {
    folder: TempDir,
    pdp: Arc<Pdp>,
    work: Arc<Work>,
    status: Arc<ReloadStatus>,
    reloading: JoinHandle<()>,
}

fn start(files: &[(&str, &str)]) -> Running {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
    let documents = folder.path().to_owned();
    start_in(folder, documents, ReloadOptions::default())
}

fn start_in(folder: TempDir, documents: PathBuf, options: ReloadOptions) -> Running {
    let (pdp, work, status, reloading) = serve(documents, options);
    Running { folder, pdp, work, status, reloading }
}

/// A decision point that goes by the documents, until the task is aborted. It hears of a change where the test says so (`changed` of
/// its remote files): the clock of these tests is ahead of what the operating system reports.
pub(super) fn serve(
    documents: PathBuf,
    options: ReloadOptions,
) -> (Arc<Pdp>, Arc<Work>, Arc<ReloadStatus>, JoinHandle<()>) {
    let paths = vec![documents];
    let load = Load::from_paths(&paths);
    let snapshot = load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems));
    let files: Vec<_> = snapshot.files().map(Path::to_owned).collect();
    let clock = Arc::new(FixedClock::at(NOW));
    let keys = Arc::new(KeyCache::new(clock.clone(), Arc::new(HttpsFetcher::default())));
    let remote = Arc::new(RemoteFiles::new(clock.clone(), Arc::new(HttpsFetcher::default())));
    let pdp_options = PdpOptions {
        peer_sources: PeerSources::default(),
        deadline: Duration::from_secs(1),
        memory: VerificationCacheOptions::default(),
    };
    let pdp = Arc::new(Pdp::new(snapshot, keys, clock, pdp_options));
    let mut reloader =
        Reloader::new(Arc::clone(&pdp), remote, paths, files, &load.problems, options);
    let watch = FileWatch::new(Arc::new(|| ()));
    reloader.watch = Arc::new(Mutex::new(watch));
    let (work, status) = (Arc::clone(&reloader.work), reloader.status());
    (pdp, work, status, tokio::spawn(reloader.run()))
}

/// The rules in force, sorted.
pub(super) fn rules(pdp: &Pdp) -> Vec<String> {
    let mut rules: Vec<_> = pdp.inspect(|snapshot| {
        snapshot.policies().rules().map(|(name, ..)| name.to_string()).collect()
    });
    rules.sort();
    rules
}

impl Running {
    /// Compares a problem with its golden file, which `docs/diagnostics.md` shows.
    #[expect(clippy::disallowed_methods, reason = "the switch for rewriting is in the environment")]
    fn compare(&self, name: &str, found: &Diagnostic) {
        let golden = format!("tests/policy-errors/running/{name}.stderr");
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(golden);
        let found = format!("{}\n\n", found.render(false));
        let found = found.replace(&self.folder.path().display().to_string(), "FOLDER");
        if std::env::var("COUNTERSIGN_BLESS").is_ok() {
            fs::write(&golden, &found).unwrap();
        }
        assert_eq!(found, fs::read_to_string(&golden).unwrap_or_default(), "{name}");
    }

    /// Writes over a file, as an editor or a shell does.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
        self.work.remote.changed().notify_one();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
        self.work.remote.changed().notify_one();
    }

    /// The rules in force.
    fn rules(&self) -> Vec<String> {
        rules(&self.pdp)
    }

    /// How many sets were put in force and refused, and whether the files are others than what is in force.
    fn counts(&self) -> (u64, u64, bool) {
        let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        let stale = self.status.stale.load(Ordering::Relaxed);
        (read(&self.status.applied), read(&self.status.refused), stale)
    }

    fn errors(&self) -> String {
        self.status.errors.load().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.reloading.abort();
    }
}

/// P163: whatever part of a file is there instead of the whole, no rule of it is lost.
#[tokio::test(start_paused = true)]
async fn no_part_of_a_file_is_put_in_its_place() {
    let both = format!("{ORDERS}---\n{FREEZE}");
    let backwards = format!("{FREEZE}---\n{ORDERS}");
    for whole in [&both, &backwards] {
        let running = start(&[("a.yaml", whole)]);
        running.reloading.abort();
        let revision = running.pdp.revision();
        for end in 0..whole.len() {
            let part = whole.get(..end).unwrap();
            running.write("a.yaml", part);
            assert!(running.work.conclude(running.work.read()).is_none(), "{part:?}");
            assert_eq!(running.pdp.revision(), revision, "{part:?}");
            assert!(running.counts().2, "{part:?}");
        }
        running.write("a.yaml", whole);
        assert!(running.work.conclude(running.work.read()).is_none());
        assert_eq!((running.counts().0, running.counts().2), (0, false));
    }
}

/// P163: the same of a new version of the file that is being written over the old one.
#[tokio::test(start_paused = true)]
async fn no_part_of_a_new_version_loses_a_rule_that_denies() {
    let whole = format!("{ORDERS}---\n{FREEZE}");
    let next = whole.replace("DELETE\n", "PATCH\n").replace("/admin", "/admin/{page}");
    let running = start(&[("a.yaml", &whole)]);
    running.reloading.abort();
    let rules = running.rules();
    for end in 0..next.len() {
        running.write("a.yaml", next.get(..end).unwrap());
        let _ = running.work.conclude(running.work.read());
        assert_eq!(running.rules(), rules, "{:?}", next.get(..end));
    }
    running.write("a.yaml", &next);
    assert!(running.work.conclude(running.work.read()).is_some());
    assert!(!running.counts().2);
}

/// P164: a change counts once it rests: what is written in two steps is put in force whole.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_still_being_written_does_not_count() {
    let running = start(&[("orders.yaml", ORDERS)]);
    let begun =
        FREEZE.replace("name: freeze", "name: more").replace("effect: deny", "effect: allow");
    let begun = begun.replace("      on:", "      public: true\n      on:");
    running.write("more.yaml", &begun);
    tokio::time::sleep(Duration::from_millis(600)).await;
    running.write("more.yaml", &format!("{begun}---\n{FREEZE}"));
    tokio::time::sleep(LONG).await;
    assert_eq!(running.rules().len(), 4, "{:?}", running.rules());
    assert_eq!(running.counts(), (1, 0, false), "never with half of it");
}

/// P163: a file that is cut, emptied or removed in place keeps what it had in force, says so once, and counts once that was
/// confirmed, by the exact files.
#[tokio::test(start_paused = true)]
async fn a_loss_in_place_counts_once_it_is_confirmed() {
    let running = start(&[("orders.yaml", ORDERS), ("freeze.yaml", FREEZE)]);
    let rules = running.rules();
    for text in ["", "# nothing\n", "---\n", "---\n---\n...\n"] {
        running.write("freeze.yaml", text);
        tokio::time::sleep(LONG).await;
        assert_eq!(running.rules(), rules, "{text:?}");
        assert!(running.errors().contains("no documents"), "{text:?}: {}", running.errors());
        assert_eq!(running.status.unconfirmed(), None, "an empty file is never right");
    }
    running.remove("freeze.yaml");
    tokio::time::sleep(LONG).await;
    assert_eq!(running.rules(), rules);
    let (_, refused, stale) = running.counts();
    assert!(stale && running.errors().contains("`freeze/admin`"), "{}", running.errors());
    tokio::time::sleep(LONG).await;
    assert_eq!(running.counts().1, refused, "P165: said once");

    let losses = running.work.losses(&[String::from("rule `a/b`")], "0123");
    running.compare("removed-in-place", &losses[0]);

    let set = running.status.unconfirmed().unwrap();
    assert!(running.status.confirm("0123").is_err());
    running.write("more.yaml", &FREEZE.replace("freeze", "more").replace("/admin", "/more"));
    tokio::time::sleep(LONG).await;
    assert_eq!(running.rules(), rules, "other files wait for an own confirmation");
    running.status.confirm(&set).unwrap_err();
    running.status.confirm(&running.status.unconfirmed().unwrap()).unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(running.rules(), ["more/admin", "orders/everybody", "orders/no-deletes"]);
    assert_eq!((running.counts().2, running.status.unconfirmed()), (false, None));
}

/// P165: what is put back is in force again, and that is said.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_put_back_is_stale_no_longer() {
    let running = start(&[("orders.yaml", ORDERS)]);
    running.write("orders.yaml", "");
    tokio::time::sleep(LONG).await;
    assert_eq!(running.counts(), (0, 1, true));
    running.write("orders.yaml", ORDERS);
    tokio::time::sleep(LONG).await;
    assert_eq!(running.counts(), (0, 1, false));
    assert_eq!(running.errors(), "");
}

/// An editor that saves: the file goes, and is there again under its name.
#[tokio::test(start_paused = true)]
async fn an_editor_that_saves_loses_nothing() {
    let running = start(&[("orders.yaml", ORDERS), ("freeze.yaml", FREEZE)]);
    let path = running.folder.path().join("freeze.yaml");
    fs::rename(&path, running.folder.path().join("freeze.yaml~")).unwrap();
    running.work.remote.changed().notify_one();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let temporary = running.folder.path().join(".freeze.swp");
    fs::write(&temporary, FREEZE.replace("/admin", "/admin/{page}")).unwrap();
    fs::rename(&temporary, &path).unwrap();
    running.work.remote.changed().notify_one();
    tokio::time::sleep(LONG).await;
    assert_eq!(running.counts(), (1, 0, false));
    assert_eq!(running.rules().len(), 3);
}

/// A loss that the settings allow counts as it is.
#[tokio::test(start_paused = true)]
async fn losses_count_where_settings_allow_them() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("orders.yaml"), ORDERS).unwrap();
    fs::write(folder.path().join("freeze.yaml"), FREEZE).unwrap();
    let documents = folder.path().to_owned();
    let options = ReloadOptions { removals: Removals::Allowed, ..ReloadOptions::default() };
    let running = start_in(folder, documents, options);
    running.remove("freeze.yaml");
    tokio::time::sleep(LONG).await;
    assert_eq!(running.counts(), (1, 0, false));
    assert_eq!(running.rules().len(), 2);
}

/// A ConfigMap as Kubernetes mounts it: every file is a link through `..data`, which is swapped for a complete set.
#[tokio::test(start_paused = true)]
async fn a_set_that_is_swapped_whole_may_lose_what_it_likes() {
    let folder = tempfile::tempdir().unwrap();
    let set = |name: &str, files: &[(&str, &str)]| {
        let own = folder.path().join(name);
        fs::create_dir(&own).unwrap();
        files.iter().for_each(|(name, text)| fs::write(own.join(name), text).unwrap());
        symlink(name, folder.path().join("..data_tmp")).unwrap();
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
    };
    set("..1", &[("orders.yaml", ORDERS), ("freeze.yaml", FREEZE)]);
    for name in ["orders.yaml", "freeze.yaml"] {
        symlink(format!("..data/{name}"), folder.path().join(name)).unwrap();
    }
    set("..2", &[("orders.yaml", ORDERS)]);
    fs::rename(folder.path().join("..data"), folder.path().join("..later")).unwrap();
    symlink("..1", folder.path().join("..data")).unwrap();
    let path = folder.path().to_owned();
    let running = start_in(folder, path.clone(), ReloadOptions::default());
    assert_eq!(running.rules().len(), 3);

    fs::rename(path.join("..later"), path.join("..data")).unwrap();
    fs::remove_file(path.join("freeze.yaml")).unwrap();
    fs::remove_dir_all(path.join("..1")).unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(running.counts(), (1, 0, false), "{}", running.errors());
    assert_eq!(running.rules().len(), 2);

    // The same folder, written to by hand.
    fs::write(
        path.join("..2/orders.yaml"),
        ORDERS.split_at(ORDERS.find("    - name: no").unwrap()).0,
    )
    .unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(running.rules().len(), 2);
    assert!(running.counts().2, "cut in place");
}

/// A folder that a link leads to, as git-sync keeps one.
#[tokio::test(start_paused = true)]
async fn a_link_to_a_folder_is_swapped_whole_as_well() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("one", format!("{ORDERS}---\n{FREEZE}")), ("two", ORDERS.to_owned())] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("all.yaml"), text).unwrap();
    }
    let current = folder.path().join("current");
    symlink("one", &current).unwrap();
    symlink("two", folder.path().join("next")).unwrap();
    let running = start_in(folder, current.clone(), ReloadOptions::default());
    fs::rename(running.folder.path().join("next"), &current).unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(running.counts(), (1, 0, false), "{}", running.errors());
    assert_eq!(running.rules().len(), 2);
}

/// P163: the advice can be copied as it stands, since it names the listener of this very server.
#[test]
fn the_advice_names_the_listener_of_the_server() {
    let at = |admin: &str| how_to_confirm(Some(admin.parse().unwrap()), "5c3a");
    assert!(
        at("127.0.0.1:29002")
            .contains("curl -X PUT -d 5c3a http://127.0.0.1:29002/documents/confirmed")
    );
    assert!(at("0.0.0.0:9002").contains("http://127.0.0.1:9002/documents/confirmed"));
    assert!(at("[::]:9002").contains("http://127.0.0.1:9002/documents/confirmed"));
    let without = how_to_confirm(None, "5c3a");
    assert!(without.contains("restart") && !without.contains("curl"), "{without}");
}

/// Files that never rest are reported, and what is in force stays.
#[tokio::test(start_paused = true)]
async fn files_that_never_rest_are_reported() {
    let running = start(&[("orders.yaml", ORDERS)]);
    let restless = running.work.restless();
    running.compare("files-in-motion", &restless);
    running.work.refuse(&[restless], None);
    assert!(running.errors().contains("kept changing"), "{}", running.errors());
    assert!(running.counts().2);
}
