//! The cost of a check under load: `cargo run --release --example load` answers with tables of ratios.
//!
//! Every figure is a ratio inside one run: the contenders take turns on the same machine, and the medians of their rounds are
//! compared. The servers are processes of their own, built with the same flags. The method is in docs/performance.md, whose tables this program writes.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement that cannot be made must end at once, and says so on the terminal"
)]

mod always_allow;
mod contest;
mod cores;
mod drive;
mod figures;
mod options;
mod plot;
mod process;
mod programs;
mod report;
mod suites;
#[expect(dead_code, reason = "the demo is more than these programs use of it")]
#[path = "../../src/demo/mod.rs"]
mod testbed;
mod workload;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

use options::{Command, Options};

/// The allocator of the shipped binary, so that the always-allow server can be measured with it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    countersign::cli::install_crypto();
    let options = Options::parse();
    match &options.command {
        Some(Command::AlwaysAllow { address }) => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(always_allow::serve(*address, None));
        }
        None => {
            if !options.no_build {
                programs::build(options.countersign.is_none());
            }
            suites::run(&options);
        }
    }
    ExitCode::SUCCESS
}
