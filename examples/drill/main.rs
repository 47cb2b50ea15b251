//! Drills: a caller with good credentials goes on through a real Envoy while something attacks countersign, or dies beside it.
//!
//! `cargo run --release --example drill` runs all of them, and ends with exit code 1 where a promise is broken. `cargo test` runs the same
//! drills for a moment each (`tests/e2e/drills.rs`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for this repository's developers: what fails ends it, with a message"
)]

#[expect(dead_code, reason = "the drills need one issuer's server of it")]
#[path = "../../tests/in_process/drill.rs"]
mod drill;
mod drills;
#[path = "../../tests/e2e/redis.rs"]
mod redis;
mod report;
#[expect(dead_code, reason = "the demo is more than the drills use of it")]
#[path = "../../src/demo/mod.rs"]
mod testbed;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser as _;
use drills::{DRILLS, Ground};
use testbed::envoy_binary::{EnvoyBinary, Search};

/// Attacks countersign, or takes away what it depends on, while a caller with good credentials goes on through a real Envoy.
#[derive(Debug, clap::Parser)]
struct Options {
    /// The drills to run, by parts of their names; all of them unless there are any.
    names: Vec<String>,

    /// How long each attack lasts, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,

    /// List the drills and what each promises, and run none.
    #[arg(long)]
    list: bool,

    /// The Envoy to run; without it one is found or fetched as in the demo.
    #[arg(long, env = "ENVOY", value_name = "PATH")]
    envoy: Option<PathBuf>,

    /// The countersign to attack, instead of the one that is built first.
    #[arg(long, value_name = "PATH")]
    countersign: Option<PathBuf>,

    /// A table, or one JSON object for each drill.
    #[arg(long, value_enum, default_value_t = report::Format::Table)]
    output: report::Format,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let wanted = |name: &str| {
        options.names.is_empty() || options.names.iter().any(|part| name.contains(part.as_str()))
    };
    let chosen: Vec<_> = DRILLS.iter().filter(|drill| wanted(drill.name)).collect();
    if chosen.is_empty() {
        eprintln!("no drill has this name; `--list` shows their names");
        return ExitCode::from(2);
    }
    if options.list {
        chosen.iter().for_each(|drill| println!("{:<24} {}", drill.name, drill.promise));
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ground = ground(&options).await;
        let mut kept = true;
        for (nth, drill) in (1..).zip(&chosen) {
            eprintln!("{nth}/{}: {}", chosen.len(), drill.name);
            let figures = (drill.run)(ground.clone()).await;
            kept &= report::row(drill, &figures, options.output, nth == 1);
        }
        if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

async fn ground(options: &Options) -> Ground {
    let program = options.countersign.clone().unwrap_or_else(build);
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty());
    let cache = cache.map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let search = Search { program: options.envoy.clone(), cache };
    let envoy = EnvoyBinary::find(&search).await.unwrap_or_else(|error| panic!("{error}"));
    let time = Duration::from_secs_f64(options.seconds);
    Ground { program: program.canonicalize().unwrap(), envoy, time, patient: false }
}

/// Builds the executable as this one was built.
fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    let built = Command::new(cargo)
        .args(["build", "--locked", "--bin", "countersign"])
        .args(profile)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success(), "countersign does not compile");
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(|examples| examples.parent()).unwrap().join("countersign")
}
