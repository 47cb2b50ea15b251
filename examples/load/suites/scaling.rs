//! The cost of a check with more of everything: one curve for each thing there can be more of.

use super::Bench;
use crate::contest::{Contender, take_turns};
use crate::cores::Room;
use crate::plot::{self, Curve};
use crate::report::Table;
use crate::world::{Evidence, Setup};

/// 192 MiB: room for 100,000 tokens.
const ROOMY: &str = "memory: { tokenBytes: 201326592 }";

/// The thing that grows from contender to contender.
struct Axis {
    name: &'static str,
    steps: Vec<(usize, Contender)>,
}

pub(super) async fn run(bench: &mut Bench<'_>) {
    let head = ["more of", "how many", "checks/s", "CPU µs/check", "ratio to the first"];
    let mut table = Table::new("scaling", "What a check costs with more of everything", &head);
    let mut curves = Vec::new();
    for axis in [
        Kind::Policies,
        Kind::Issuers,
        Kind::Revocations,
        Kind::Tokens,
        Kind::Connections,
        Kind::Cores,
    ] {
        let Axis { name, mut steps } = axis.steps(bench).await;
        eprintln!("more {name}");
        let mut turns: Vec<&mut Contender> = steps.iter_mut().map(|(_, one)| one).collect();
        take_turns(&mut turns, false, bench.options).await;
        let mut curve = Curve { name, points: Vec::new() };
        let Some((_, first)) = steps.first() else { continue };
        for (count, one) in &steps {
            let ratio = one.closed.ratio(&first.closed, |f| f.processor);
            curve.points.push((f64::from(u32::try_from(*count).unwrap()), ratio));
            table.row([
                name.to_owned(),
                count.to_string(),
                format!("{:.0}", one.closed.median(|f| f.per_second)),
                format!("{:.1}", one.closed.median(|f| f.processor)),
                format!("{ratio:.2}"),
            ]);
        }
        if let (Kind::Policies, Some((_, ratio))) = (axis, curve.points.last()) {
            let measured = format!("{ratio:.2}");
            bench.report.target(
                "10,000 policies / 10 policies: CPU",
                "<= 1.2",
                measured,
                *ratio <= 1.2,
            );
        }
        curves.push(curve);
    }
    bench.report.show(table, bench.options);
    if let Some(folder) = &bench.options.docs {
        plot::curves(&folder.join("scaling.svg"), &curves);
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Policies,
    Issuers,
    Revocations,
    Tokens,
    Connections,
    Cores,
}

// === impl Kind ===

impl Kind {
    async fn steps(self, bench: &Bench<'_>) -> Axis {
        let (name, counts): (_, &[usize]) = match self {
            Self::Policies => ("policies", &[10, 100, 1_000, 10_000]),
            Self::Issuers => ("token issuers", &[1, 10, 100]),
            Self::Revocations => ("revoked tokens", &[1, 1_000, 100_000, 1_000_000]),
            Self::Tokens => ("tokens in turn", &[1, 1_000, 10_000, 100_000]),
            Self::Connections => ("connections", &[1, 4, 16, 64]),
            Self::Cores => ("cores", &[1, 2]),
        };
        let mut counts: Vec<usize> =
            counts.iter().map(|count| bench.options.size(*count)).collect();
        counts.dedup();
        let mut steps = Vec::new();
        for count in counts {
            steps.push((count, self.step(count, bench).await));
        }
        Axis { name, steps }
    }

    async fn step(self, count: usize, bench: &Bench<'_>) -> Contender {
        let (world, everything) = (&bench.world, Setup::EVERYTHING);
        let setup = match self {
            Self::Policies => Setup { policies: count, ..everything },
            Self::Issuers => Setup { issuers: count, ..everything },
            Self::Revocations => Setup { revocations: count, ..everything },
            Self::Tokens => Setup { settings: ROOMY, ..everything },
            Self::Connections => everything,
            Self::Cores => {
                Setup { room: if count == 1 { Room::One } else { Room::Two }, ..everything }
            }
        };
        let workload = if matches!(self, Self::Tokens) {
            world.tokens(count)
        } else {
            world.warm(Evidence::Leaf)
        };
        let server = world.start(setup).await;
        let contender = Contender::grpc(&count.to_string(), &server, &workload);
        if matches!(self, Self::Connections) { contender.on_connections(count) } else { contender }
    }
}
