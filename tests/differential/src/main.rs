//! Asks countersign and its semantics (`tests/oracle`) the same questions, and shrinks what they answer differently. See
//! `docs/semantics.md`.

mod answer;
mod compare;
mod coverage;
mod excused;
mod oracle;
mod program;
mod random;
mod report;
mod run;
mod shrink;
mod world;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::run::Wanted;

/// Compare the decisions of countersign with those of the oracle.
#[derive(Debug, Parser)]
struct Args {
    /// How many cases to compare, at least.
    #[arg(long, default_value_t = 20_000)]
    cases: u64,
    /// The seed of the first world. The next world has the next number.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// For how many minutes, at most.
    #[arg(long)]
    minutes: Option<u64>,
    /// Fail where something that can be reached was not: it takes some hundred thousand cases.
    #[arg(long)]
    covered: bool,
    /// How many threads. Default: one for each core.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let wanted = Wanted {
        cases: args.cases,
        seed: args.seed,
        time: args.minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
        threads: args.threads.map_or(cores, NonZeroUsize::get),
    };
    let outcome = run::run(&wanted);
    report::sums(&outcome);
    let faults = outcome.faults(args.covered);
    faults.iter().for_each(|fault| report::line(fault));
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
