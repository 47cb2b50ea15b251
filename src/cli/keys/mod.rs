//! `countersign keys`: every issuer's keys as a server would have them, and how a token is verified.

mod common;
mod explanation;
mod list;
mod obtain;
mod verify;

pub(super) use explanation::{CheckResult, VerifyReport};
pub(super) use list::IssuerReport;
pub(super) use verify::token_header;

use self::common::Common;
use super::{CommandError, Exit};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign keys --documents policies
  countersign keys --config countersign.yaml
  countersign keys verify --documents policies < token.jwt

Exit codes: 0 every issuer has keys that can be used; 1 one has none; 2 wrong arguments; 3 wrong
settings; 4 the documents have errors")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<KeysCommand>,
    #[command(flatten)]
    list: Option<Common>,
}

#[derive(Debug, clap::Subcommand)]
enum KeysCommand {
    /// Explain which issuer and key would verify a token, and which check it fails first. Of the token nothing is printed
    /// but its header, the names of its claims, and its times.
    Verify(verify::Args),
}

pub(super) fn run(args: Args) -> Result<Exit, CommandError> {
    match (args.command, args.list) {
        (Some(KeysCommand::Verify(args)), _) => verify::run(&args),
        (None, Some(common)) => list::run(&common),
        // The parser requires documents first.
        (None, None) => Ok(Exit::Usage),
    }
}
