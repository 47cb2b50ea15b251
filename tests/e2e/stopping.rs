//! How a process ends: what its exit code says, how long it takes, and what it leaves behind.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::testbed::http1::{Connection, Request, Response};
use crate::testbed::mint::Issuer;
use crate::testbed::server::{Addresses, Server};
use crate::testbed::{Folder, Pki};
use countersign::clock::{Clock as _, Stopwatch, SystemClock};
use tokio::net::TcpStream;

use crate::listeners::settings;

/// Sends the signal called `name`, such as `TERM`.
pub(crate) fn signal(name: &str, id: u32) {
    let sent = Command::new("kill").args([format!("-{name}"), id.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A countersign of its own with `from` replaced in its settings.
async fn start(folder: &Folder, from: &str, to: &str) -> (Server, Addresses) {
    let now = SystemClock.now();
    Pki::new(now).unwrap().write(folder).unwrap();
    folder.write("keys/corp.jwks.json", Issuer::new(now).unwrap().key_set().unwrap()).unwrap();
    let addresses = Addresses::free().unwrap();
    Server::configure(folder, addresses, &[settings(from, to)]).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
    (Server::start(program, folder, addresses).await.unwrap(), addresses)
}

async fn ask(addresses: Addresses, path: &str) -> Option<Response> {
    let stream = TcpStream::connect(addresses.admin).await.ok()?;
    Connection::new(stream).send(&Request::get("admin", path)).await.ok()
}

const LISTENER: &str = "listener:\n";

/// An operator who waits at a terminal, and one who is in a hurry.
#[tokio::test]
async fn the_first_signal_drains_and_the_second_ends_it_at_once() {
    let folder = Folder::temporary().unwrap();
    let slow = "listener:\n  drain: { delay: 10m }\n";
    let (server, addresses) = start(&folder, LISTENER, slow).await;
    assert_eq!(ask(addresses, "/readyz").await.unwrap().status, 200);
    signal("TERM", server.id().unwrap());
    let watch = Stopwatch::start();
    let page = loop {
        let answer = ask(addresses, "/readyz").await.unwrap();
        if answer.status == 503 {
            break answer.text();
        }
        assert!(watch.elapsed() < Duration::from_secs(10), "it stays ready");
    };
    assert!(page.contains("[-] listener: draining"), "{page}");
    assert_eq!(ask(addresses, "/livez").await.unwrap().status, 200, "alive while it drains");
    signal("TERM", server.id().unwrap());
    assert_eq!(server.ended().await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn an_interrupt_does_not_wait_for_envoy_to_notice() {
    let folder = Folder::temporary().unwrap();
    let slow = "listener:\n  drain: { delay: 10m }\n";
    let (server, _) = start(&folder, LISTENER, slow).await;
    signal("INT", server.id().unwrap());
    assert_eq!(server.ended().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_unix_socket_goes_with_its_process_and_is_replaced_where_it_did_not() {
    let folder = Folder::temporary().unwrap();
    let path = folder.join("countersign.sock");
    // Left behind by a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (server, addresses) = start(&folder, "127.0.0.1:${PORT}", "unix:countersign.sock").await;
    let page = ask(addresses, "/readyz?verbose").await.unwrap().text();
    for part in ["[+] listener: answering\n", "[+] policies: ", "[+] audit log to file: ", "\nok\n"]
    {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    signal("INT", server.id().unwrap());
    assert_eq!(server.ended().await.unwrap().code(), Some(0));
    assert!(!path.exists(), "nothing is left behind");
}
