//! A started server is ready at once and small.

use std::time::Duration;

use crate::testbed::mint::Issuer;
use crate::testbed::server::{Addresses, Server};
use crate::testbed::{Folder, Pki};
use countersign::clock::{Clock as _, Stopwatch, SystemClock};

const READY_WITHIN: Duration = Duration::from_millis(150);
const RESIDENT_KIB: u64 = 25 * 1024;

#[tokio::test]
async fn it_is_ready_in_150_milliseconds_and_holds_under_25_mebibytes() {
    let folder = Folder::temporary().unwrap();
    let now = SystemClock.now();
    Pki::new(now).unwrap().write(&folder).unwrap();
    folder.write("keys/corp.jwks.json", Issuer::new(now).unwrap().key_set().unwrap()).unwrap();
    let program = env!("CARGO_BIN_EXE_countersign").as_ref();
    // The best of several: the other tests keep a small machine busy.
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let addresses = Addresses::free().unwrap();
        Server::configure(&folder, addresses, &[]).unwrap();
        let watch = Stopwatch::start();
        let server = Server::start(program, &folder, addresses).await.unwrap();
        best = best.min(watch.elapsed());
        let resident = resident_kib(server.id().unwrap());
        assert!(resident < RESIDENT_KIB, "{resident} KiB are resident");
        server.stop().await.unwrap();
        if best < READY_WITHIN {
            break;
        }
    }
    assert!(best < READY_WITHIN, "ready after {best:?} at best");
}

/// The resident memory. Of a build without optimisation only its own memory counts: its code is several times larger.
fn resident_kib(id: u32) -> u64 {
    let measure = if cfg!(debug_assertions) { "RssAnon:" } else { "VmRSS:" };
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(measure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
