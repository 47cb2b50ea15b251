//! `countersign completions`: a completion script for a shell.

use std::io::{self, Write as _};

use clap_complete::Shell;

use super::{CommandError, Exit};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  source <(countersign completions bash)
  countersign completions zsh > ~/.zfunc/_countersign

Exit codes: 0 printed; 1 it cannot be written; 2 wrong arguments")]
pub(super) struct Args {
    /// The shell, such as `bash`: `source <(countersign completions bash)`.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args, command: &mut clap::Command) -> Result<Exit, CommandError> {
    // Into memory: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "countersign", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Ok)
}
