//! Arguments that listing keys and verifying a token share.

use std::path::PathBuf;

use tokio::runtime::Runtime;

use crate::cli::style::Output;
use crate::cli::{CommandError, documents, files, time};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::pdp::Snapshot;

/// Arguments of both commands.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Common {
    /// The settings of a server: its documents, and the folder where it keeps the last good keys.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// A file or folder of documents; may be given more than once.
    #[arg(long, required_unless_present = "config", value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// The folder where a server keeps the last good keys: shows what changed since, and is used where fetching fails. Without it,
    /// that of `--config`.
    #[arg(long, value_name = "FOLDER")]
    pub(super) state_folder: Option<PathBuf>,
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

    /// With what the settings say, where no argument does.
    pub(super) fn filled(&self) -> Result<Self, CommandError> {
        files::check_folder("--state-folder", self.state_folder.as_deref())
            .map_err(CommandError::Usage)?;
        let (config, documents) =
            documents::with_settings(&self.documents, self.config.as_deref())?;
        let configured = config.and_then(|config| config.state_folder);
        let state_folder = self.state_folder.clone().or(configured);
        Ok(Self { documents, state_folder, ..self.clone() })
    }

    /// The documents, and a runtime for network calls.
    pub(super) fn prepare(&self) -> Result<(Snapshot, Runtime), CommandError> {
        Ok((documents::read(&self.documents)?, documents::runtime()?))
    }
}
