//! `countersign diff`: two sets of documents, compared in terms of access.

mod places;
mod report;
mod text;
mod trust;

use std::io;
use std::path::PathBuf;

use super::replay;
use super::{CommandError, Exit, documents, style};
use crate::cli::records::Filters;
use places::Places;
pub(super) use report::DiffReport;

const EXAMPLES: &str = "\
Examples:
  countersign diff main/policies policies
  countersign diff main/policies policies --audit audit.jsonl --output markdown
  countersign diff main/policies policies --output github
  countersign diff main/policies --config countersign.yaml

Exit codes: 0 no change; 1 some access, some decision, or what is sent with it changes; 2 wrong
arguments; 3 wrong settings; 4 the documents have errors";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The documents before: a file or folder.
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The changed documents: a file or a folder.
    #[arg(value_name = "AFTER", required_unless_present_any = ["documents", "config"])]
    after: Option<PathBuf>,
    /// Same as AFTER; may be given more than once.
    #[arg(long, value_name = "PATH", conflicts_with = "after")]
    documents: Vec<PathBuf>,
    /// The settings of a server: its documents are those after, where none are given.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// Audit logs whose decisions are put to both, as `replay` does.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    audit: Vec<PathBuf>,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: DiffFormat,
}

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum DiffFormat {
    /// Text.
    #[default]
    Human,
    /// JSON, for programs.
    Json,
    /// Markdown, for a pull request.
    Markdown,
    /// Annotations of a GitHub workflow.
    Github,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let given: Vec<_> = args.after.iter().chain(&args.documents).cloned().collect();
    let (old, new) = (vec![args.before.clone()], documents::named(&given, args.config.as_deref())?);
    let (before, after) = (Places::load(&old)?, Places::load(&new)?);
    let replay = match args.audit.is_empty() {
        true => None,
        false => Some(replay::report(&args.audit, &new, &old, &Filters::default())?),
    };
    let trust = trust::changes(&before, &after);
    let report = DiffReport::new((&before, &after), trust, replay);
    match args.output {
        DiffFormat::Human => text::human(&report, &mut style::out()),
        DiffFormat::Markdown => text::markdown(&report, &mut style::out()),
        DiffFormat::Github => text::github(&report, &mut style::out()),
        DiffFormat::Json => style::json(&report, &mut io::stdout().lock()),
    }?;
    Ok(Exit::ok_if(report.is_unchanged()))
}
