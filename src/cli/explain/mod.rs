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
pub(super) use report::ExplainReport;
pub(super) use rules::OperandReport;
pub(super) use tree::write_operands;

use self::question::ExplainInput;
use super::{CommandError, Exit, documents, files, style};

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let (config, paths) = documents::with_settings(&args.documents, args.config.as_deref())?;
    files::check_folder("--state-folder", args.state_folder.as_deref())
        .map_err(CommandError::Usage)?;
    let (snapshot, suites, missing) = ask::load(&paths, args.offline)?;
    missing.iter().for_each(style::error);
    let mut input = ExplainInput::read(args, config.as_ref(), &snapshot, &suites)?;
    input.context.documents = args.documents_arguments();
    style::diagnostics(&input.context.warnings);
    let report = ask::ask(ask::ExplainSetup { args, config: config.as_ref(), snapshot }, input)?;
    args.output.write(&report, tree::write)?;
    Ok(Exit::ok_if(report.is_allow()))
}
