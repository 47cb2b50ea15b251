//! `countersign check`: every problem in the documents, before a server uses them.

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;

use super::placeholders::Placeholders;
use super::style::HEADING;
use super::{CommandError, Exit, documents, page_text, sarif, style};
use crate::app::{judge_assertions, judge_signals};
use crate::config::{Config, Overrides};
use crate::document::{Code, Diagnostic, Severity, SourceFile, Span, any_error, closest};
use crate::evidence::PeerSources;
use crate::limits::DEFAULT_DEADLINE;
use crate::pdp::Load;
use crate::reason::Reason;
use crate::words::counted;

const EXAMPLES: &str = "\
Examples:
  countersign check policies
  countersign check --config countersign.yaml --deny-warnings
  countersign check policies --output sarif > countersign.sarif
  countersign check --explain unknown-field

Exit codes: 0 no errors; 1 the report cannot be written; 2 wrong arguments; 3 wrong settings; 4 the
documents have errors";

/// The page of all codes, which is made of their table.
const CODES: &str = include_str!("../../docs/diagnostics.md");

/// The page of all reasons.
const REASONS: &str = include_str!("../../docs/runbook.md");

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Files, or folders that are searched for `*.yaml` and `*.yml`.
    #[arg(required_unless_present_any = ["config", "documents", "explain"], value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Same as PATH.
    #[arg(long, value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// The settings of a server: check its documents, where none are given, and print which proxies the settings trust.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// Explain a code, such as `never-reached`, or the reason of a denial, such as `throttled`: what is wrong, what to do, and an
    /// example.
    #[arg(long, value_name = "CODE", conflicts_with_all = ["paths", "documents"])]
    explain: Option<String>,
    /// Treat warnings as errors: exit with code 4.
    #[arg(long)]
    deny_warnings: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: CheckOutput,
}

/// Output format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum CheckOutput {
    /// Text on standard error: each place, and what to do; for documents, also the line with a caret.
    #[default]
    Human,
    /// A JSON array on standard output, with an object for each problem.
    Json,
    /// SARIF 2.1.0 on standard output, for code review tools.
    Sarif,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    if let Some(code) = &args.explain {
        return explain(code);
    }
    let (mut paths, mut deadline) =
        ([args.paths.as_slice(), &args.documents].concat(), DEFAULT_DEADLINE);
    let load_config = |file| Config::load(Some(file), &Overrides::default());
    let config = args.config.as_deref().map(load_config).transpose()?;
    if let Some(config) = &config {
        if paths.is_empty() {
            paths.clone_from(&config.documents);
        }
        deadline = config.pdp.deadline;
    }
    let mut load = Load::from_paths(&paths).within(deadline);
    let rules = load.snapshot.as_ref().map(|snapshot| snapshot.policies().rules().count());
    if let Some(config) = &config {
        let wanting = load.snapshot.as_ref().map(|own| own.policies().rules_with_peer());
        hint_at_peer_sources(&config.listener.peer_sources, wanting.unwrap_or_default());
    }
    if let (Some(0), Some(path)) = (rules, paths.first()) {
        let message = "there is no policy: every request would be denied";
        let place = Span::start_of(&SourceFile::new(path, ""));
        let problem = Diagnostic::error(Code::NoPolicies, place, message);
        load.problems.push(
            problem.help("check policies together with what they need: `countersign check FOLDER`"),
        );
    }
    let (problems, files) = (&load.problems, load.files);
    let written = report(problems, files, args.output);
    let left = load.snapshot.as_ref().and_then(Placeholders::left_in);
    left.iter().for_each(Placeholders::hint);
    if let (Some(config), Some(snapshot)) = (&config, &load.snapshot) {
        judge_assertions(config, snapshot)?;
        judge_signals(config, snapshot)?;
    }
    let refused = any_error(problems) || (args.deny_warnings && !problems.is_empty());
    match (refused, written) {
        (false, written) => Ok(written.map(|()| Exit::Ok)?),
        (true, Ok(())) => Ok(Exit::Documents),
        // Errors in documents count, also where they cannot be written down (P257).
        (true, Err(error)) => Err(CommandError::Unreported(error)),
    }
}

/// Prints the section of the page about `code`.
fn explain(code: &str) -> Result<Exit, CommandError> {
    let pages = [CODES, REASONS];
    let sections = pages.iter().flat_map(|page| page.split("\n### ").skip(1));
    let mut named = sections.filter_map(|section| {
        let (name, text) = section.strip_prefix('`')?.split_once("`\n")?;
        // The last section of a group has the heading of the next one behind it.
        Some((name, text.split("\n## ").next()?))
    });
    let Some((name, text)) = named.find(|(name, _)| *name == code) else {
        let known = Code::GROUPS.iter().flat_map(|(_, codes)| *codes).map(|code| code.as_str());
        let known: Vec<_> = known.chain(Reason::ALL.iter().map(|own| own.as_str())).collect();
        let near = closest(code, &known).map(|near| format!("; did you mean `{near}`?"));
        let near = near.unwrap_or_default();
        let message = format!(
            "`{}` is neither the code of a problem nor the reason of a denial{near}",
            style::visible(code)
        );
        return Err(CommandError::Usage(message));
    };
    writeln!(style::out(), "{HEADING}{name}{HEADING:#}\n{}", page_text::of_section(text))?;
    Ok(Exit::Ok)
}

/// P94: the settings assume something about the proxies that no document shows and nothing here can check.
fn hint_at_peer_sources(sources: &PeerSources, wanting: usize) {
    if let Some(warning) = documents::peers_are_off(sources, wanting) {
        style::hint(format_args!("{warning}: {}", documents::PEER_SOURCES_REMEDY));
    } else if sources.rely_on_proxies() {
        style::hint(format_args!(
            "`listener.peerSources.leastEvidence: {}` assumes that every proxy that asks, and every forwarder, verifies client certificates against exactly the pinned authorities; behind one that does not, any certificate passes for any SPIFFE ID",
            sources.least_evidence
        ));
    }
}

/// Writes `problems`, found in so many `files`: for people to standard error, for programs to standard output.
pub(super) fn report(problems: &[Diagnostic], files: usize, output: CheckOutput) -> io::Result<()> {
    match output {
        CheckOutput::Human => {
            let colour = io::stderr().is_terminal();
            write(problems, files, output, colour, &mut style::err())
        }
        CheckOutput::Json | CheckOutput::Sarif => {
            write(problems, files, output, false, &mut io::stdout())
        }
    }
}

fn write(
    problems: &[Diagnostic],
    files: usize,
    output: CheckOutput,
    colour: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    match output {
        CheckOutput::Json => {
            let problems: Vec<_> = problems.iter().map(Diagnostic::json).collect();
            style::json(&problems, out)
        }
        CheckOutput::Sarif => style::json(&sarif::log(problems), out),
        CheckOutput::Human => {
            for problem in problems {
                writeln!(out, "{}\n", problem.render(colour))?;
            }
            writeln!(out, "{}", summary(problems, files))
        }
    }
}

/// So many files, and so many problems in them.
pub(super) fn summary(problems: &[Diagnostic], files: usize) -> String {
    let of = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let found = match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => String::from("no problems"),
        (errors, 0) => counted(errors, "error"),
        (0, warnings) => counted(warnings, "warning"),
        (errors, warnings) => {
            format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"))
        }
    };
    format!("{}: {found}", counted(files, "file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems() -> Vec<Diagnostic> {
        let file = SourceFile::new("p.yaml", "a: 1\nbb: 2\n");
        let at = |bytes| Span::new(&file, bytes);
        vec![
            Diagnostic::error(Code::UnknownField, at(5..7), "unknown field `bb`")
                .help("did you mean `b`?"),
            Diagnostic::warning(Code::OddText, at(0..1), "this is odd"),
        ]
    }

    fn written(problems: &[Diagnostic], files: usize, output: CheckOutput) -> String {
        let mut out = Vec::new();
        write(problems, files, output, false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_get_the_line_with_a_caret_and_a_summary() {
        let text = written(&problems(), 3, CheckOutput::Human);
        for part in [
            "error[unknown-field]: unknown field `bb`",
            "p.yaml:2:1",
            "^^",
            "help: did you mean `b`?",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(text.ends_with("3 files: 1 error, 1 warning\n"), "{text}");
        assert_eq!(written(&[], 1, CheckOutput::Human), "1 file: no problems\n");
    }

    #[test]
    fn review_tools_get_sarif() {
        let log: serde_json::Value =
            serde_json::from_str(&written(&problems(), 3, CheckOutput::Sarif)).unwrap();
        let run = &log["runs"][0];
        assert_eq!(
            (&log["version"], &run["tool"]["driver"]["name"]),
            (&"2.1.0".into(), &"countersign".into())
        );
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), 2);
        let result = &run["results"][0];
        assert_eq!(
            (&result["ruleId"], &result["level"]),
            (&"unknown-field".into(), &"error".into())
        );
        assert_eq!(result["message"]["text"], "unknown field `bb`\ndid you mean `b`?");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(
            (&place["artifactLocation"]["uri"], &place["region"]["startLine"]),
            (&"p.yaml".into(), &2.into())
        );
    }

    #[test]
    fn programs_get_one_object_for_each_problem() {
        let json: serde_json::Value =
            serde_json::from_str(&written(&problems(), 3, CheckOutput::Json)).unwrap();
        assert_eq!(json[0]["severity"], "error");
        assert_eq!(json[0]["code"], "unknown-field");
        assert_eq!((&json[0]["line"], &json[0]["column"]), (&2.into(), &1.into()));
        assert_eq!(json[0]["file"], "p.yaml");
        assert_eq!(json[0]["help"], "did you mean `b`?");
        assert_eq!(json[1]["severity"], "warning");
        assert_eq!(written(&[], 0, CheckOutput::Json), "[]\n");
    }
}
