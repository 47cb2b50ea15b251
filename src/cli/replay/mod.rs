//! `countersign replay`: recorded decisions put to another set of documents, and those that change.

mod args;
mod judge;
mod log;
mod report;
mod side;
mod tally;
mod text;

use std::io;
use std::path::PathBuf;

pub(super) use args::Args;
use args::ReportFormat;
use judge::Replay;
pub(super) use report::ReplayReport;
pub(super) use text::{cell, human, markdown};

use super::records::Filters;
use super::{CommandError, Exit, documents, style};

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let (config, paths) = documents::with_settings(&args.documents, args.config.as_deref())?;
    let logs = args.logs(config.as_ref())?;
    let replay = Replay::load(&paths, &args.baseline, config.as_ref())?;
    let tally = log::read(&logs, &replay, &args.filters, args.examples)?;
    let report = ReplayReport::new(&replay, &tally, &logs, &paths);
    match args.output {
        ReportFormat::Human => human(&report, &mut style::out()),
        ReportFormat::Markdown => markdown(&report, &mut style::out()),
        ReportFormat::Json => style::json(&report, &mut io::stdout().lock()),
    }?;
    if !report.says_something() {
        style::warning(
            "no decision can be determined by its record, so nothing is compared; `cannot be determined` says what the rules need",
        );
    }
    Ok(Exit::ok_if(report.is_unchanged() && report.says_something()))
}

/// Examples of a group in the report of a comparison.
const FEW: usize = 1;

/// The decisions in `logs` under `documents`, compared with those of `baseline`.
pub(super) fn report(
    logs: &[PathBuf],
    documents: &[PathBuf],
    baseline: &[PathBuf],
    filters: &Filters,
) -> Result<ReplayReport, CommandError> {
    let replay = Replay::load(documents, baseline, None)?;
    let tally = log::read(logs, &replay, filters, FEW)?;
    Ok(ReplayReport::new(&replay, &tally, logs, documents))
}
