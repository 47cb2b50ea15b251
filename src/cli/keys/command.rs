//! The two forms of the command.

use super::common::Common;
use super::{list, verify};
use crate::cli::{CommandError, Exit};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: Option<Common>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Explain which issuer and key would verify a token, and which check it fails first. Nothing of the token is printed
    /// but its header, the names of its claims, and its times.
    Verify(verify::Args),
}

pub(in crate::cli) fn run(args: Args) -> Result<Exit, CommandError> {
    match (args.command, args.list) {
        (Some(Command::Verify(args)), _) => verify::run(&args),
        (None, Some(common)) => list::run(&common),
        // The parser requires `--documents` first.
        (None, None) => Ok(Exit::Usage),
    }
}
