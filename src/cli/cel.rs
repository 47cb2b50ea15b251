//! `countersign cel`: tries a condition against a request and its caller.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::documents::KnownNames;
use super::explain::{OperandReport, write_operands};
use super::files::{self, shown};
use super::style::{BAD, GOOD, HEADING, Output, QUIET, visible};
use super::{CommandError, Exit, documents, style};
use crate::clock::{Clock as _, SystemClock, UnixTime};
use crate::document::policy_suite::QuestionSpec;
use crate::document::{Diagnostic, SourceFile, any_error, question};
use crate::pdp::Snapshot;
use crate::policy::{ConditionNames, ConditionTrial, KnownIssuer, Question, Truth};
use crate::request::SealedNames;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign cel '\"admin\" in token.claims.roles' request.yaml
  countersign cel 'token.sub == request.path.user' request.yaml --path '/users/{user}'
  countersign cel 'peer.spiffe.startsWith(\"spiffe://prod\")' request.yaml --config countersign.yaml

FILE has `request`, `peer`, `token` or `tokens`, and `now`, in the shapes of a suite, as for `countersign explain FILE`.

Exit codes: 0 it holds; 1 it does not hold, or is unknown; 2 wrong arguments, or an error in the
condition or in FILE; 3 wrong settings; 4 the documents have errors")]
pub(super) struct Args {
    /// The condition, in CEL, as `when` of a rule has it.
    #[arg(value_name = "CONDITION")]
    condition: String,
    /// The request and its caller.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The path template of the rule, for conditions that read `request.path`.
    #[arg(long, value_name = "TEMPLATE")]
    path: Option<String>,
    /// A file or folder of documents whose issuers and trust domains FILE names; may be given more than once. Without documents,
    /// every name in FILE is taken as it is.
    #[arg(long, value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// The settings of a server, for its documents.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// The result, as `--output json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CelReport {
    condition: String,
    /// `holds`, `fails` or `unknown`.
    result: Truth,
    /// The parts that `&&`, `||` and `?:` put together, with the values that they read.
    operands: Vec<OperandReport>,
    /// The issuer of the token that the condition reads, if the caller has one.
    token: Option<String>,
    /// The moment that `now` is.
    at: String,
    /// True if a caller with long lists makes it run out of steps, so that it is unknown.
    costly: bool,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let paths = documents::named(&args.documents, args.config.as_deref())?;
    let snapshot = Some(paths).filter(|paths| !paths.is_empty());
    let snapshot = snapshot.map(|paths| documents::read(&paths)).transpose()?;
    let text = files::read(&args.file)
        .map_err(|error| CommandError::Usage(files::unreadable(&args.file, &error)))?;
    let file = SourceFile::new(&args.file, String::from_utf8_lossy(&text).into_owned());
    let report = CelReport::new(args, &file, snapshot.as_ref())?;
    args.output.write(&report, write)?;
    Ok(Exit::ok_if(report.result == Truth::Holds))
}

impl CelReport {
    fn new(
        args: &Args,
        file: &Arc<SourceFile>,
        snapshot: Option<&Snapshot>,
    ) -> Result<Self, CommandError> {
        let none = SealedNames::default();
        let sealed = snapshot.map_or(&none, Snapshot::sealed);
        let spec = question(file).map_err(|problem| unusable(vec![problem], &args.file))?.0;
        let names = match snapshot {
            Some(snapshot) => KnownNames::of(snapshot.trust()),
            None => names_in(&spec),
        };
        let mut problems = Vec::new();
        let asked = Question::read(file, &names.issuers, &names.domains, sealed, &mut problems);
        let Some(asked) = asked.filter(|_| !any_error(&problems)) else {
            return Err(unusable(problems, &args.file));
        };
        style::diagnostics(&problems);
        let now = asked.now.unwrap_or_else(|| SystemClock.now());
        let text = SourceFile::argument("CONDITION", &args.condition);
        let path = args.path.as_deref().map(|path| SourceFile::argument("--path", path));
        let names = ConditionNames { domains: &names.domains, iss: &names.iss, sealed };
        let trial = asked.try_condition(&text, path.as_ref(), names, now).map_err(|problems| {
            CommandError::Question(problems, String::from("the condition was not evaluated"))
        })?;
        check_sense(args, &trial, snapshot.is_some())?;
        Ok(Self::of(&args.condition, &trial, asked.issuers().next(), now))
    }

    /// The values are shown: they come from a file of the user's own.
    fn of(condition: &str, trial: &ConditionTrial, token: Option<&str>, now: UnixTime) -> Self {
        let ConditionTrial { truth, operands, is_costly, .. } = trial;
        Self {
            condition: condition.to_owned(),
            result: *truth,
            operands: operands.iter().map(|own| OperandReport::new(own, true)).collect(),
            token: token.map(str::to_owned),
            at: now.to_rfc3339(),
            costly: *is_costly,
        }
    }
}

/// The names that the file itself uses, where there are no documents.
fn names_in(spec: &QuestionSpec) -> KnownNames<'_> {
    let peers = spec.peer.iter().flat_map(|peer| {
        let others = peer.value.other_trust_domains.iter().flatten();
        peer.value.trust_domain.iter().chain(others)
    });
    let tokens = spec.token.iter().chain(&spec.tokens);
    let issuers = tokens.filter_map(|token| token.value.issuer.as_ref());
    let unknown = |name| KnownIssuer { name, iss: None, client_claim: None, claims: None };
    KnownNames {
        domains: peers.map(|name| name.value.as_str()).collect(),
        issuers: issuers.map(|name| unknown(name.value.as_str())).collect(),
        iss: Vec::new(),
    }
}

/// Refuses what no rule could ask, or what only documents say.
fn check_sense(
    args: &Args,
    trial: &ConditionTrial,
    has_documents: bool,
) -> Result<(), CommandError> {
    if !trial.is_about_the_path {
        let path = visible(args.path.as_deref().unwrap_or_default());
        let file = shown(&args.file);
        let message = format!("the path of the request in `{file}` is not matched by `{path}`");
        return Err(CommandError::Usage(message));
    }
    if !has_documents && trial.names.iter().any(|name| name == "token.iss") {
        let message = "the condition reads `token.iss`, which is that of a `TokenIssuer`: name the documents with `--documents` or `--config`";
        return Err(CommandError::Usage(String::from(message)));
    }
    Ok(())
}

fn unusable(problems: Vec<Diagnostic>, path: &Path) -> CommandError {
    let message = format!("`{}` is not a request to try a condition on", shown(path));
    CommandError::Question(problems, message)
}

fn write(report: &CelReport, out: &mut dyn Write) -> io::Result<()> {
    let (style, because) = match report.result {
        Truth::Holds => (GOOD, ""),
        Truth::Fails => (BAD, ""),
        Truth::Unknown if report.costly => {
            (BAD, ": a value is absent or unfit, or it takes too many steps")
        }
        Truth::Unknown => (BAD, ": a value is absent, or not of a kind that fits"),
    };
    writeln!(out, "{style}{}{style:#}{because}", report.result)?;
    write_operands(&report.operands, out)?;
    match &report.token {
        Some(issuer) => {
            writeln!(out, "{QUIET}token of{QUIET:#} {HEADING}{}{HEADING:#}", visible(issuer))?
        }
        None => writeln!(out, "{QUIET}no token{QUIET:#}")?,
    }
    writeln!(out, "{QUIET}now is {}{QUIET:#}", report.at)
}
