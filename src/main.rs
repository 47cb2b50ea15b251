//! Starts the command line and nothing else.

use std::process::ExitCode;

/// Measured against the system allocator: see docs/performance.md.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    countersign::cli::run(std::env::args_os()).into()
}
