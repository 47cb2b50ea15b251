//! `countersign completions`: a completion script for a shell.

use std::io;

use clap_complete::Shell;

use super::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell, such as `bash`: `source <(countersign completions bash)`.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args, command: &mut clap::Command) -> Exit {
    clap_complete::generate(args.shell, command, "countersign", &mut io::stdout());
    Exit::Ok
}
