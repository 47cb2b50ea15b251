//! Arguments that listing keys and verifying a token share.

use std::path::PathBuf;

use tokio::runtime::Runtime;

use crate::cli::style::Output;
use crate::cli::{CommandError, documents, time};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::pdp::Snapshot;

/// Arguments of both commands.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Common {
    /// A file or folder of documents; may be given more than once.
    #[arg(long, required = true, value_name = "PATH")]
    pub(super) documents: Vec<PathBuf>,
    /// The folder where a server keeps the last good keys: shows what changed since, and is used where fetching fails.
    #[arg(long, value_name = "FOLDER")]
    pub(super) kept: Option<PathBuf>,
    /// Fetch nothing: use only what is in files.
    #[arg(long)]
    pub(super) offline: bool,
    /// Use this time instead of now: RFC 3339, or seconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = time::parse, allow_hyphen_values = true)]
    pub(super) at: Option<UnixTime>,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: Output,
}

impl Common {
    pub(super) fn now(&self) -> UnixTime {
        self.at.unwrap_or_else(|| SystemClock.now())
    }

    /// The documents, and a runtime for network calls.
    pub(super) fn prepare(&self) -> Result<(Snapshot, Runtime), CommandError> {
        Ok((documents::read(&self.documents)?, documents::runtime()?))
    }
}
