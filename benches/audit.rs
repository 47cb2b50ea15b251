//! What does an audit record cost: to make and hand on while the caller waits, and to write afterwards?

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up must fail")]

mod support;

/// As the binary has it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::hint::black_box;
use std::time::Duration;

use countersign::audit::DecisionRecord;
use countersign::pdp::{Kept, Recorder as _};
use criterion::{Criterion, criterion_group, criterion_main};
use support::{Audit, World};

fn audit(c: &mut Criterion) {
    let world = World::new();
    let (view, outcome) = world.decided();
    let Audit { log, options, folder: _folder } = Audit::start();
    let mut group = c.benchmark_group("audit record");
    let made = || DecisionRecord::of(black_box(&view), &outcome, &options.claims, 1.0);
    group.bench_function("made", |b| b.iter(made));
    group.bench_function("made and handed to the writer", |b| {
        b.iter(|| {
            let kept = log.record(black_box(&view), &outcome, Duration::from_secs(1));
            assert!(matches!(kept, Kept::Done));
        });
    });
    let record = made();
    group.bench_function("as a line of JSON", |b| {
        b.iter(|| serde_json::to_vec(black_box(&record)).unwrap());
    });
    group.finish();
    log.close();
}

criterion_group!(benches, audit);
criterion_main!(benches);
