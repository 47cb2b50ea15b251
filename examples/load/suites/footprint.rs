//! Memory, the time from start to ready, and what a reload does to the checks that go on meanwhile.

use std::time::Duration;

use countersign::clock::Stopwatch;

use super::Bench;
use crate::cores::Room;
use crate::drive::{Caller, Pace, drive};
use crate::figures::{Figures, median};
use crate::process::Server;
use crate::report::Table;
use crate::world::{Evidence, Setup};

/// How long documents must be quiet before they are read again.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Pause between two looks at memory.
const SETTLING: Duration = Duration::from_secs(1);
/// 192 MiB: room for 100,000 tokens.
const ROOMY: &str = "memory: { tokenBytes: 201326592 }";
/// How long the checks go on that a reload must not disturb.
const RELOADING: Duration = Duration::from_secs(2);

pub(super) async fn run(bench: &mut Bench<'_>) {
    let mut table = Table::new("footprint", "Memory, start and reload", &["figure", "measured"]);
    let mut row = |figure: &str, measured: String| table.row([figure.to_owned(), measured]);

    let idle = memory(bench, Setup { policies: 1, ..Setup::EVERYTHING }, None).await;
    row("resident, idle, one policy", format!("{idle:.0} MB"));
    let policies = bench.options.size(10_000);
    let many = memory(bench, Setup { policies, ..Setup::EVERYTHING }, Some(1)).await;
    row(&format!("resident, {policies} policies of two rules"), format!("{many:.0} MB"));
    let tokens = bench.options.size(100_000);
    let setup = Setup { settings: ROOMY, ..Setup::EVERYTHING };
    let cached = memory(bench, setup, Some(tokens)).await;
    row(&format!("resident, {tokens} tokens remembered"), format!("{cached:.0} MB"));

    let ready = ready_after(bench).await;
    row("start to ready, 1,000 policies", format!("{ready:.0} ms"));
    let (reload, longest, without) = reload(bench).await;
    row(
        &format!("reload of {policies} policies: from a changed file to in force"),
        format!("{reload:.0} ms, 200 ms of them waiting for the file to be quiet"),
    );
    row("longest delay of a check during it", format!("{longest:.1} ms"));
    row("the same in as long without a reload", format!("{without:.1} ms"));
    row("checks that failed during it", "0".to_owned());
    bench.report.show(table, bench.options);

    let report = &mut bench.report;
    let mut at_most = |figure, asked, measured: f64, most: f64, unit: &str| {
        report.target(figure, asked, format!("{measured:.0} {unit}"), measured <= most);
    };
    at_most("resident, idle", "<= 25 MB", idle, 25.0, "MB");
    at_most("resident, 10,000 policies", "<= 80 MB", many, 80.0, "MB");
    at_most("resident, 100,000 tokens", "<= 200 MB", cached, 200.0, "MB");
    at_most("start to ready, 1,000 policies", "<= 150 ms", ready, 150.0, "ms");
    let work = reload - DEBOUNCE.as_secs_f64() * 1000.0;
    at_most(
        "reload of 10,000 policies, from when the file is quiet",
        "<= 300 ms",
        work,
        300.0,
        "ms",
    );
    at_most("longest delay of a check during it", "<= 5 ms", longest, 5.0, "ms");
}

/// The memory of a server once it has answered a check with each of so many tokens, in MB.
async fn memory(bench: &Bench<'_>, setup: Setup<'_>, tokens: Option<usize>) -> f64 {
    let server = bench.world.start(setup).await;
    if let Some(count) = tokens {
        let workload = bench.world.tokens(count);
        let mut first = 0;
        while first < count {
            let callers = Caller::grpc(server.address, &workload, bench.options.streams()).await;
            let pace = Pace { duration: Duration::from_millis(200), rate: None, first };
            let turn = drive(callers, pace).await;
            Figures::of("tokens", &turn, 0.0);
            first += usize::try_from(turn.answers).unwrap();
        }
    }
    settled(&server).await
}

/// The memory of `server` when it has given back what it will give back: an allocator takes its time, and what reading documents
/// took is more than what is kept of them.
async fn settled(server: &Server) -> f64 {
    let mut before = f64::INFINITY;
    loop {
        let now = server.resident_megabytes();
        if now > before * 0.99 {
            return now;
        }
        before = now;
        tokio::time::sleep(SETTLING).await;
    }
}

/// From the start of a server to its being ready, in milliseconds.
async fn ready_after(bench: &Bench<'_>) -> f64 {
    let setup = Setup { policies: bench.options.size(1000), ..Setup::EVERYTHING };
    let mut times = Vec::new();
    for _ in 0..bench.options.rounds() {
        times.push(bench.world.start(setup).await.ready_after.as_secs_f64() * 1000.0);
    }
    median(times)
}

/// From a changed file to its being in force, the longest that a check took meanwhile, and the longest where nothing changed, in
/// milliseconds. The server has two cores, as reading documents is work beside the checks, and the client needs little of its
/// own.
async fn reload(bench: &Bench<'_>) -> (f64, f64, f64) {
    let world = &bench.world;
    let setup = Setup {
        policies: bench.options.size(10_000),
        keys: "keys-reload",
        room: Room::Two,
        ..Setup::EVERYTHING
    };
    world.publish(setup.keys);
    let server = world.start(setup).await;
    let workload = world.warm(Evidence::Leaf);
    let (mut times, mut delays, mut usual) = (Vec::new(), Vec::new(), Vec::new());
    let longest = |turn: &_| Figures::of("reload", turn, 0.0).latency.longest / 1000.0;
    for count in 1..=bench.options.rounds() {
        let pace = Pace { duration: RELOADING, rate: None, first: 0 };
        let callers = Caller::grpc(server.address, &workload, 1).await;
        usual.push(longest(&drive(callers, pace).await));
        let callers = Caller::grpc(server.address, &workload, 1).await;
        let changed = async {
            world.publish(setup.keys);
            let watch = Stopwatch::start();
            server.reloaded(u64::try_from(count).unwrap()).await;
            watch.elapsed()
        };
        let (turn, time) = tokio::join!(drive(callers, pace), changed);
        times.push(time.as_secs_f64() * 1000.0);
        delays.push(longest(&turn));
    }
    (median(times), median(delays), median(usual))
}
