//! Changes that are heard, however the files are reached, and those that cannot be.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::{Event, RecursiveMode, Watcher as _};

use super::super::watch::{FileWatch, is_change};

/// A watch, and what it tells.
fn watch() -> (FileWatch, Receiver<()>) {
    let (notify, heard) = channel();
    (FileWatch::new(Arc::new(move || notify.send(()).unwrap())), heard)
}

fn folder(path: &Path, content: &str) {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("a.yaml"), content).unwrap();
}

fn hear(heard: &Receiver<()>, change: &str) {
    assert!(heard.recv_timeout(Duration::from_secs(20)).is_ok(), "not heard: {change}");
    while heard.try_recv().is_ok() {}
}

/// P349: a folder that another takes the place of, a folder that is a link, a link above it, and a folder that is gone for a while
/// are heard of at once, each time.
#[test]
fn a_change_is_heard_however_the_folder_is_reached() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    folder(&at("v1/policies"), "1");
    folder(&at("v2/policies"), "2");
    folder(&at("v3/policies"), "3");
    symlink(at("v1"), at("current")).unwrap();
    symlink("current/policies", at("link")).unwrap();
    let relink = |to: &str, name: &str| {
        symlink(to, at("next")).unwrap();
        fs::rename(at("next"), at(name)).unwrap();
    };
    let (mut watch, heard) = watch();
    let paths = [at("link")];
    let arm = |watch: &mut FileWatch| {
        watch.arm(&paths, &[]);
        assert_eq!(watch.problem(), None);
    };
    arm(&mut watch);
    fs::write(at("v1/policies/b.yaml"), "b").unwrap();
    hear(&heard, "a file in the folder");
    // The link above, relative and absolute, then what it leads to, twice in a row.
    for (to, wrote) in [("v2", "v2"), (at("v3").to_str().unwrap(), "v3"), ("v1", "v1")] {
        relink(to, "current");
        hear(&heard, "the link above the folder");
        arm(&mut watch);
        fs::write(at(wrote).join("policies/c.yaml"), "c").unwrap();
        hear(&heard, "a file behind the changed link");
    }
    relink("v2/policies", "link");
    hear(&heard, "the folder as a link");
    arm(&mut watch);
    // Another folder in its place, under the same name.
    folder(&at("fresh"), "4");
    fs::rename(at("v2/policies"), at("v2/old")).unwrap();
    hear(&heard, "the folder is moved away");
    watch.arm(&paths, &[]);
    fs::rename(at("fresh"), at("v2/policies")).unwrap();
    hear(&heard, "a folder is moved to its place");
    arm(&mut watch);
    fs::write(at("v2/policies/d.yaml"), "d").unwrap();
    hear(&heard, "a file in the folder that took the place");
}

/// Changes beside the documents in folders above them are no reason to read them.
#[test]
fn neighbours_are_not_heard() {
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    folder(&at("policies"), "1");
    fs::write(at("ca.pem"), "ca").unwrap();
    let (mut watch, heard) = watch();
    watch.arm(&[at("policies")], &[]);
    for number in 0..20 {
        fs::write(at(&format!("neighbour-{number}")), "x").unwrap();
    }
    fs::write(at("policies/a.yaml"), "2").unwrap();
    hear(&heard, "the document");
    // A write is two events or three, and twenty neighbours would be forty.
    assert!(heard.try_iter().count() < 5);
    // A file that documents name has its folder watched.
    watch.arm(&[at("policies")], &[at("ca.pem")]);
    fs::write(at("ca.pem"), "new").unwrap();
    hear(&heard, "the file that a document names");
    // As documents name it: from their own folder.
    let (mut watch, heard) = self::watch();
    watch.arm(&[at("policies")], &[at("policies/../ca.pem")]);
    fs::write(at("ca.pem"), "newer").unwrap();
    hear(&heard, "the file beside the folder");
}

/// P349: where the operating system has no watcher left, the files are read again and again, and it is tried again.
#[test]
fn without_a_watcher_the_files_are_looked_at() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static LEFT: AtomicBool = AtomicBool::new(false);
    let root = tempfile::tempdir().unwrap();
    let (notify, heard) = channel();
    let mut watch = FileWatch::made_by(
        |hear| match LEFT.load(Ordering::SeqCst) {
            true => notify::recommended_watcher(hear),
            false => Err(notify::Error::io(std::io::Error::from_raw_os_error(24))),
        },
        Arc::new(move || notify.send(()).unwrap()),
    );
    let paths = [root.path().to_owned()];
    watch.arm(&paths, &[]);
    assert!(watch.problem().unwrap().contains("fs.inotify.max_user_instances"));
    assert_eq!(watch.patience(), Duration::from_secs(5));
    LEFT.store(true, Ordering::SeqCst);
    watch.arm(&paths, &[]);
    assert_eq!((watch.problem(), watch.patience()), (None, Duration::from_secs(60)));
    fs::write(root.path().join("a.yaml"), "a").unwrap();
    hear(&heard, "a file");
    // A folder that is gone cannot be watched, and is looked for.
    let gone = [root.path().join("gone")];
    watch.arm(&gone, &[gone[0].join("x/ca.pem")]);
    assert!(watch.problem().is_some());
}

/// A server that takes its own read for a change would read forever.
#[test]
fn reading_files_is_no_change_and_writing_them_is() {
    let folder = tempfile::tempdir().unwrap();
    let (file, last) = (folder.path().join("a.yaml"), folder.path().join("last"));
    fs::write(&file, "a").unwrap();
    let (notify, heard) = channel();
    let mut watcher =
        notify::recommended_watcher(move |event| notify.send(event).unwrap()).unwrap();
    watcher.watch(folder.path(), RecursiveMode::NonRecursive).unwrap();
    fs::read(&file).unwrap();
    fs::write(&last, "b").unwrap();
    let is_about = |event: &notify::Result<Event>, path: &PathBuf| {
        event.as_ref().is_ok_and(|event| event.paths.contains(path))
    };
    let (mut read, mut written) = (0, 0);
    while written == 0 {
        let event = heard.recv_timeout(Duration::from_secs(20)).unwrap();
        if is_about(&event, &file) {
            assert!(!is_change(&event), "{event:?}");
            read += 1;
        }
        written += usize::from(is_about(&event, &last) && is_change(&event));
    }
    assert!(read > 0, "this system does not notify of reads, and there is nothing to test");
    assert!(is_change(&Err(notify::Error::generic("overflow"))));
}
