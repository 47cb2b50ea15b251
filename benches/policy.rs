//! Does the cost of a decision depend on how many rules there are for other services, and what does a condition cost?

mod support;

use std::hint::black_box;

use countersign::authn::{self, Caches, NoCache};
use countersign::clock::{Clock as _, SystemClock};
use countersign::policy::{DecisionId, DecisionRequest};
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
        let memory = Caches { certificates: &NoCache, tokens: &NoCache };
        let subject =
            authn::authenticate(&evidence, snapshot.trust(), &Material::default(), memory, now);
        let (view, _) = world.decoded(&snapshot, None, true);
        let question =
            DecisionRequest { subject: &subject, request: &view, now, id: DecisionId::default() };
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

/// The cost of reading the same files again, and what one changed policy adds to it.
fn reload(c: &mut Criterion) {
    let world = World::new();
    let text = support::others(10_000);
    world.write("policies/others.yaml", &text);
    let before = world.snapshot();
    let mut group = c.benchmark_group("reload");
    group.sample_size(10);
    group.bench_function("10000 rules, none changed", |b| b.iter(|| world.again(&before)));
    world.write("policies/others.yaml", &text.replacen("/v1/", "/v2/", 1));
    group.bench_function("10000 rules, one changed", |b| b.iter(|| world.again(&before)));
    group.finish();
}

/// The cost of a condition in CEL beside the same rule without one.
fn condition(c: &mut Criterion) {
    const HEAD: &str = "apiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: { name: orders }\nspec:\n  target: { hosts: [orders.example.com] }\n  rules:\n    - { name: r, effect: allow, on: { methods: [GET], paths: [/v1/orders] }, token: { issuer: corp }";
    let mut group = c.benchmark_group("condition");
    for (name, when) in [
        ("none", ""),
        ("comparison", ", when: 'request.method == \"GET\" && token.sub != \"\"'"),
        ("list", ", when: '[\"a\", \"b\", \"GET\"].exists(x, x == request.method)'"),
    ] {
        let world = World::new();
        world.write("policies/orders.yaml", &format!("{HEAD}{when} }}\n"));
        let snapshot = world.snapshot();
        let now = SystemClock.now();
        let evidence = world.evidence(&snapshot, Some(&world.rs256), true);
        let memory = Caches { certificates: &NoCache, tokens: &NoCache };
        let subject =
            authn::authenticate(&evidence, snapshot.trust(), &Material::default(), memory, now);
        let (view, _) = world.decoded(&snapshot, None, true);
        let question =
            DecisionRequest { subject: &subject, request: &view, now, id: DecisionId::default() };
        assert!(snapshot.policies().evaluate(&question).is_allow());
        group.bench_function(name, |b| {
            b.iter(|| snapshot.policies().evaluate(black_box(&question)));
        });
    }
    group.finish();
}

criterion_group!(benches, evaluate, condition, compile, reload);
criterion_main!(benches);
