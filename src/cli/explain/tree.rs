//! The report for people: the answer and what would change it first, then how it came about.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::Style;

use super::change::SuggestedChange;
use super::report::{AnswerReport, ExplainReport, IgnoredReport, RecordedReport, TokensReport};
use super::rules::{
    ObservationReport, ObservedState, OperandReport, PolicyReport, RuleCheckReport, RuleReport,
};
use crate::cli::inspect::{HopReport, RejectionReport, Verdict, write_hop};
use crate::cli::keys::CheckResult;
use crate::cli::style::{BAD, GOOD, HEADING, QUIET, visible};
use crate::evidence_level::EvidenceLevel;
use crate::policy::{Effect, HostFit, Mode, Truth};

/// How many rules that are about other requests are named.
const MOST_NON_MATCHING: usize = 10;

pub(super) fn write(report: &ExplainReport, out: &mut dyn Write) -> io::Result<()> {
    if let Some(recorded) = &report.recorded {
        write_recorded(recorded, report, out)?;
    } else {
        write_answer(&report.answer, out)?;
    }
    let question = &report.question;
    let request = [&question.method, &question.host, &question.path].map(|text| visible(text));
    writeln!(out, "{QUIET}{}{QUIET:#}", request.join(" "))?;
    let connection = question.connection.parts();
    let connection: Vec<_> =
        connection.map(|(name, text)| format!("{name} {}", visible(text))).collect();
    if !connection.is_empty() {
        writeln!(out, "{QUIET}connection: {}{QUIET:#}", connection.join(", "))?;
    }
    write_documents(report, out)?;
    for note in &question.notes {
        writeln!(out, "{QUIET}note: {}{QUIET:#}", visible(note))?;
    }
    write_changes(&report.changes, out)?;
    write_peer(report, out)?;
    write_tokens(&report.tokens, out)?;
    write_policies(&report.policies, out)?;
    write_non_matching(report, out)
}

/// When it was decided, and by which documents; of a record also which documents explain it.
fn write_documents(report: &ExplainReport, out: &mut dyn Write) -> io::Result<()> {
    let (at, revision) = (&report.question.at, &report.question.revision);
    let Some(RecordedReport { recorded, .. }) = &report.recorded else {
        return writeln!(out, "{QUIET}decided at {at} by documents {revision}{QUIET:#}");
    };
    let (decided_at, by) = (visible(&recorded.time), visible(&recorded.revision));
    let by = if by.is_empty() { "that it does not name" } else { &by };
    writeln!(out, "{QUIET}decided at {decided_at} by documents {by}{QUIET:#}")?;
    writeln!(out, "{QUIET}explained as of {at} by documents {revision}{QUIET:#}")
}

fn write_answer(answer: &AnswerReport, out: &mut dyn Write) -> io::Result<()> {
    let rule = answer.rule.as_deref().map(visible).unwrap_or_default();
    match (&answer.reason, answer.status) {
        (Some(reason), Some(status)) => {
            let detail = answer.detail.as_deref().map(visible).unwrap_or_default();
            writeln!(out, "{BAD}deny{BAD:#} {status}  {HEADING}{reason}{HEADING:#}: {detail}")?;
        }
        (_, _) => writeln!(out, "{GOOD}allow{GOOD:#}  by {HEADING}{rule}{HEADING:#}")?,
    }
    let headers: Vec<_> = answer
        .headers
        .iter()
        .map(|header| match &header.value {
            Some(value) => format!("{}: {}", header.name, visible(value)),
            None => header.name.clone(),
        })
        .collect();
    let verb = if answer.reason.is_some() { "answers with" } else { "sets" };
    line(out, verb, &headers)?;
    write_annotations(&answer.annotations, out)?;
    line(out, "also sets", &answer.also)?;
    line(out, "removes", &answer.removed)?;
    for shadow in &answer.shadows {
        let would = if shadow.changes { "would change the answer" } else { "changes nothing" };
        let text = format!("{} ({}) {would}", visible(&shadow.rule), shadow.effect);
        line(out, "in shadow", &[text])?;
    }
    Ok(())
}

fn write_annotations(notes: &BTreeMap<String, String>, out: &mut dyn Write) -> io::Result<()> {
    let notes = notes.iter().map(|(name, value)| format!("{name}: {value}"));
    line(out, "annotated", &notes.map(|note| visible(&note)).collect::<Vec<_>>())
}

fn line(out: &mut dyn Write, label: &str, values: &[String]) -> io::Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {QUIET}{label}{QUIET:#} {}", values.join(", "))
}

fn write_recorded(
    recorded: &RecordedReport,
    report: &ExplainReport,
    out: &mut dyn Write,
) -> io::Result<()> {
    let RecordedReport { recorded, same_documents, same_answer } = recorded;
    let named = [&recorded.policy, &recorded.rule].map(|text| visible(text)).join("/");
    if recorded.decision == Effect::Allow {
        writeln!(out, "{GOOD}allow{GOOD:#}  by {HEADING}{named}{HEADING:#}")?;
    } else {
        let (reason, detail) = (visible(&recorded.reason), visible(&recorded.detail));
        writeln!(out, "{BAD}deny{BAD:#}  {HEADING}{reason}{HEADING:#}: {detail}")?;
    }
    writeln!(out, "{QUIET}decision {}{QUIET:#}", visible(&recorded.decision_id))?;
    write_annotations(&recorded.annotations, out)?;
    let answer = &report.answer;
    let missing = report.question.not_recorded.join(", ");
    match (same_documents, same_answer) {
        (true, true) => writeln!(out, "the record gives the same answer today")?,
        (false, true) => writeln!(
            out,
            "the documents have changed since ({} then); the record gives the same answer today",
            visible(&recorded.revision)
        )?,
        (true, false) => writeln!(
            out,
            "the answer rests on what is not recorded: by the record alone it would be {}",
            short(answer)
        )?,
        (false, false) => writeln!(
            out,
            "the documents have changed since ({} then); by these and the record alone it would be {}",
            visible(&recorded.revision),
            short(answer)
        )?,
    }
    writeln!(out, "{QUIET}not recorded: {missing}{QUIET:#}")
}

fn short(answer: &AnswerReport) -> String {
    let reason = answer.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}{reason}", answer.decision)
}

fn write_changes(changes: &[SuggestedChange], out: &mut dyn Write) -> io::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{HEADING}what would have to change{HEADING:#}")?;
    for SuggestedChange { rule, needs } in changes {
        let name = rule.as_deref().map(|rule| format!("{}: ", visible(rule))).unwrap_or_default();
        for (at, need) in needs.iter().enumerate() {
            let lead = if at == 0 { name.clone() } else { String::from("and ") };
            let indent = if at == 0 { "  " } else { "    " };
            writeln!(out, "{indent}{QUIET}{lead}{QUIET:#}{}", visible(need))?;
        }
    }
    Ok(())
}

fn write_peer(report: &ExplainReport, out: &mut dyn Write) -> io::Result<()> {
    let peer = &report.peer;
    if peer.verdict == Verdict::NotReached {
        return Ok(());
    }
    write!(out, "\n{HEADING}peer{HEADING:#}  ")?;
    write_verdict(peer.verdict, peer.rejection.as_ref(), out)?;
    if let Some(name) = peer.spiffe.as_ref().or(peer.subject.as_ref()) {
        let domain = peer.trust_domain.as_deref().map(visible).unwrap_or_default();
        let evidence = peer.evidence.map_or("", EvidenceLevel::as_str);
        write!(out, "{}, trust domain {domain}, evidence {evidence}", visible(name))?;
    }
    writeln!(out)?;
    for hop in &report.walk {
        write_hop(hop, &who(hop), out)?;
    }
    Ok(())
}

fn who(hop: &HopReport) -> String {
    match &hop.rejection {
        Some(RejectionReport { reason, detail }) => format!("{reason}: {}", visible(detail)),
        None => hop.identity.as_deref().map(visible).unwrap_or_default(),
    }
}

fn write_verdict(
    verdict: Verdict,
    rejection: Option<&RejectionReport>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let style = match verdict {
        Verdict::Verified => GOOD,
        Verdict::Rejected => BAD,
        Verdict::Absent | Verdict::NotReached => QUIET,
    };
    write!(out, "{style}{}{style:#}  ", verdict.as_str())?;
    match rejection {
        Some(RejectionReport { reason, detail }) => write!(out, "{reason}: {}", visible(detail)),
        None => Ok(()),
    }
}

fn write_tokens(tokens: &TokensReport, out: &mut dyn Write) -> io::Result<()> {
    if tokens.verdict == Verdict::NotReached {
        return Ok(());
    }
    write!(out, "{HEADING}token{HEADING:#} ")?;
    write_verdict(tokens.verdict, tokens.rejection.as_ref(), out)?;
    for (at, token) in tokens.tokens.iter().enumerate() {
        let mut parts = vec![format!("issuer {}", visible(&token.issuer))];
        let named = [("subject", &token.subject), ("client", &token.client)];
        let named = named.iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        parts.extend(named.map(|(name, value)| format!("{name} {}", visible(value))));
        let lists = [("audiences", &token.audiences), ("scopes", &token.scopes)];
        let lists = lists.iter().filter(|(_, values)| !values.is_empty());
        parts.extend(lists.map(|(name, values)| format!("{name} {}", visible(&values.join(" ")))));
        parts.push(format!("binding {}", token.binding));
        write!(out, "{}{}", if at == 0 { "" } else { "; " }, parts.join(", "))?;
    }
    writeln!(out)?;
    for IgnoredReport { place, reason, detail } in &tokens.ignored {
        let (place, detail) = (visible(place), visible(detail));
        writeln!(out, "  {QUIET}ignored{QUIET:#} {place}  {QUIET}{reason}: {detail}{QUIET:#}")?;
    }
    for claims in &tokens.claims {
        for (name, value) in claims {
            let (name, value) = (visible(name), visible(&value.to_string()));
            writeln!(out, "  {QUIET}claim{QUIET:#} {name}  {value}")?;
        }
    }
    for check in tokens.checks.iter().flatten() {
        let style = match check.result {
            CheckResult::Passed => GOOD,
            CheckResult::Failed => BAD,
            CheckResult::NotReached => QUIET,
        };
        let result = check.result.as_str();
        let (name, section) = (check.check, check.section);
        writeln!(out, "  {name:<18}  {style}{result:<11}{style:#}  {QUIET}{section}{QUIET:#}")?;
    }
    Ok(())
}

fn write_policies(policies: &[PolicyReport], out: &mut dyn Write) -> io::Result<()> {
    if policies.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{HEADING}policies{HEADING:#} about this request")?;
    for (at, policy) in policies.iter().enumerate() {
        let branch = Branch::of("", at, policies.len());
        let host = match policy.host {
            HostFit::Exact => "by the host's name",
            HostFit::Wildcard => "by a wildcard for the host",
            HostFit::Any => "about every host",
        };
        let name = visible(&policy.policy);
        writeln!(out, "{QUIET}{}{QUIET:#}{name} {QUIET}{host}{QUIET:#}", branch.lead)?;
        for (at, rule) in policy.rules.iter().enumerate() {
            write_rule(rule, &Branch::of(&branch.below, at, policy.rules.len()), out)?;
        }
    }
    Ok(())
}

fn write_rule(rule: &RuleReport, branch: &Branch, out: &mut dyn Write) -> io::Result<()> {
    let (mark, style) = mark(rule.result);
    let name = visible(&rule.rule);
    let shadow = if rule.mode == Mode::Shadow { ", in shadow" } else { "" };
    let path = rule.path.as_deref().map(|path| format!(", by {}", visible(path)));
    let path = path.unwrap_or_default();
    let named = match (rule.named, rule.result) {
        (true, Truth::Holds) => "  <- decides",
        (true, _) if rule.effect == Effect::Deny => "  <- decides",
        (true, _) => "  <- came closest",
        (false, _) => "",
    };
    writeln!(
        out,
        "{QUIET}{}{QUIET:#}{style}{mark}{style:#} {HEADING}{name}{HEADING:#} {QUIET}{}{shadow}{path}{QUIET:#}{named}",
        branch.lead, rule.effect
    )?;
    for (at, check) in rule.checks.iter().enumerate() {
        write_check(check, &Branch::of(&branch.below, at, rule.checks.len()), out)?;
    }
    Ok(())
}

fn write_check(check: &RuleCheckReport, branch: &Branch, out: &mut dyn Write) -> io::Result<()> {
    let (mark, style) = mark(check.result);
    write!(out, "{QUIET}{}{QUIET:#}{style}{mark}{style:#} {}", branch.lead, visible(&check.check))?;
    if !check.wants.is_empty() && check.operands.is_empty() {
        write!(out, " {QUIET}wants{QUIET:#} {}", visible(&check.wants.join(", ")))?;
    }
    write_observations(&check.check, &check.found, out)?;
    write_operands_below(&check.operands, &branch.below, out)
}

/// The parts of a condition, as a tree.
pub(in crate::cli) fn write_operands(
    operands: &[OperandReport],
    out: &mut dyn Write,
) -> io::Result<()> {
    write_operands_below(operands, "", out)
}

fn write_operands_below(
    operands: &[OperandReport],
    below: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    for (at, operand) in operands.iter().enumerate() {
        write_operand(operand, &Branch::of(below, at, operands.len()), out)?;
    }
    Ok(())
}

fn write_operand(operand: &OperandReport, branch: &Branch, out: &mut dyn Write) -> io::Result<()> {
    let (mark, style) = mark(operand.result);
    let text = visible(&operand.text.split_whitespace().collect::<Vec<_>>().join(" "));
    write!(out, "{QUIET}{}{QUIET:#}{style}{mark}{style:#} {text}", branch.lead)?;
    write_observations("", &operand.found, out)
}

/// The observed values. One whose name is that of its check, `known`, is not named again.
fn write_observations(
    known: &str,
    facts: &[ObservationReport],
    out: &mut dyn Write,
) -> io::Result<()> {
    for (at, fact) in facts.iter().enumerate() {
        let lead = if at == 0 { ";" } else { "," };
        let name = if fact.name == known { String::new() } else { visible(&fact.name) };
        let space = if name.is_empty() { "" } else { " " };
        write!(out, "{QUIET}{lead}{space}{name}{QUIET:#} {}", seen(fact))?;
    }
    writeln!(out)
}

fn seen(fact: &ObservationReport) -> String {
    let is = |text: &str| format!("is {}", visible(text));
    match fact.state {
        ObservedState::Shown => is(fact.value.as_deref().unwrap_or_default()),
        ObservedState::Masked => is(fact.kind.unwrap_or_default()),
        ObservedState::Absent => String::from("is absent"),
        ObservedState::Unreadable => String::from("cannot be used"),
        ObservedState::NotRecorded => String::from("is not recorded"),
    }
}

fn write_non_matching(report: &ExplainReport, out: &mut dyn Write) -> io::Result<()> {
    if report.non_matching_rules.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{HEADING}rules{HEADING:#} about other requests to this host")?;
    for rule in report.non_matching_rules.iter().take(MOST_NON_MATCHING) {
        let differs =
            rule.differs.iter().map(|own| format!("{} {}", own.what.as_str(), own.about.join(" ")));
        let differs = visible(&differs.collect::<Vec<_>>().join(", "));
        let (name, effect) = (visible(&rule.rule), rule.effect);
        writeln!(out, "  {name} {QUIET}{effect}:{QUIET:#} {differs}")?;
    }
    let more = report.non_matching_rules.len().saturating_sub(MOST_NON_MATCHING);
    if more > 0 {
        writeln!(out, "  {QUIET}and {more} more: `--output json` has them all{QUIET:#}")?;
    }
    Ok(())
}

fn mark(result: Truth) -> (String, Style) {
    let style = if result == Truth::Holds { GOOD } else { BAD };
    (format!("{:<7}", result.as_str()), style)
}

/// The lines of a tree before one of its nodes.
struct Branch {
    lead: String,
    below: String,
}

impl Branch {
    fn of(above: &str, at: usize, count: usize) -> Self {
        let is_last = at.saturating_add(1) >= count;
        let (corner, rail) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        Self { lead: format!("{above}{corner}"), below: format!("{above}{rail}") }
    }
}
