//! What does it cost to learn who is on the wire: reading XFCC, verifying a certificate cold, recalling it warm?

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up must fail")]

mod support;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};

use countersign::authn::{self, CertificateKey, CertificateMemory, NoMemory, VerifiedCertificate};
use countersign::clock::{Clock as _, SystemClock};
use countersign::evidence::Xfcc;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::World;

/// Remembers everything, with nothing that a real cache would do besides.
#[derive(Debug, Default)]
struct Everything(Mutex<HashMap<CertificateKey, Arc<VerifiedCertificate>>>);

impl CertificateMemory for Everything {
    fn recall(&self, key: &CertificateKey) -> Option<Arc<VerifiedCertificate>> {
        self.0.lock().expect("no panic inside").get(key).cloned()
    }

    fn keep(&self, key: CertificateKey, verified: &Arc<VerifiedCertificate>) {
        self.0.lock().expect("no panic inside").insert(key, Arc::clone(verified));
    }
}

fn xfcc(c: &mut Criterion) {
    let element = "By=spiffe://prod.example/ns/orders/sa/orders;Hash=468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688;Subject=\"CN=frontend,O=web\";URI=spiffe://prod.example/ns/web/sa/frontend";
    let mut group = c.benchmark_group("xfcc");
    for elements in [1u64, 4, 16] {
        let header = vec![element; usize::try_from(elements).expect("small")].join(",");
        group.throughput(Throughput::Elements(elements));
        group.bench_function(format!("parse {elements}"), |b| {
            b.iter(|| Xfcc::parse(black_box(&header)).expect("well-formed"));
        });
    }
    group.finish();
}

fn peer(c: &mut Criterion) {
    let world = World::new();
    let snapshot = world.snapshot();
    let evidence = world.evidence(&snapshot, None, true);
    let now = SystemClock.now();
    let mut group = c.benchmark_group("peer");
    group.bench_function("cold", |b| {
        b.iter(|| authn::verify_peer(black_box(&evidence.peer), snapshot.trust(), &NoMemory, now));
    });
    let memory = Everything::default();
    group.bench_function("warm", |b| {
        b.iter(|| authn::verify_peer(black_box(&evidence.peer), snapshot.trust(), &memory, now));
    });
    group.finish();
}

criterion_group!(benches, xfcc, peer);
criterion_main!(benches);
