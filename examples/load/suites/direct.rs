//! gRPC straight to countersign with everything on, and to a server that allows everything.

use std::sync::Arc;

use super::Bench;
use crate::contest::{Contender, take_turns};
use crate::process::{Empty, Server};
use crate::report::Table;
use crate::world::{Evidence, Setup};

pub(super) async fn run(bench: &mut Bench<'_>) {
    let world = Arc::clone(&bench.world);
    let empty = Arc::new(Server::always_allow(world.cores, Empty::Usual).await);
    let lighter = Arc::new(Server::always_allow(world.cores, Empty::OurAllocator).await);
    let ours = world.start(Setup::EVERYTHING).await;
    let other = bench.other_build().await;
    let kinds = [
        ("direct-leaf", Evidence::Leaf, "the certificate in `source.certificate`"),
        (
            "direct-full",
            Evidence::Full,
            "the certificate and its chain, as the shipped Envoy configuration sends them",
        ),
        ("direct-hash", Evidence::Hash, "a hash, as a sidecar of Istio sends it"),
    ];
    for (key, evidence, shown) in kinds {
        let workload = world.warm(evidence);
        let mut first = Contender::grpc("always-allow: tonic and envoy-types", &empty, &workload);
        let mut lean = Contender::grpc("the same with our allocator", &lighter, &workload);
        let mut second = Contender::grpc("countersign, everything on", &ours, &workload);
        let mut third =
            other.as_ref().map(|(name, server)| Contender::grpc(name, server, &workload));
        let mut all = vec![&mut first, &mut lean, &mut second];
        all.extend(third.as_mut());
        let rate = take_turns(&mut all, true, bench.options).await.unwrap_or_default();
        let title = format!(
            "gRPC directly, the peer shown by {shown} ({} bytes a check)",
            workload.bytes()
        );
        bench.report.show(Table::of_turns(key, &title, rate, &all), bench.options);
        if matches!(evidence, Evidence::Leaf) {
            let throughput = second.closed.ratio(&first.closed, |f| f.per_second);
            let p99 = second.open.ratio(&first.open, |f| f.latency.p99);
            bench.report.target(
                "direct gRPC, everything on, warm / always-allow: throughput",
                ">= 1.0",
                format!("{throughput:.2}"),
                throughput >= 1.0,
            );
            bench.report.target(
                "the same: p99 in an open loop",
                "<= 1.0",
                format!("{p99:.2}"),
                p99 <= 1.0,
            );
        }
    }
}
