//! The walks of the model of the set of documents in force (docs/models.md), step by step with the same observations.

use std::os::unix::fs::symlink;

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::in_place::{LONG, rules, serve};
use super::*;
use crate::walks::{Replayed, repeat, take};

/// Too little for files to have rested.
const SOON: Duration = Duration::from_millis(600);

/// A server, and folders of which a link leads to one.
struct World {
    root: TempDir,
    folders: usize,
    /// The name of the folder that the link leads to, and of the one before.
    disk: String,
    before: String,
    pdp: Arc<Pdp>,
    work: Arc<Work>,
    status: Arc<ReloadStatus>,
    reloading: JoinHandle<()>,
}

/// The content of the file at this place.
fn text(place: usize, content: &str) -> Option<String> {
    let open = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: p{place} }}\nspec:\n  target: {{ hosts: [p{place}.example] }}\n  rules:\n    - name: open\n      effect: allow\n      public: true\n"
    );
    let more =
        "    - name: more\n      effect: allow\n      public: true\n      on: { paths: [/more] }\n";
    let deny = "    - name: frozen\n      effect: deny\n      on: { methods: [DELETE] }\n";
    match content {
        "absent" => None,
        "old" => Some(open + deny),
        "new" => Some(open + more + deny),
        "cut" => Some(open),
        "bad" => Some(open + "nonsense\n"),
        other => panic!("`{other}` is no content"),
    }
}

impl Replayed for World {
    fn begin(scene: &str) -> Self {
        assert_eq!(scene, "two files");
        let root = tempfile::tempdir().unwrap();
        write_folder(&root.path().join("v0"), "old,old");
        symlink("v0", root.path().join("current")).unwrap();
        let (disk, before) = (String::from("v0"), String::new());
        let (pdp, work, status, reloading) =
            serve(root.path().join("current"), ReloadOptions::default());
        Self { root, folders: 1, disk, before, pdp, work, status, reloading }
    }

    async fn step(&mut self, step: &str) {
        let words: Vec<_> = step.split(' ').collect();
        match words[0] {
            "write" => {
                let folder = self.root.path().join("current");
                write_file(&folder, words[1].parse().unwrap(), words[2]);
                self.work.remote.changed().notify_one();
            }
            "swap" => {
                let name = format!("v{}", self.folders);
                self.folders += 1;
                write_folder(&self.root.path().join(&name), words[1]);
                self.swap(name);
            }
            "rollback" => self.swap(self.before.clone()),
            "soon" => tokio::time::sleep(SOON).await,
            "rest" => tokio::time::sleep(LONG).await,
            "confirm" => {
                let waits = self.status.unconfirmed().unwrap();
                self.status.confirm(&waits).unwrap();
            }
            "restart" => {
                self.reloading.abort();
                let documents = self.root.path().join("current");
                (self.pdp, self.work, self.status, self.reloading) =
                    serve(documents, ReloadOptions::default());
            }
            other => panic!("`{other}` is no step"),
        }
    }

    /// The set in force, whether the server shows that the files are others, and whether a set waits for a confirmation.
    fn observation(&self) -> String {
        let rules = rules(&self.pdp);
        let has = |name: &str| rules.iter().any(|rule| rule == name);
        let content = |place: usize| match ["open", "more", "frozen"]
            .map(|rule| has(&format!("p{place}/{rule}")))
        {
            [false, false, false] => "absent",
            [true, false, true] => "old",
            [true, true, true] => "new",
            [true, false, false] => "cut",
            other => panic!("{other:?} of {rules:?}"),
        };
        let stale = if self.status.stale.load(Ordering::Relaxed) { " stale" } else { "" };
        let waits = if self.status.unconfirmed().is_some() { " waits" } else { "" };
        format!("{},{}{stale}{waits}", content(0), content(1))
    }
}

impl World {
    /// One rename of a link.
    fn swap(&mut self, name: String) {
        let link = self.root.path().join("next");
        symlink(&name, &link).unwrap();
        fs::rename(link, self.root.path().join("current")).unwrap();
        self.before = std::mem::replace(&mut self.disk, name);
        self.work.remote.changed().notify_one();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.reloading.abort();
    }
}

fn write_folder(folder: &Path, contents: &str) {
    fs::create_dir(folder).unwrap();
    contents.split(',').enumerate().for_each(|(place, content)| write_file(folder, place, content));
}

fn write_file(folder: &Path, place: usize, content: &str) {
    let path = folder.join(format!("p{place}.yaml"));
    match text(place, content) {
        Some(text) => fs::write(path, text).unwrap(),
        None => fs::remove_file(path).unwrap_or_default(),
    }
}

/// P672, P673: the set in force is what its model says, step by step.
#[tokio::test(start_paused = true)]
async fn the_set_in_force_goes_as_its_model_says() {
    let count = repeat::<World>("documents").await;
    assert!(count > 1500, "{count}");
}

/// P672: a folder with the same contents is swapped in. A file that is cut there was cut in place.
#[tokio::test(start_paused = true)]
async fn a_cut_in_a_folder_with_the_same_contents_is_in_place() {
    take::<World>(
        "two files",
        &[
            ("swap old,old", "old,old"),
            ("rest", "old,old"),
            ("write 1 cut", "old,old"),
            ("rest", "old,old stale waits"),
            ("confirm", "old,old stale waits"),
            ("rest", "old,cut"),
        ],
    )
    .await;
}

/// P673: a set with errors is swapped in. What an editor makes of it there was not swapped; another folder is.
#[tokio::test(start_paused = true)]
async fn a_bad_set_that_is_changed_in_its_folder_is_changed_in_place() {
    take::<World>(
        "two files",
        &[
            ("swap old,bad", "old,old"),
            ("rest", "old,old stale"),
            ("write 1 cut", "old,old stale"),
            ("rest", "old,old stale waits"),
            ("write 1 new", "old,old stale waits"),
            ("rest", "old,new"),
            ("swap bad,new", "old,new"),
            ("rest", "old,new stale"),
            ("swap cut,absent", "old,new stale"),
            ("rest", "cut,absent"),
        ],
    )
    .await;
}
