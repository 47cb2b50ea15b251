//! The commands: arguments in, one command run, its error printed, an exit code out.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::error::ProgramOutput;
use super::{
    CommandError, Exit, cel, check, completions, decisions, demo, dev, diff, doctor, explain, init,
    inspect, keys, lint_mesh, man, replay, revocations, revoke, schema, serve, style, test,
    who_can,
};
use crate::config;

/// External authorization for Envoy and Istio: who is on the wire, countersigned by what it carries.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a working set-up in a folder: settings, documents with tests, Envoy's configuration.
    Init(init::Args),
    /// Run the set-up of `init --dev` with Envoy on this machine, and follow every edit: decisions and suites as they come.
    Dev(dev::Args),
    /// Answer Envoy's checks.
    Serve(serve::Args),
    /// Find what is wrong on this machine: settings, documents, files, issuers, the store, clocks, addresses, proxies.
    Doctor(doctor::Args),
    /// Check documents for errors.
    Check(check::Args),
    /// Explain why a request was allowed or denied, rule by rule, and what would change that.
    Explain(Box<explain::Args>),
    /// List the decisions in an audit log, count them, or watch them come.
    Decisions(Box<decisions::Args>),
    /// Evaluate recorded requests against other documents, and show which would change.
    Replay(Box<replay::Args>),
    /// Compare two sets of documents: whose access is widened, and whose is narrowed.
    Diff(diff::Args),
    /// Answer who can reach a path, from the rules themselves.
    WhoCan(who_can::Args),
    /// Show what a certificate, an XFCC header or a recorded check proves, and to which trust domain.
    Inspect(inspect::Args),
    /// Find settings that weaken authorization of Envoy, Istio and gateways.
    LintMesh(lint_mesh::Args),
    /// List every issuer's keys, or explain how a token is verified.
    Keys(keys::Args),
    /// Revoke a token, a user's sessions, a client, a key, a certificate or a workload, now and on every replica.
    Revoke(Box<revoke::Args>),
    /// List what is revoked, where each entry comes from, and how fresh that is.
    Revocations(revocations::Args),
    /// Test policies with the cases of their suites.
    Test(test::Args),
    /// Try a condition against a request and its caller.
    Cel(cel::Args),
    /// Play a tour with a real Envoy on this machine: which requests are allowed, which are denied, and why.
    Demo(demo::Args),
    /// Print the JSON Schema of documents, settings or the output of a command, or the reference of keys.
    Schema(schema::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
    /// Print a manual page, or write one for every command.
    Man(man::Args),
}

/// Runs the command in `arguments`, the program's name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let parsed = program().try_get_matches_from(arguments).and_then(|matches| {
        Ok((Cli::from_arg_matches(&matches)?, output(&matches), is_of_variable(&matches)))
    });
    let (cli, output, is_of_variable) = match parsed {
        Ok(parsed) => parsed,
        Err(message) if message.use_stderr() => {
            style::message(&message.render(), &values_of(&message));
            lacking(&message).into_iter().for_each(style::hint);
            return Exit::Usage;
        }
        Err(message) => {
            // If standard output is closed, there is nowhere to report that.
            let _ = message.print();
            return Exit::Ok;
        }
    };
    install_crypto();
    cli.command.run().unwrap_or_else(|error| {
        let error = if is_of_variable { error.of_variable(CONFIG) } else { error };
        error.write(output);
        error.print()
    })
}

/// The variable that stands for `--config`.
const CONFIG: &str = "COUNTERSIGN_CONFIG";

/// The program's arguments. An empty variable is one that is not set.
fn program() -> clap::Command {
    let is_empty = config::is_empty_variable(CONFIG);
    if is_empty { without_variable(Cli::command()) } else { Cli::command() }
}

fn without_variable(command: clap::Command) -> clap::Command {
    let own = |arg: clap::Arg| match arg.get_id() == "config" {
        true => arg.env(Resettable::Reset),
        false => arg,
    };
    command.mut_args(own).mut_subcommands(without_variable)
}

/// True if the variable names the settings file of the command that is run.
fn is_of_variable(matches: &ArgMatches) -> bool {
    let has_one = matches.try_contains_id("config").unwrap_or(false);
    (has_one && matches.value_source("config") == Some(ValueSource::EnvVariable))
        || matches.subcommand().is_some_and(|(_, own)| is_of_variable(own))
}

/// The values that a message about arguments quotes.
fn values_of(message: &clap::Error) -> Vec<&str> {
    let values =
        [ContextKind::InvalidArg, ContextKind::InvalidValue, ContextKind::InvalidSubcommand];
    let values = values.into_iter().filter_map(|kind| {
        let Some(ContextValue::String(value)) = message.get(kind) else { return None };
        Some(value.as_str())
    });
    values.collect()
}

/// Advice where an argument is missing that settings can stand for.
fn lacking(message: &clap::Error) -> Option<String> {
    let missing = message.get(ContextKind::InvalidArg);
    let Some(ContextValue::Strings(missing)) = missing else { return None };
    if message.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let lacks =
        |parts: &[&str]| missing.iter().any(|own| parts.iter().any(|part| own.starts_with(part)));
    let documents = lacks(&["--documents", "<PATH>", "<AFTER>"]);
    let what = match (documents, lacks(&["--audit"])) {
        (true, true) => "`--documents` and `--audit`",
        (true, false) => "`--documents`",
        (false, true) => "`--audit`",
        (false, false) => return None,
    };
    Some(format!(
        "\nInstead of {what}, name the settings of a server, which say where they are: `--config FILE`, or {CONFIG}."
    ))
}

/// The `--output` of the command that is run, where it is one for programs.
fn output(matches: &ArgMatches) -> Option<ProgramOutput> {
    if let Some((_, matches)) = matches.subcommand()
        && let Some(output) = output(matches)
    {
        return Some(output);
    }
    let mut raw = matches.try_get_raw("output").ok()??;
    raw.next_back().and_then(|value| value.to_str()).and_then(ProgramOutput::named)
}

/// Selects one cryptography library for every dependency.
pub fn install_crypto() {
    // A second call in one process (in tests) finds the choice already made.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

impl Command {
    fn run(self) -> Result<Exit, CommandError> {
        match self {
            Self::Init(args) => init::run(&args),
            Self::Dev(args) => dev::run(args),
            Self::Serve(args) => serve::run(&args),
            Self::Doctor(args) => doctor::run(&args),
            Self::Check(args) => check::run(&args),
            Self::Explain(args) => explain::run(&args),
            Self::Decisions(args) => decisions::run(&args),
            Self::Replay(args) => replay::run(&args),
            Self::Diff(args) => diff::run(&args),
            Self::WhoCan(args) => who_can::run(&args),
            Self::Inspect(args) => inspect::run(&args),
            Self::LintMesh(args) => lint_mesh::run(&args),
            Self::Keys(args) => keys::run(args),
            Self::Revoke(args) => revoke::run(&args),
            Self::Revocations(args) => revocations::run(&args),
            Self::Test(args) => test::run(&args),
            Self::Cel(args) => cel::run(&args),
            Self::Demo(args) => demo::run(args),
            Self::Schema(args) => schema::run(&args),
            Self::Completions(args) => completions::run(&args, &mut Cli::command()),
            Self::Man(args) => man::run(&args, Cli::command()),
        }
    }
}
