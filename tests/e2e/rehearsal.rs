//! Every drill for a moment: its promise is kept by an executable that was built for tests, on a machine with other things to do.
//! `cargo run --release --example drill` runs them for longer, and looks at the times as well.

use std::time::Duration;

use crate::drills::{DRILLS, Ground};
use crate::envoy;

/// How long an attack lasts here.
const MOMENT: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_is_kept_for_a_moment() {
    let Some(envoy) = envoy::find() else { return };
    let program = env!("CARGO_BIN_EXE_countersign").into();
    let ground = Ground { program, envoy, time: MOMENT, patient: true };
    let mut broken = Vec::new();
    for drill in DRILLS {
        let figures = (drill.run)(ground.clone()).await;
        assert!(figures.did > 0, "{}: nothing was done", drill.name);
        let why = figures.broken(drill);
        broken.extend(why.map(|why| format!("{} ({}): {why}", drill.name, drill.promise)));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The page has each drill with its promise, in order.
#[test]
fn the_page_lists_every_drill() {
    let page = include_str!("../../docs/reliability.md");
    let (_, table) = page.split_once("| drill | promise |\n|---|---|\n").unwrap();
    let listed: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let drills: Vec<_> =
        DRILLS.iter().map(|drill| format!("| {} | {} |", drill.name, drill.promise)).collect();
    assert_eq!(listed, drills);
}
