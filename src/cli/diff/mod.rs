//! `countersign diff`: two sets of documents, compared in terms of access.

mod places;
mod report;
mod text;
mod trust;

use std::io;
use std::path::PathBuf;

use super::replay;
use super::{CommandError, Exit, style};
use crate::cli::records::Filters;
use places::Places;
use report::DiffReport;

const EXAMPLES: &str = "\
Examples:
  countersign diff main/policies policies
  countersign diff main/policies policies --audit audit.jsonl --output markdown
  countersign diff main/policies policies --output github

Exit codes: 0 no change in access, 1 some access or some decision changes, 2 wrong arguments, 4 documents with errors";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The documents before: a file or folder.
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The documents after.
    #[arg(value_name = "AFTER")]
    after: PathBuf,
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
    let (before, after) = (Places::load(&args.before)?, Places::load(&args.after)?);
    let replay = match args.audit.is_empty() {
        true => None,
        false => {
            let (old, new) = (vec![args.before.clone()], vec![args.after.clone()]);
            Some(replay::report(&args.audit, &new, &old, &Filters::default())?)
        }
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
