//! Requests and decisions for the tests of this room.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{FixedClock, UnixTime};
use crate::pdp::{HttpsFetcher, KeyCache, Load, Pdp, PdpOptions, VerificationCacheOptions};
use crate::reason::Reason;
use crate::request::{RequestView, Target};

const DOCUMENTS: &str = "\
apiVersion: countersign.dev/v1alpha1
kind: Policy
metadata: { name: orders, annotations: { owner: team } }
spec:
  target: { hosts: [orders.example] }
  rules:
    - { name: open, effect: allow, public: true, on: { paths: [/open, /watched] } }
    - { name: soon, effect: deny, mode: shadow, on: { paths: [/watched] }, when: 'request.headers[\"x-odd\"] == \"1\"' }
    - { name: sooner, effect: deny, mode: shadow, on: { paths: [/watched] } }
";

pub(super) fn view(path: &str) -> RequestView {
    let nothing = RequestView::unreadable(Reason::HostInvalid.because("nothing is known"));
    RequestView {
        method: "GET".into(),
        scheme: "https".into(),
        raw_host: "orders.example".into(),
        raw_path: path.into(),
        target: Target::parse("orders.example", path),
        ..nothing
    }
}

pub(super) fn pdp() -> Pdp {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), DOCUMENTS).unwrap();
    let load = Load::from_paths(&[folder.path().to_owned()]);
    let snapshot = load.snapshot.unwrap_or_else(|| panic!("{:?}", load.problems));
    let clock = Arc::new(FixedClock::at(UnixTime::from_secs(1_800_000_000)));
    let keys = Arc::new(KeyCache::new(clock.clone(), Arc::new(HttpsFetcher::default())));
    let options = PdpOptions {
        peer_sources: crate::evidence::PeerSources::default(),
        deadline: Duration::from_secs(1),
        memory: VerificationCacheOptions::default(),
    };
    Pdp::new(snapshot, keys, clock, options)
}
