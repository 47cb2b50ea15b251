//! Arguments of `replay`.

use std::path::PathBuf;

use crate::cli::CommandError;
use crate::cli::records::Filters;
use crate::config::Config;
use crate::limits::MAX_REPLAY_EXAMPLES;

const EXAMPLES: &str = "\
Examples:
  countersign replay --audit audit.jsonl --documents policies
  countersign replay --audit audit.jsonl --baseline main/policies --documents policies --since 7d
  countersign replay --config countersign.yaml --documents policies --output markdown > change.md

Exit codes: 0 no decision changes; 1 some change, or none can be determined; 2 wrong arguments or an unreadable log; 3 wrong
settings; 4 the documents have errors";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Args {
    /// Audit logs: JSON lines; `-` for standard input. Each is read with the files that were put aside before it. Without it, that of
    /// `--config`.
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "config")]
    pub(super) audit: Vec<PathBuf>,
    /// The documents to try: files or folders. Without them, those of `--config`.
    #[arg(long, value_name = "PATH", num_args = 1.., required_unless_present = "config")]
    pub(super) documents: Vec<PathBuf>,
    /// Compare with the decisions of these documents, and not with those that were recorded.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(super) baseline: Vec<PathBuf>,
    /// The settings of the server that wrote the log: its documents, its log, and the claims that are in records.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    pub(super) config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) filters: Filters,
    /// List the ids of so many decisions for each group.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = examples, help_heading = "Output")]
    pub(super) examples: usize,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", help_heading = "Output")]
    pub(super) output: ReportFormat,
}

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum ReportFormat {
    /// Text.
    #[default]
    Human,
    /// JSON, for programs.
    Json,
    /// Markdown, for a pull request.
    Markdown,
}

impl Args {
    /// The logs to read.
    pub(super) fn logs(&self, config: Option<&Config>) -> Result<Vec<PathBuf>, CommandError> {
        if !self.audit.is_empty() {
            return Ok(self.audit.clone());
        }
        let file = config.and_then(|config| config.audit.as_ref()?.file());
        let file = file.ok_or_else(|| {
            CommandError::settings(
                "settings: no audit log is written to a file; name one with `--audit`",
            )
        })?;
        Ok(vec![file.to_owned()])
    }
}

fn examples(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count <= MAX_REPLAY_EXAMPLES);
    count.ok_or_else(|| format!("expected a number from 0 to {MAX_REPLAY_EXAMPLES}"))
}
