//! `countersign check`: every problem in the documents, before they are put in force.

use std::path::PathBuf;

use super::{Exit, style};
use crate::document;
use crate::pdp::Load;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files, or folders that are searched for `*.yaml` and `*.yml`.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(args: &Args) -> Exit {
    let load = Load::from_paths(&args.paths);
    style::diagnostics(&load.problems);
    if document::any_error(&load.problems) { Exit::Documents } else { Exit::Ok }
}
