//! Files on servers: absent at first, then there, then garbage, then better; and a folder of documents all the while.

mod in_place;
mod replay;
mod watching;

use std::collections::VecDeque;
use std::fs;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::*;
use crate::clock::FixedClock;
use crate::document::NOT_FETCHED;
use crate::pdp::{FetchError, FetchRequest, Fetched, Fetcher};
use crate::trust::tests::pki::{Ca, NOW};

/// Gives its answers one after the other, and then fails.
#[derive(Debug, Default)]
struct Server(Mutex<VecDeque<Bytes>>);

impl Fetcher for Server {
    fn fetch<'a>(&'a self, _: FetchRequest<'a>) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        let next = self.0.lock().unwrap().pop_front();
        let answer = next
            .map(|body| Fetched { body: Some(body), ..Fetched::default() })
            .ok_or(FetchError::Status(503));
        Box::pin(async { answer })
    }
}

/// A trust domain whose revocation list is on a server, and an unrelated policy.
fn documents(ca: &Ca) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", &ca.pem());
    write(
        "trust.yaml",
        "apiVersion: countersign.dev/v1alpha1\nkind: TrustDomain\nmetadata: { name: prod }\nspec:\n  spiffe: prod.example\n  authorities: [{ file: ca.pem }]\n  revocation: { crls: [{ remote: { url: 'http://crl.test/prod.crl', allowPlaintext: true, refresh: 1h } }] }\n",
    );
    folder
}

fn codes(load: &Load) -> Vec<&str> {
    load.problems.iter().map(|problem| problem.code.as_str()).collect()
}

/// Invariant 6, P43, P77: what is not there yet is a warning, what is garbage takes nothing away and keeps nothing out.
#[tokio::test(start_paused = true)]
async fn a_remote_file_counts_once_it_is_there_and_garbage_does_not() {
    let ca = Ca::root("prod CA");
    let folder = documents(&ca);
    let paths = [folder.path().to_owned()];
    let (first, second) = (Bytes::from(ca.crl(1, &[7])), Bytes::from(ca.crl(2, &[7, 8])));
    let answers = [first.clone(), Bytes::from_static(b"<html>busy</html>"), second.clone()];
    let server = Arc::new(Server(Mutex::new(answers.into())));
    let remote = RemoteFiles::new(Arc::new(FixedClock::at(NOW)), server);
    let read = |remote| Load::with_remote(&paths, remote);

    let before = load(read, &remote);
    assert_eq!(codes(&before), [NOT_FETCHED.as_str()]);
    let snapshot = before.snapshot.unwrap();
    remote.follow(snapshot.trust());
    remote.changed().notified().await;

    let with_list = load(read, &remote);
    assert!(codes(&with_list).is_empty(), "{:?}", with_list.problems);
    let with_list = with_list.snapshot.unwrap();
    assert_ne!(
        with_list.revision(),
        snapshot.revision(),
        "a fetched file is a part of the revision"
    );
    assert_eq!(remote.good().values().collect::<Vec<_>>(), [&first]);

    remote.changed().notified().await;
    fs::write(folder.path().join("more.yaml"), in_place::ORDERS).unwrap();
    let despite_garbage = load(read, &remote).snapshot.unwrap();
    assert_ne!(despite_garbage.revision(), with_list.revision(), "other changes still count");
    assert_eq!(remote.good().values().collect::<Vec<_>>(), [&first]);

    remote.changed().notified().await;
    assert!(load(read, &remote).snapshot.is_some());
    assert_eq!(remote.good().values().collect::<Vec<_>>(), [&second]);
}

/// P113: one bad file from a server keeps no good one out.
#[test]
fn a_bad_remote_file_keeps_no_other_out() {
    let ca = Ca::root("prod CA");
    let folder = documents(&ca);
    let file = folder.path().join("trust.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let two = text.replace("crls: [", "crls: [{ remote: { url: 'https://crl.test/b.crl' } }, ");
    fs::write(&file, two).unwrap();
    let paths = [folder.path().to_owned()];
    let read = |remote| Load::with_remote(&paths, remote);
    let contents = |files: &[(&str, &[u8])]| -> RemoteContents {
        let files = files.iter();
        files.map(|(name, bytes)| ((*name).to_owned(), Bytes::copy_from_slice(bytes))).collect()
    };
    let (a, b) = ("http://crl.test/prod.crl", "https://crl.test/b.crl");
    let (first, second) = (ca.crl(1, &[7]), ca.crl(2, &[7, 8]));
    let good = contents(&[(a, &first)]);
    let newest = contents(&[(a, &second), (b, b"<html>busy</html>")]);
    let (used, load) = without_bad_files(read, &newest, good.clone());
    assert_eq!(used, contents(&[(a, &second)]));
    assert!(load.snapshot.is_some());
    // With nothing but bad ones everything stays.
    let newest = contents(&[(a, b"no list"), (b, b"<html>busy</html>")]);
    let (used, load) = without_bad_files(read, &newest, good.clone());
    assert_eq!(used, good);
    assert!(load.snapshot.is_some());
}

#[test]
fn an_address_that_cannot_be_used_is_named_in_its_place() {
    let ca = Ca::root("prod CA");
    for (spec, message) in [
        ("url: 'http://crl.test/a'", "the address is not encrypted"),
        ("url: crl.test", "the address is not an absolute URL"),
        ("url: 'https://a:b@crl.test/a'", "the address has user information"),
        ("url: 'https://crl.test/a', refresh: 1s", "`1s` is too often, expected at least `10s`"),
        ("url: 'https://crl.test/a', ca: absent.pem", "no such file or directory"),
    ] {
        let folder = documents(&ca);
        let text = fs::read_to_string(folder.path().join("trust.yaml")).unwrap();
        let old = "url: 'http://crl.test/prod.crl', allowPlaintext: true, refresh: 1h";
        fs::write(folder.path().join("trust.yaml"), text.replace(old, spec)).unwrap();
        let load = Load::from_paths(&[folder.path().to_owned()]);
        let problems: Vec<_> = load.problems.iter().map(ToString::to_string).collect();
        assert!(load.snapshot.is_none() && problems.len() == 1, "{problems:?}");
        assert!(
            problems[0].contains(message) && problems[0].contains("trust.yaml:7:"),
            "{problems:?}"
        );
        assert!(!problems[0].contains("a:b"), "{problems:?}");
    }
}

/// P190: the end of a file's name in capital letters is no reason to ignore its rules, and what has no end is not read.
#[cfg(unix)]
#[test]
fn every_document_of_a_folder_counts_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let policy = |name: &str, effect: &str| {
        format!(
            "apiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: {name} }}\nspec:\n  target: {{ hosts: [a.example.com] }}\n  rules: [{{ name: r, {effect}, on: {{ paths: [/a] }} }}]\n"
        )
    };
    fs::write(folder.path().join("a.yaml"), policy("a", "effect: allow, public: true")).unwrap();
    fs::write(folder.path().join("b.YAML"), policy("b", "effect: deny")).unwrap();
    fs::write(folder.path().join("c.Yml"), policy("c", "effect: deny")).unwrap();
    let paths = [folder.path().to_owned()];
    let load = Load::with_remote(&paths, RemoteContents::new());
    let policies = load.snapshot.as_ref().unwrap().policies();
    assert_eq!(policies.rules().count(), 3);
    let socket = std::os::unix::net::UnixListener::bind(folder.path().join("d.yaml")).unwrap();
    let load = Load::with_remote(&paths, RemoteContents::new());
    assert!(
        load.snapshot.is_none() && codes(&load).contains(&"unreadable-file"),
        "{:?}",
        codes(&load)
    );
    drop(socket);
}
