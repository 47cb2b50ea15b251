//! Asks countersign and its semantics (`tests/oracle`) the same questions, and shrinks what they answer differently. See
//! `docs/semantics.md`.

mod answer;
mod bytes;
mod compare;
mod coverage;
mod excused;
mod keys;
mod oracle;
mod program;
mod random;
mod reader;
mod report;
mod run;
mod shrink;
mod soak;
mod stated;
mod world;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::run::{Tier, Wanted};

/// Compare the decisions of countersign with those of the oracle.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The beginning of cases: identities that suites state, or the bytes that Envoy sends.
    #[arg(long, value_enum, default_value_t = Wanting::Both)]
    tier: Wanting,
    /// How many cases to compare in each tier, at least.
    #[arg(long, default_value_t = 20_000)]
    cases: u64,
    /// The seed of the first world. The next world has the next number.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// For how many minutes in each tier, at most.
    #[arg(long)]
    minutes: Option<f64>,
    /// Fail where something that can be reached was not: it takes some hundred thousand cases.
    #[arg(long)]
    covered: bool,
    /// How many threads. Default: one for each core.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// End each tier at the first world with a difference, as for a fault that was put in on purpose. Nothing is shrunk.
    #[arg(long)]
    first: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server for long under mixed load, while everything changes, and compare each of its answers.
    Soak(soak::Options),
    /// Write cases for a person to decide by the semantics alone, and the answers apart.
    Read(reader::Options),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wanting {
    Stated,
    Bytes,
    Both,
}

impl Wanting {
    const fn tiers(self) -> &'static [&'static Tier] {
        match self {
            Self::Stated => &[&stated::STATED],
            Self::Bytes => &[&bytes::BYTES],
            Self::Both => &[&stated::STATED, &bytes::BYTES],
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match &args.command {
        Some(Command::Soak(options)) => return ended(&soak::run(options)),
        Some(Command::Read(options)) => return ended(&reader::run(options)),
        None => {}
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let wanted = Wanted {
        cases: args.cases,
        seed: args.seed,
        time: args.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0)),
        threads: args.threads.map_or(cores, NonZeroUsize::get),
        first: args.first,
    };
    let mut faults = Vec::new();
    for tier in args.tier.tiers() {
        let outcome = run::run(tier, &wanted);
        report::sums(tier, &outcome);
        faults.extend(outcome.faults(tier, args.covered).into_iter().map(|fault| format!("{}: {fault}", tier.name)));
    }
    ended(&faults)
}

fn ended(faults: &[String]) -> ExitCode {
    faults.iter().for_each(|fault| report::line(fault));
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
