//! `countersign keys`: every issuer's keys as a server would have them, and what becomes of a token.

mod explanation;
mod list;
mod obtain;
mod verify;

pub(in crate::cli) use self::verify::token_header;

use std::path::PathBuf;

use tokio::runtime::Runtime;

use super::style::Output;
use super::{Exit, documents, moment};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::pdp::Snapshot;

/// Arguments of `keys`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
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

/// What both need.
#[derive(Clone, Debug, clap::Args)]
struct Common {
    /// A file or folder of documents; may be given more than once.
    #[arg(long, required = true, value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// The folder where a server keeps the last good keys: to say what changed since, and to fall back on.
    #[arg(long, value_name = "FOLDER")]
    kept: Option<PathBuf>,
    /// Ask no issuer; use what is in the documents and in `--kept`.
    #[arg(long)]
    offline: bool,
    /// Judge at this moment instead of now: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = moment::parse, allow_hyphen_values = true)]
    at: Option<UnixTime>,
    /// For whom the result is written.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

pub(super) fn run(args: Args) -> Exit {
    match (args.command, args.list) {
        (Some(Command::Verify(args)), _) => verify::run(&args),
        (None, Some(common)) => list::run(&common),
        // The parser asks for `--documents` before it comes to this.
        (None, None) => Exit::Usage,
    }
}

// === impl Common ===

impl Common {
    fn now(&self) -> UnixTime {
        self.at.unwrap_or_else(|| SystemClock.now())
    }

    /// The documents and a place for network calls to run in.
    ///
    /// # Errors
    /// How the command ends, after the reason was printed.
    fn prepare(&self) -> Result<(Snapshot, Runtime), Exit> {
        Ok((documents::read(&self.documents)?, documents::runtime()?))
    }
}
