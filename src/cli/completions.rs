//! `countersign completions`: a script that teaches a shell our commands.

use std::io;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Exit};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell, such as `bash`: `source <(countersign completions bash)`.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Exit {
    clap_complete::generate(args.shell, &mut Cli::command(), "countersign", &mut io::stdout());
    Exit::Ok
}
