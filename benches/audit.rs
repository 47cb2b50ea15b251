//! The cost of an audit record while the caller waits: to write, and to hand on.

mod support;

/// As the binary has it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::hint::black_box;
use std::time::Duration;

use countersign::audit::Record;
use countersign::clock::Deadline;
use countersign::pdp::{AuditSink as _, Recording};
use criterion::{Criterion, criterion_group, criterion_main};
use support::{Audit, World};

fn audit(c: &mut Criterion) {
    let world = World::new();
    let (view, outcome) = world.decided();
    let Audit { log, options, folder: _folder } = Audit::start();
    let mut group = c.benchmark_group("audit record");
    group.bench_function("written", |b| {
        b.iter(|| Record::of(black_box(&view), &outcome, &options.claims, 1.0));
    });
    let deadline = Deadline::within(Duration::from_secs(3600));
    group.bench_function("written and handed on", |b| {
        b.iter(|| {
            let kept = log.record(black_box(&view), &outcome, &deadline);
            assert!(matches!(kept, Recording::Done));
        });
    });
    group.finish();
    log.close();
}

criterion_group!(benches, audit);
criterion_main!(benches);
