//! `countersign explain`: a decision, with everything that led to it, by the code that serves.

mod args;
mod ask;
mod audit;
mod change;
mod input;
mod question;
mod report;
mod rules;
mod tree;
mod watch;

use std::io;

pub(super) use args::Args;

use self::question::Input;
use self::report::Report;
use super::style::Output;
use super::{Exit, style};
use crate::config::{Config, Overrides};

pub(super) fn run(args: &Args) -> Exit {
    match explain(args) {
        Ok(report) => match args.write(&report) {
            Ok(()) if report.is_allow() => Exit::Ok,
            // Denied, or the reader of the pipe is gone.
            Ok(()) | Err(_) => Exit::Failure,
        },
        Err(exit) => exit,
    }
}

fn explain(args: &Args) -> Result<Report, Exit> {
    let config = args.config.as_deref().map(|file| settings(file, args)).transpose()?;
    let documents = match &config {
        Some(config) if args.documents.is_empty() => config.documents.clone(),
        Some(_) | None => args.documents.clone(),
    };
    let (snapshot, suites) = ask::load(&documents, args.offline)?;
    let input = Input::read(args, config.as_ref(), &snapshot, &suites)?;
    let ground = ask::Ground { args, config: config.as_ref(), snapshot };
    ask::ask(ground, input)
}

fn settings(file: &std::path::Path, args: &Args) -> Result<Config, Exit> {
    let overrides = Overrides { documents: args.documents.clone(), ..Overrides::default() };
    Config::load(Some(file), &overrides).map_err(|error| {
        match error.diagnostic() {
            Some(diagnostic) => style::diagnostics(std::slice::from_ref(diagnostic)),
            None => style::error(error),
        }
        Exit::Settings
    })
}

impl Args {
    fn write(&self, report: &Report) -> io::Result<()> {
        match self.output {
            Output::Human => tree::write(report, &mut anstream::stdout().lock()),
            Output::Json => style::json(report, &mut io::stdout().lock()),
        }
    }
}
