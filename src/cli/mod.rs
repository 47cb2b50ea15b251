//! The command line: arguments in, one command run, an exit code out.

mod check;
mod completions;
mod demo;
mod documents;
mod explain;
mod inspect;
mod keys;
mod moment;
mod sarif;
mod schema;
mod serve;
mod style;
mod test;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// External authorization for Envoy and Istio: who is on the wire, countersigned by what it carries.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer Envoy's checks.
    Serve(serve::Args),
    /// Look for mistakes in documents.
    Check(check::Args),
    /// Tell why a request is allowed or denied, rule by rule, and what would have to change.
    Explain(Box<explain::Args>),
    /// Show what a certificate, an XFCC header or a recorded check proves, and to whom.
    Inspect(inspect::Args),
    /// List every issuer's keys, or explain what becomes of a token.
    Keys(keys::Args),
    /// Try policies with the cases of their suites.
    Test(test::Args),
    /// Play a tour with a real Envoy on this machine: what is let through, what is refused, and why.
    Demo(demo::Args),
    /// Print the JSON Schema of documents, or the reference of their keys.
    Schema(schema::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// How a command ended. The numbers are part of the interface: scripts depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Ok,
    /// It failed while running.
    Failure,
    /// The arguments are wrong (the code that the argument parser uses too).
    Usage,
    /// The settings cannot be used.
    Settings,
    /// The documents have errors.
    Documents,
    /// The address cannot be listened on.
    Listen,
}

// === impl Exit ===

impl Exit {
    /// The number that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Settings => 3,
            Self::Documents => 4,
            Self::Listen => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Runs the command in `arguments`, the program's name first.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(message) => {
            let exit = if message.use_stderr() { Exit::Usage } else { Exit::Ok };
            // A closed pipe is not worth another message.
            let _ = message.print();
            return exit;
        }
    };
    install_crypto();
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Keys(args) => keys::run(args),
        Command::Test(args) => test::run(&args),
        Command::Demo(args) => demo::run(args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// One cryptography library for everything, chosen here and not by whichever dependency comes first.
pub fn install_crypto() {
    // A second call in one process (in tests) finds the same choice already made.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
