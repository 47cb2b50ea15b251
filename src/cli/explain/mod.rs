//! `countersign explain`: a decision, with everything that led to it, by the code that serves.

mod args;
mod ask;
mod audit;
mod change;
mod input;
mod question;
mod remedy;
mod report;
mod rules;
mod tree;
mod watch;

pub(super) use args::Args;

use self::question::ExplainInput;
use super::{CommandError, Exit, documents, style};

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let (config, paths) = documents::with_settings(&args.documents, args.config.as_deref())?;
    let (snapshot, suites, missing) = ask::load(&paths, args.offline)?;
    missing.iter().for_each(style::error);
    let input = ExplainInput::read(args, config.as_ref(), &snapshot, &suites)?;
    style::diagnostics(&input.context.warnings);
    let report = ask::ask(ask::ExplainSetup { args, config: config.as_ref(), snapshot }, input)?;
    args.output.write(&report, tree::write)?;
    Ok(Exit::ok_if(report.is_allow()))
}
