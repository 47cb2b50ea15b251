//! Does the cost of a decision depend on how many rules there are for somebody else?

mod support;

use std::hint::black_box;

use countersign::authn::{self, Memory, NoMemory};
use countersign::clock::{Clock as _, SystemClock};
use countersign::policy::DecisionRequest;
use countersign::trust::Material;
use criterion::{Criterion, criterion_group, criterion_main};
use support::World;

fn evaluate(c: &mut Criterion) {
    let mut group = c.benchmark_group("evaluate");
    for rules in [10, 1_000, 10_000] {
        let world = World::new();
        world.write("policies/others.yaml", &support::others(rules));
        let snapshot = world.snapshot();
        let now = SystemClock.now();
        let evidence = world.evidence(&snapshot, Some(&world.rs256), true);
        let memory = Memory { certificates: &NoMemory, tokens: &NoMemory };
        let subject =
            authn::authenticate(&evidence, snapshot.trust(), &Material::default(), memory, now);
        let (view, _) = world.decoded(&snapshot, None, true);
        let question = DecisionRequest { subject: &subject, request: &view, now };
        assert!(snapshot.policies().evaluate(&question).is_allow());
        group.bench_function(format!("{rules} rules"), |b| {
            b.iter(|| snapshot.policies().evaluate(black_box(&question)));
        });
    }
    group.finish();
}

fn compile(c: &mut Criterion) {
    let world = World::new();
    world.write("policies/others.yaml", &support::others(10_000));
    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    group.bench_function("10000 rules from files", |b| b.iter(|| world.snapshot()));
    group.finish();
}

criterion_group!(benches, evaluate, compile);
criterion_main!(benches);
