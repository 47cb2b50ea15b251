//! `countersign test`: runs policy suites with the evaluator that serves.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::{CommandError, Exit, documents, style, watch};
use crate::document::{Diagnostic, any_error, closest};
use crate::json::is_shown;
use crate::pdp::{Load, Snapshot};
use crate::policy::{
    CaseReport, Coverage, CoverageReport, Difference, PolicySet, SuiteReport, UntriedPart,
};
use crate::words::counted;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign test policies
  countersign test policies --full-coverage --output junit > report.xml
  countersign test policies --watch
  countersign test --config countersign.yaml --filter orders/

Exit codes: 0 every case passes; 1 one fails, or something is not tested that has to be; 2 wrong
arguments; 3 wrong settings; 4 the documents have errors")]
pub(super) struct Args {
    /// Files, or folders that are searched for `*.yaml` and `*.yml`: policies and their suites.
    #[arg(required_unless_present_any = ["documents", "config"], value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Same as PATH.
    #[arg(long, value_name = "PATH")]
    documents: Vec<PathBuf>,
    /// Settings of a server: its documents, where none are given.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// Only cases with this text in `SUITE/CASE`.
    #[arg(long, value_name = "TEXT", conflicts_with = "full_coverage")]
    filter: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: TestOutput,
    /// Fail if a rule or a part of a condition is not tested.
    #[arg(long)]
    full_coverage: bool,
    /// Run again whenever a file changes, until interrupted.
    #[arg(long)]
    watch: bool,
}

/// Output format, on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum TestOutput {
    /// Text: what failed and why, and which rules hold in no case.
    #[default]
    Human,
    /// A JSON array with an object for each case.
    Json,
    /// JUnit XML, for continuous integration.
    Junit,
}

/// A case in `--output json`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct JsonCase<'a> {
    suite: &'a str,
    case: &'a str,
    variant: &'a str,
    place: String,
    passed: bool,
    decided: &'a str,
    differences: &'a [Difference],
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let paths = [args.paths.as_slice(), &args.documents].concat();
    let paths = documents::named(&paths, args.config.as_deref())?;
    if !args.watch {
        return args.print(Load::from_paths(&paths));
    }
    Err(watch::run(&paths, || {
        let load = Load::from_paths(&paths);
        let files = load.snapshot.iter().flat_map(Snapshot::files).map(Path::to_owned).collect();
        if let Err(error) = args.print(load) {
            error.print();
        }
        files
    }))
}

impl Args {
    fn print(&self, load: Load) -> Result<Exit, CommandError> {
        Tested::run(load)?.print(self.output, self.filter.as_deref(), self.full_coverage)
    }
}

/// Runs every suite of `load`, and prints what failed and why.
pub(super) fn once(load: Load) -> Result<Exit, CommandError> {
    Tested::run(load)?.print(TestOutput::Human, None, false)
}

/// The results of the suites of some documents.
struct Tested {
    snapshot: Snapshot,
    warnings: Vec<Diagnostic>,
    reports: Vec<SuiteReport>,
}

impl Tested {
    fn run(load: Load) -> Result<Self, CommandError> {
        let Load { snapshot, problems: warnings, suites, .. } = load;
        let Some(snapshot) = snapshot.filter(|_| !any_error(&warnings)) else {
            return Err(CommandError::Documents(warnings, "no case was run"));
        };
        let reports = suites.iter().map(|suite| suite.run(snapshot.policies())).collect();
        Ok(Self { reports, snapshot, warnings })
    }

    /// Keeps the cases with `text` in `SUITE/CASE`.
    fn keep(&mut self, text: &str) -> Result<(), CommandError> {
        let all = self.reports.iter().flat_map(|report| {
            report.cases.iter().map(|case| format!("{}/{}", report.suite, title(case)))
        });
        let all: Vec<String> = all.collect();
        for report in &mut self.reports {
            let suite = report.suite.clone();
            report.cases.retain(|case| format!("{suite}/{}", title(case)).contains(text));
        }
        self.reports.retain(|report| !report.cases.is_empty());
        match self.reports.is_empty() {
            true => Err(CommandError::Usage(format!(
                "no case has `{}` in `SUITE/CASE`{}",
                style::visible(text),
                near(text, &all)
            ))),
            false => Ok(()),
        }
    }

    fn print(
        mut self,
        output: TestOutput,
        filter: Option<&str>,
        full_coverage: bool,
    ) -> Result<Exit, CommandError> {
        style::diagnostics(&self.warnings);
        if self.reports.is_empty() {
            return Err(CommandError::failure("no `kind: PolicySuite` document among the files"));
        }
        if let Some(text) = filter {
            self.keep(text)?;
        }
        let (policies, reports) = (self.snapshot.policies(), self.reports.as_slice());
        let mut out = style::out();
        match output {
            TestOutput::Human => human(reports, policies, &mut out),
            TestOutput::Json => json(reports, &mut out),
            TestOutput::Junit => junit(reports, &mut out),
        }?;
        let passed = reports.iter().flat_map(|report| &report.cases).all(passed);
        let covered = !full_coverage || coverage(reports, policies).is_full();
        Ok(Exit::ok_if(passed && covered))
    }
}

fn coverage(reports: &[SuiteReport], policies: &PolicySet) -> CoverageReport {
    let mut coverage = Coverage::default();
    reports.iter().for_each(|report| coverage.merge(&report.coverage));
    coverage.of(policies)
}

fn passed(case: &CaseReport) -> bool {
    case.differences.is_empty()
}

fn human(reports: &[SuiteReport], policies: &PolicySet, out: &mut impl Write) -> io::Result<()> {
    let (red, green) =
        (anstyle::AnsiColor::Red.on_default(), anstyle::AnsiColor::Green.on_default());
    for report in reports {
        writeln!(out, "suite {}", report.suite)?;
        for case in &report.cases {
            if passed(case) {
                writeln!(out, "  {green}ok{green:#}    {}", title(case))?;
                continue;
            }
            writeln!(out, "  {red}FAIL{red:#}  {}\n        at {}", title(case), case.place)?;
            for Difference { what, expected, found } in &case.differences {
                writeln!(out, "        {red}- {what}: {expected}{red:#}")?;
                writeln!(out, "        {green}+ {what}: {found}{green:#}")?;
            }
            writeln!(out, "        decided: {}", case.decided)?;
        }
    }
    writeln!(out, "\n{}", summary(reports, policies))
}

/// The case that is spelled like `text`, by its whole name or the part after the slash, else the first ones.
fn near(text: &str, all: &[String]) -> String {
    let names = all.iter().map(String::as_str);
    let parts = names.clone().filter_map(|name| Some(name.split_once('/')?.1));
    let near = closest(text, &names.clone().chain(parts).collect::<Vec<_>>());
    if let Some(near) = near {
        return format!("; did you mean `{}`?", style::visible(near));
    }
    let first: Vec<_> = names.take(3).map(|name| format!("`{}`", style::visible(name))).collect();
    let more = if all.len() > first.len() { ", and others" } else { "" };
    format!("; there are {}{more}", first.join(", "))
}

fn title(case: &CaseReport) -> String {
    if case.variant.is_empty() {
        return case.name.clone();
    }
    format!("{} ({})", case.name, case.variant)
}

fn summary(reports: &[SuiteReport], policies: &PolicySet) -> String {
    let cases = || reports.iter().flat_map(|report| &report.cases);
    let (all, good) = (cases().count(), cases().filter(|case| passed(case)).count());
    let failed = all.saturating_sub(good);
    let mut text = format!("{}: {good} passed, {failed} failed", counted(all, "case"));
    if failed > 0 {
        text.push_str("    (- what was expected, + what was found)");
    }
    let CoverageReport { rules, never_held, parts, untried } = coverage(reports, policies);
    let held = rules.saturating_sub(never_held.len());
    text.push_str(&format!("\n{}: {held} held in a case", counted(rules, "rule")));
    if !never_held.is_empty() {
        let never: Vec<_> = never_held.iter().map(ToString::to_string).collect();
        text.push_str(&format!("; never: {}", never.join(", ")));
    }
    if parts > 0 {
        let tried = parts.saturating_sub(untried.len());
        let noun = if parts == 1 { "part" } else { "parts" };
        text.push_str(&format!(
            "\n{parts} {noun} of conditions: {tried} evaluated to both true and false"
        ));
    }
    for UntriedPart { rule, text: part, was_true, was_false } in &untried {
        let never = match (was_true, was_false) {
            (true, _) => "never false",
            (false, true) => "never true",
            (false, false) => "never evaluated",
        };
        text.push_str(&format!("\n  {never}: `{part}` in {rule}"));
    }
    text
}

fn json(reports: &[SuiteReport], out: &mut impl Write) -> io::Result<()> {
    let cases: Vec<_> = reports
        .iter()
        .flat_map(|report| report.cases.iter().map(move |case| (report, case)))
        .map(|(report, case)| JsonCase {
            suite: &report.suite,
            case: &case.name,
            variant: &case.variant,
            place: case.place.to_string(),
            passed: passed(case),
            decided: &case.decided,
            differences: &case.differences,
        })
        .collect();
    style::json(&cases, out)
}

fn junit(reports: &[SuiteReport], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>")?;
    for SuiteReport { suite, cases, .. } in reports {
        let failures = cases.iter().filter(|case| !passed(case)).count();
        let (name, tests) = (escape(suite), cases.len());
        writeln!(out, "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">")?;
        for case in cases {
            write!(out, "    <testcase classname=\"{name}\" name=\"{}\"", escape(&title(case)))?;
            if passed(case) {
                writeln!(out, "/>")?;
                continue;
            }
            let text =
                |d: &Difference| format!("{}: expected {}, got {}", d.what, d.expected, d.found);
            let differences: Vec<_> = case.differences.iter().map(text).collect();
            let message = escape(&differences.join("; "));
            let place = escape(&case.place.to_string());
            writeln!(
                out,
                ">\n      <failure message=\"{message}\">{place}</failure>\n    </testcase>"
            )?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

/// Text for XML 1.0, which has no way to write most control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if is_shown(c) => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push_str(&format!("&#x{:x};", u32::from(c))),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{SourceFile, Span};

    fn report() -> SuiteReport {
        let place = Span::start_of(&SourceFile::new("s.yaml", "x"));
        let case = |name: &str, differences| CaseReport {
            name: name.to_owned(),
            variant: String::new(),
            place: place.clone(),
            decided: String::from("deny, no_rule"),
            differences,
        };
        let difference = Difference {
            what: "decision".to_owned(),
            expected: "allow".to_owned(),
            found: "deny".to_owned(),
        };
        SuiteReport {
            suite: String::from("s"),
            cases: vec![case("good", Vec::new()), case("<bad> & \"ugly\"", vec![difference])],
            coverage: Coverage::default(),
        }
    }

    #[test]
    fn people_see_what_failed_and_where() {
        let mut out = Vec::new();
        human(&[report()], &PolicySet::default(), &mut out).unwrap();
        let text = anstream::adapter::strip_str(&String::from_utf8(out).unwrap()).to_string();
        assert_eq!(
            text,
            "suite s\n  ok    good\n  FAIL  <bad> & \"ugly\"\n        at s.yaml:1:1\n        - decision: allow\n        + decision: deny\n        \
             decided: deny, no_rule\n\n2 cases: 1 passed, 1 failed    (- what was expected, + what was found)\n0 rules: 0 held in a case\n"
        );
    }

    #[test]
    fn programs_get_every_case() {
        let mut out = Vec::new();
        json(&[report()], &mut out).unwrap();
        let cases: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&cases[0]["passed"], &cases[1]["passed"]), (&true.into(), &false.into()));
        assert_eq!(cases[1]["differences"][0]["expected"], "allow");
    }

    #[test]
    fn junit_is_well_formed() {
        let mut out = Vec::new();
        junit(&[report()], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("<testsuite name=\"s\" tests=\"2\" failures=\"1\">"));
        assert!(text.contains("name=\"&lt;bad&gt; &amp; &quot;ugly&quot;\""));
        assert_eq!(text.matches("<testcase ").count(), 2);
        assert_eq!(text.matches("</testcase>").count(), 1);
    }
}
