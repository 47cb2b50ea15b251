//! countersign against itself with more or less to do.

use std::sync::Arc;

use super::Bench;
use crate::contest::{Change, Contender, take_turns};
use crate::process::{Empty, Server};
use crate::report::Table;
use crate::world::{Evidence, Setup, World};

/// The folder of the key set that changes while checks go on.
const ROTATING: &str = "keys-rotating";

pub(super) async fn run(bench: &mut Bench<'_>) {
    let world = &bench.world;
    let collector = Server::always_allow(world.cores, Empty::Usual).await;
    let otlp = format!("otlp: {{ endpoint: \"http://{}\", sample: 0.01 }}", collector.address);
    let everything = Setup::EVERYTHING;
    let base = world.start(everything).await;
    let traced = world.start(Setup { settings: &otlp, ..everything }).await;
    let silent = world.start(Setup { audit: false, ..everything }).await;
    let forgetful =
        world.start(Setup { settings: "memory: { tokenBytes: 0 }", ..everything }).await;
    let suspicious =
        world.start(Setup { settings: "memory: { certificateBytes: 0 }", ..everything }).await;
    world.publish(ROTATING);
    let rotating = world.start(Setup { keys: ROTATING, ..everything }).await;

    let warm = world.warm(Evidence::Leaf);
    let mut all = [
        Contender::grpc("everything on, RS256, warm", &base, &warm),
        Contender::grpc("with traces, 1 % sampled", &traced, &warm),
        Contender::grpc("without audit", &silent, &warm),
        Contender::grpc("without a token", &base, &world.without_token()),
        Contender::grpc("the peer by its hash", &base, &world.warm(Evidence::Hash)),
        Contender::grpc("the peer with its chain", &base, &world.warm(Evidence::Full)),
        Contender::grpc("four of seven denied", &base, &world.mixed()),
        Contender::grpc("keys rotate four times a second", &rotating, &warm).during(rotate(world)),
        Contender::grpc("RS256, every token cold", &forgetful, &warm),
        Contender::grpc("ES256, every token cold", &forgetful, &world.es256()),
        Contender::grpc("every certificate cold", &suspicious, &warm),
    ];
    let mut turns: Vec<&mut Contender> = all.iter_mut().collect();
    let rate = take_turns(&mut turns, true, bench.options).await.unwrap_or_default();
    let title = "countersign against itself, gRPC directly";
    bench.report.show(Table::of_turns("itself", title, rate, &turns), bench.options);
    let [_, traced, silent, ..] = &all;
    let ratio = traced.closed.ratio(&silent.closed, |f| f.per_second);
    bench.report.target(
        "audit, metrics and traces at 1 % / metrics alone, which cannot be switched off: throughput",
        ">= 0.95",
        format!("{ratio:.2}"),
        ratio >= 0.95,
    );
}

fn rotate(world: &Arc<World>) -> Change {
    let world = Arc::clone(world);
    Arc::new(move || world.publish(ROTATING))
}
