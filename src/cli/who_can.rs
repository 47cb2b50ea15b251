//! `countersign who-can`: who can reach a path, from the rules themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::style::{BAD, GOOD, HEADING, Output, QUIET, visible};
use super::{CommandError, Exit, documents, request_args};
use crate::clock::{Clock as _, SystemClock};
use crate::document::closest;
use crate::pdp::Snapshot;
use crate::policy::{
    Callers, Effect, Possibility, ReachAnswer, ReachQuestion, ReachRule, RuleNeed, VouchingDomain,
};
use crate::reason::Reason;
use crate::request::{RequestView, Target};

const EXAMPLES: &str = "\
Examples:
  countersign who-can --documents policies --host orders.example.com --path /v1/orders/42
  countersign who-can --documents policies --host orders.example.com --path /v1/orders \\
      --method POST --output json
  countersign who-can --config countersign.yaml --host orders.example.com --path /admin

Exit codes: 0 answered; 1 the answer cannot be written; 2 wrong arguments; 3 wrong settings; 4 the
documents have errors";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A file or folder of documents; may be given more than once.
    #[arg(long, value_name = "PATH", num_args = 1.., required_unless_present = "config")]
    documents: Vec<PathBuf>,
    /// The settings of a server, for its documents.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
    /// The authority, such as `orders.example.com` or `orders.example.com:8443`.
    #[arg(long, value_name = "HOST", value_parser = request_args::host)]
    host: String,
    /// The path, without a query.
    #[arg(long, value_name = "PATH", value_parser = request_args::path_alone)]
    path: String,
    /// The method, case-sensitive.
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// The port of the connection. Without it, every port that a target of the host names, and another.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Output format.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
}

/// The answers, as `docs/changing-policies.md` describes them.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct WhoCanReport {
    method: String,
    host: String,
    path: String,
    /// The ports of the connection that were tried.
    ports: Vec<u16>,
    answers: Vec<CallersReport>,
    /// Reasons why the question may be another one than it looks like.
    notes: Vec<String>,
    /// The rules that can allow, with what each looks at.
    allowed_by: Vec<ReachingRule>,
    /// The rules that take it back.
    denied_by: Vec<ReachingRule>,
    /// The peers, issuers and scopes that the allow rules name.
    named: BTreeMap<&'static str, BTreeSet<String>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CallersReport {
    /// The callers that the question is about.
    callers: &'static str,
    answer: Possibility,
    /// The rule that lets them in.
    rule: Option<String>,
    /// The data that decides, where the answer is open.
    decided_by: Vec<GapReport>,
    /// Why no request like this is allowed.
    refused: Option<String>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
struct GapReport {
    data: &'static str,
    rule: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ReachingRule {
    rule: String,
    /// The path template that the path matches; none if the rule is about every path.
    path: Option<String>,
    /// The ports of the connection; every one where there are none.
    ports: Vec<u16>,
    needs: Vec<NeedReport>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct NeedReport {
    /// The thing that is looked at, as `explain` calls it.
    check: String,
    wants: Vec<String>,
}

pub(super) fn run(args: &Args) -> Result<Exit, CommandError> {
    let snapshot = documents::read(&documents::named(&args.documents, args.config.as_deref())?)?;
    WhoCanReport::new(args, &snapshot).write(args.output)?;
    Ok(Exit::Ok)
}

impl WhoCanReport {
    fn new(args: &Args, snapshot: &Snapshot) -> Self {
        let domains: Vec<_> = snapshot.trust().domains().iter().map(vouching).collect();
        let policies = snapshot.policies();
        let ports = ports(args, policies.ports_of(&view(args, None)));
        let (mut rules, mut answers) = (BTreeMap::new(), Vec::new());
        let views: Vec<_> = ports.iter().map(|port| view(args, Some(*port))).collect();
        let question =
            |request| ReachQuestion { request, domains: &domains, now: SystemClock.now() };
        for view in &views {
            let found = policies.reach_rules(&question(view));
            rules.extend(found.into_iter().map(|own| (own.rule.clone(), own)));
        }
        for callers in Callers::ALL {
            let each = views.iter().map(|view| policies.reach(&question(view), callers));
            answers.push(CallersReport::of_ports(callers, &each.collect::<Vec<_>>()));
        }
        let of = |effect| rules.values().filter(move |own: &&ReachRule| own.effect == effect);
        Self {
            method: args.method.clone(),
            host: args.host.clone(),
            path: args.path.clone(),
            notes: notes(args, snapshot),
            ports,
            answers,
            named: named(of(Effect::Allow)),
            allowed_by: of(Effect::Allow).map(ReachingRule::new).collect(),
            denied_by: of(Effect::Deny).map(ReachingRule::new).collect(),
        }
    }

    fn write(&self, output: Output) -> io::Result<()> {
        output.write(self, human)
    }
}

/// A host that no policy is about, and a method in an unusual spelling.
fn notes(args: &Args, snapshot: &Snapshot) -> Vec<String> {
    let (policies, view) = (snapshot.policies(), view(args, None));
    let others = policies.other_hosts(&view).map(|hosts| {
        let near = near(&args.host, &hosts);
        let near = if near.is_empty() { String::new() } else { format!("; near it: {near}") };
        format!(
            "no policy is about the host `{}`, so that every request is denied{near}",
            args.host
        )
    });
    let methods = policies.methods_of(&view);
    let upper = args.method.to_ascii_uppercase();
    let is_odd = !methods.contains(&args.method)
        && (methods.contains(&upper) || (upper != args.method && upper.len() < 8));
    let method = is_odd.then(|| {
        let method = &args.method;
        format!("methods are case-sensitive, and the question is about `{method}`: `--method {upper}` is another one")
    });
    let is_near = others.is_some() || method.is_some();
    let unnamed = (!is_near).then(|| without_rule(args, snapshot, &view)).flatten();
    others.into_iter().chain(method).chain(unnamed).collect()
}

/// The note that no allow rule is about the method and path, with the paths that some of the host are about.
fn without_rule(args: &Args, snapshot: &Snapshot, view: &RequestView) -> Option<String> {
    let question = ReachQuestion { request: view, domains: &[], now: SystemClock.now() };
    let rules = snapshot.policies().reach_rules(&question);
    let paths = snapshot.policies().paths_of(view);
    if paths.is_empty() || rules.iter().any(|rule| rule.effect == Effect::Allow) {
        return None;
    }
    let shown: Vec<_> = paths.iter().take(5).map(|path| format!("`{path}`")).collect();
    let more = if paths.len() > shown.len() { ", and others" } else { "" };
    let (method, path) = (&args.method, &args.path);
    let shown = shown.join(", ");
    Some(format!(
        "no allow rule is about `{method} {path}`; the paths of the host's rules: {shown}{more}"
    ))
}

/// The hosts that are spelled like `asked`, else those of the same domain, else the first ones.
fn near(asked: &str, hosts: &[String]) -> String {
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let domain = asked.split_once('.').map_or(asked, |(_, rest)| rest);
    let like: Vec<_> = match closest(asked, &names) {
        Some(own) => vec![own],
        None => names.iter().copied().filter(|own| own.ends_with(domain)).collect(),
    };
    let shown = if like.is_empty() { &names } else { &like };
    shown.iter().take(5).map(|own| format!("`{own}`")).collect::<Vec<_>>().join(", ")
}

fn vouching(domain: &crate::trust::TrustDomain) -> VouchingDomain {
    let spiffe = domain.spiffe.as_ref().map(|name| name.as_str().to_owned());
    VouchingDomain { name: domain.name.clone(), spiffe }
}

/// The given port; else those that targets name, and one that none names.
fn ports(args: &Args, named: Vec<u16>) -> Vec<u16> {
    if let Some(port) = args.port {
        return vec![port];
    }
    let other = [443, 8443].into_iter().chain(1..).find(|port| !named.contains(port));
    other.into_iter().chain(named).collect()
}

fn view(args: &Args, port: Option<u16>) -> RequestView {
    let nothing = RequestView::unreadable(Reason::HostInvalid.because("nothing is known"));
    let mut view = RequestView {
        method: args.method.as_str().into(),
        raw_host: args.host.as_str().into(),
        raw_path: args.path.as_str().into(),
        target: Target::parse(args.host.as_str(), args.path.as_str()),
        ..nothing
    };
    view.destination.address = port.map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    view
}

/// The names in the needs of `rules`.
fn named<'r>(
    rules: impl Iterator<Item = &'r ReachRule>,
) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut all = BTreeMap::<_, BTreeSet<_>>::new();
    for need in rules.flat_map(|rule| &rule.needs) {
        if let Some(callers) = need.callers {
            all.entry(callers.as_str()).or_default().extend(need.wanted.iter().cloned());
        }
    }
    all
}

impl CallersReport {
    /// Yes by one port is yes; no is no by every port.
    fn of_ports(callers: Callers, each: &[ReachAnswer]) -> Self {
        let is = |wanted| move |own: &ReachAnswer| own.answer == wanted;
        let yes = each.iter().find(|own| is(Possibility::Yes)(own));
        let answer = match yes {
            Some(_) => Possibility::Yes,
            None if each.iter().all(is(Possibility::No)) => Possibility::No,
            None => Possibility::CannotTell,
        };
        let open =
            each.iter().filter(|_| answer == Possibility::CannotTell).flat_map(|own| &own.open);
        let open: BTreeSet<_> = open
            .map(|(field, rule)| GapReport { data: field.as_str(), rule: rule.to_string() })
            .collect();
        let refused = each.iter().find_map(|own| own.refusal.as_ref());
        Self {
            callers: callers.as_str(),
            answer,
            rule: yes.and_then(|own| own.rule.as_ref()).map(ToString::to_string),
            decided_by: open.into_iter().collect(),
            refused: refused.map(ToString::to_string),
        }
    }
}

impl ReachingRule {
    fn new(rule: &ReachRule) -> Self {
        let need =
            |own: &RuleNeed| NeedReport { check: own.name.clone(), wants: own.wanted.clone() };
        Self {
            rule: rule.rule.to_string(),
            path: rule.template.clone(),
            ports: rule.ports.clone(),
            needs: rule.needs.iter().map(need).collect(),
        }
    }
}

fn human(report: &WhoCanReport, out: &mut dyn Write) -> io::Result<()> {
    let WhoCanReport { method, host, path, .. } = report;
    writeln!(out, "{HEADING}{} {}{}{HEADING:#}", visible(method), visible(host), visible(path))?;
    for own in &report.answers {
        let style = match own.answer {
            Possibility::Yes => BAD,
            Possibility::No => GOOD,
            Possibility::CannotTell => HEADING,
        };
        writeln!(out, "  {:<29} {style}{}{style:#}{}", own.callers, own.answer, because(own))?;
    }
    for note in &report.notes {
        writeln!(out, "note: {}", visible(note))?;
    }
    let denied = if report.allowed_by.is_empty() { "denied by" } else { "unless denied by" };
    write_rules("allowed by", &report.allowed_by, out)?;
    write_rules(denied, &report.denied_by, out)?;
    if !report.named.is_empty() {
        writeln!(out, "\n{HEADING}named{HEADING:#}")?;
    }
    for (kind, names) in &report.named {
        let names: Vec<_> = names.iter().map(|name| visible(name)).collect();
        writeln!(out, "  {kind:<8} {}", names.join(", "))?;
    }
    Ok(())
}

fn because(own: &CallersReport) -> String {
    let open = own.decided_by.iter().map(|gap| format!("{} ({})", gap.data, visible(&gap.rule)));
    let open = open.collect::<Vec<_>>().join(", ");
    match (&own.refused, &own.rule, open.is_empty()) {
        (Some(refused), _, _) => format!(": {}", visible(refused)),
        (None, Some(rule), _) => format!(": {}", visible(rule)),
        (None, None, false) => format!(": depends on {open}"),
        (None, None, true) => String::new(),
    }
}

fn write_rules(heading: &str, rules: &[ReachingRule], out: &mut dyn Write) -> io::Result<()> {
    if !rules.is_empty() {
        writeln!(out, "\n{HEADING}{heading}{HEADING:#}")?;
    }
    for own in rules {
        let path = own.path.as_deref().map(|path| format!("  {}", visible(path)));
        writeln!(out, "  {}{QUIET}{}{QUIET:#}", visible(&own.rule), path.unwrap_or_default())?;
        if !own.ports.is_empty() {
            writeln!(out, "    connection.port  {:?}", own.ports)?;
        }
        for need in &own.needs {
            let wants: Vec<_> = need.wants.iter().map(|want| visible(want)).collect();
            writeln!(out, "    {}  {}", visible(&need.check), wants.join(", "))?;
        }
    }
    Ok(())
}
