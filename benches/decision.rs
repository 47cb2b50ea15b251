//! The cost of a whole decision, from the decoded message to the encoded answer, once everything is warm.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must fail")]

mod support;

/// As the binary has it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::hint::black_box;
use std::sync::Arc;

use countersign::envoy::{decode, encode};
use countersign::telemetry::{Exports, Metrics};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use prost::Message as _;
use support::{Audit, Shown, World};

fn decision(c: &mut Criterion) {
    let world = World::new();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let service = {
        let _inside = runtime.enter();
        world.service(Vec::new())
    };
    let mut group = c.benchmark_group("decision");
    for (name, check) in [
        ("warm/allow", world.check("/v1/orders", Some(&world.rs256), true)),
        ("warm/allow bound", world.check("/v1/orders/17", Some(&world.tokens.bound), true)),
        ("deny/no token", world.check("/v1/orders", None, true)),
        ("deny/path", world.check("/v1/orders/../x", Some(&world.rs256), true)),
    ] {
        let call = support::framed(&check);
        group.bench_function(name, |b| {
            b.iter(|| black_box(runtime.block_on(service.answer(call.clone()))));
        });
    }
    group.finish();
}

/// With an audit record and metrics for each, and 100 policies; by how the peer is shown.
fn everything(c: &mut Criterion) {
    let world = World::new();
    world.write("policies/others.yaml", &support::others(100));
    let Audit { log: audit, folder: _folder, .. } = Audit::start();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let service = {
        let _inside = runtime.enter();
        let metrics = Arc::new(Metrics::sent_to(None, &Exports::default()).expect("instruments"));
        world.service(vec![metrics]).recorded_by(audit.clone())
    };
    let mut group = c.benchmark_group("everything on");
    for (name, shown) in [("leaf", Shown::Leaf), ("hash", Shown::Hash), ("full", Shown::Full)] {
        let call = support::framed(&world.shown_by(shown));
        support::assert_allow(&runtime.block_on(service.answer(call.clone())));
        group.bench_function(name, |b| {
            b.iter(|| black_box(runtime.block_on(service.answer(call.clone()))));
        });
    }
    group.finish();
    audit.close();
}

fn wire(c: &mut Criterion) {
    let world = World::new();
    let snapshot = world.snapshot();
    let check = world.check("/v1/orders", Some(&world.rs256), true);
    let mut group = c.benchmark_group("wire");
    group.bench_function("decode protobuf", |b| {
        b.iter(|| {
            envoy_types::pb::envoy::service::auth::v3::CheckRequest::decode(black_box(&*check))
                .expect("it was encoded here")
        });
    });
    group.bench_function("decode to view", |b| {
        b.iter_batched(
            || check.clone(),
            |check| black_box(decode(check, snapshot.sealed())),
            BatchSize::SmallInput,
        );
    });
    let (_, outcome) = world.decided();
    group.bench_function("encode the answer", |b| {
        b.iter(|| {
            let mut out = Vec::with_capacity(1024);
            encode(black_box(&outcome), &mut out);
            out
        });
    });
    group.finish();
}

criterion_group!(benches, decision, everything, wire);
criterion_main!(benches);
