//! The report for people, and for pull requests.

use std::io::{self, Write};

use super::judge::{ChangeGroup, ChangeKind};
use super::report::{ChangeReport, LackReport, ReplayReport};
use super::tally::{Count, IgnoredLines};
use crate::cli::style::{BAD, GOOD, HEADING, QUIET, visible};

/// Most groups of one kind that are listed for people. JSON has all of them.
const MOST_LISTED: usize = 50;

impl ChangeKind {
    const ALL: [Self; 4] =
        [Self::NewlyDenied, Self::NewlyAllowed, Self::OtherReason, Self::OtherHeaders];

    const fn heading(self) -> &'static str {
        match self {
            Self::NewlyDenied => "newly denied",
            Self::NewlyAllowed => "newly allowed",
            Self::OtherReason => "denied for another reason",
            Self::OtherHeaders => "allowed with other headers",
        }
    }
}

/// Nothing, or ` (an estimated 1200 requests)`.
fn estimate(count: Count) -> String {
    match count.requests() == count.records {
        true => String::new(),
        false => format!(" (an estimated {} requests)", count.requests()),
    }
}

/// `12`, or `12 (an estimated 1200 requests)`.
fn counted(count: Count) -> String {
    format!("{}{}", count.records, estimate(count))
}

/// Every part of the summary that is not empty: the number, and the words for it.
fn summary(report: &ReplayReport) -> Vec<(Count, String)> {
    let total = |counts: &mut dyn Iterator<Item = Count>| {
        counts.fold(Count::default(), |mut all, count| {
            all.add(count);
            all
        })
    };
    let unsure = match report.unsure.records {
        0 => String::from("unchanged"),
        more => format!("unchanged; of {more}, the reason or the headers cannot be determined"),
    };
    let lacking = total(&mut report.cannot_tell.iter().map(|own| own.count));
    let outside = total(&mut report.outside.values().copied());
    let changed = report.changed.iter().map(|(kind, count)| (*count, kind.heading().to_owned()));
    let rest = [
        (report.unchanged, unsure),
        (lacking, String::from("cannot be determined by their records")),
        (outside, String::from("were not decided by rules")),
    ];
    changed.chain(rest).filter(|(count, _)| count.records > 0).collect()
}

/// Remarks about records that were not put to the documents, or that others wrote.
fn remarks(report: &ReplayReport) -> Vec<String> {
    let IgnoredLines { filtered, events, torn, foreign, older } = report.ignored;
    let newer = report.newer.fields.iter().map(|field| format!("`{}`", visible(field)));
    let newer = newer.collect::<Vec<_>>().join(", ");
    let current = report.baseline.as_ref().unwrap_or(&report.documents);
    let others = report.revisions.iter().filter(|(revision, _)| *revision != current);
    let others: u64 = others.map(|(_, count)| *count).sum();
    let whose = if report.baseline.is_some() { "the baseline" } else { "these documents" };
    let all = [
        (filtered, "decisions that the filters ignore".to_owned()),
        (torn, "lines that are torn, too long or no text".to_owned()),
        (foreign, "lines of JSON that are no records".to_owned()),
        (events, "signals (`event`), which are no decisions".to_owned()),
        (older, "records of an older version, which lack fields that rules may need".to_owned()),
        (report.newer.records, format!("records of a later version, with {newer}")),
        (others, format!("records of decisions by other documents than {whose}")),
    ];
    let said = all.into_iter().filter(|(count, _)| *count > 0);
    said.map(|(count, text)| format!("{text}: {count}")).collect()
}

pub(in crate::cli) fn human(report: &ReplayReport, out: &mut impl Write) -> io::Result<()> {
    let against = report.baseline.as_deref().map(|own| format!(", compared with {own}"));
    writeln!(
        out,
        "{HEADING}{} decisions{HEADING:#} put to documents {}{}",
        counted(report.all),
        report.documents,
        against.unwrap_or_default(),
    )?;
    for (count, words) in summary(report) {
        writeln!(out, "{:>9}  {words}{}", count.records, estimate(count))?;
    }
    for remark in remarks(report) {
        writeln!(out, "{QUIET}note: {remark}{QUIET:#}")?;
    }
    for kind in ChangeKind::ALL {
        let of_kind = report.changes.iter().filter(|own| own.change.change == kind);
        let of_kind: Vec<_> = of_kind.collect();
        if of_kind.is_empty() {
            continue;
        }
        let style = if kind == ChangeKind::NewlyAllowed { GOOD } else { BAD };
        writeln!(out, "\n{style}{}{style:#}", kind.heading())?;
        for change in of_kind.iter().take(MOST_LISTED) {
            write_change(change, report, out)?;
        }
        write_more(of_kind.len(), out)?;
    }
    if !report.cannot_tell.is_empty() {
        writeln!(out, "\n{HEADING}cannot be determined{HEADING:#}")?;
    }
    report.cannot_tell.iter().try_for_each(|lack| write_lack(lack, report, out))?;
    if !report.outside.is_empty() {
        writeln!(out, "\n{HEADING}not decided by rules{HEADING:#}")?;
    }
    report
        .outside
        .iter()
        .try_for_each(|(reason, count)| writeln!(out, "{:>9}  {reason}", counted(*count)))
}

fn write_more(all: usize, out: &mut impl Write) -> io::Result<()> {
    match all.saturating_sub(MOST_LISTED) {
        0 => Ok(()),
        more => writeln!(out, "{QUIET}and {more} groups more; `--output json` has all{QUIET:#}"),
    }
}

fn write_change(own: &ChangeReport, report: &ReplayReport, out: &mut impl Write) -> io::Result<()> {
    let change = &own.change;
    writeln!(
        out,
        "{:>9}  {HEADING}{}{HEADING:#}  {}{}",
        own.count.records,
        visible(&change.route),
        or_none(&change.peer),
        estimate(own.count),
    )?;
    writeln!(out, "           {}; was: {}", after(change), before(change))?;
    write_examples(&own.examples, own.log, report, out)
}

/// `denied by orders/read: scope_missing`
fn answer(is_denial: bool, rule: &str, reason: &str) -> String {
    let rule = if rule.is_empty() { String::new() } else { format!(" by {}", visible(rule)) };
    match (is_denial, reason) {
        (false, _) => format!("allowed{rule}"),
        (true, "") => format!("denied{rule}"),
        (true, reason) => format!("denied{rule}: {}", visible(reason)),
    }
}

fn after(change: &ChangeGroup) -> String {
    let denies = matches!(change.change, ChangeKind::NewlyDenied | ChangeKind::OtherReason);
    answer(denies, &change.rule, &change.reason)
}

fn before(change: &ChangeGroup) -> String {
    let denied = matches!(change.change, ChangeKind::NewlyAllowed | ChangeKind::OtherReason);
    answer(denied, &change.was_rule, &change.was_reason)
}

fn write_lack(own: &LackReport, report: &ReplayReport, out: &mut impl Write) -> io::Result<()> {
    let rule = match own.rule.as_str() {
        "" => String::new(),
        rule => format!(", which {} needs", visible(rule)),
    };
    writeln!(
        out,
        "{:>9}  not recorded: {}{rule}{}",
        own.count.records,
        visible(&own.missing),
        estimate(own.count)
    )?;
    write_examples(&own.examples, own.log, report, out)
}

/// The command that explains the first one, and the ids of the others.
fn write_examples(
    ids: &[String],
    log: usize,
    report: &ReplayReport,
    out: &mut impl Write,
) -> io::Result<()> {
    let Some((first, others)) = ids.split_first() else { return Ok(()) };
    let explain = report.explain.get(log).map_or("countersign explain", String::as_str);
    writeln!(out, "           {QUIET}{explain} --decision {}{QUIET:#}", visible(first))?;
    for id in others {
        writeln!(out, "           {QUIET}{}{QUIET:#}", visible(id))?;
    }
    Ok(())
}

fn or_none(text: &str) -> String {
    if text.is_empty() { String::from("no peer") } else { visible(text) }
}

/// A text in a cell of a table: nothing in it is markup.
pub(in crate::cli) fn cell(text: &str) -> String {
    match visible(text).replace('`', "'").replace('|', "\\|") {
        text if text.is_empty() => String::from("-"),
        text => format!("`{text}`"),
    }
}

pub(in crate::cli) fn markdown(report: &ReplayReport, out: &mut impl Write) -> io::Result<()> {
    let title = match (report.is_unchanged(), report.is_certain()) {
        (true, true) => "No decision changes",
        (true, false) => "No decision is known to change, and some cannot be determined",
        (false, _) => "Decisions change",
    };
    writeln!(
        out,
        "### {title}\n\n{} decisions, by documents {}\n",
        counted(report.all),
        cell(&report.documents)
    )?;
    writeln!(out, "| decisions | |\n|---:|---|")?;
    for (count, words) in summary(report) {
        writeln!(out, "| {} | {words} |", counted(count))?;
    }
    for kind in ChangeKind::ALL {
        let of_kind = report.changes.iter().filter(|own| own.change.change == kind);
        let of_kind: Vec<_> = of_kind.collect();
        if of_kind.is_empty() {
            continue;
        }
        writeln!(out, "\n#### {}\n", kind.heading())?;
        writeln!(
            out,
            "| decisions | route | peer | now | before | decision |\n|---:|---|---|---|---|---|"
        )?;
        for own in of_kind.iter().take(MOST_LISTED) {
            let change = &own.change;
            let parts = [&change.route, &change.peer, &after(change), &before(change)];
            let parts = parts.map(|part| cell(part)).join(" | ");
            let id = own.examples.first().map(String::as_str).unwrap_or_default();
            writeln!(out, "| {} | {parts} | {} |", counted(own.count), cell(id))?;
        }
        write_more(of_kind.len(), out)?;
    }
    if !report.cannot_tell.is_empty() {
        writeln!(
            out,
            "\n#### cannot be determined\n\n| decisions | not recorded | needed by |\n|---:|---|---|"
        )?;
    }
    for own in &report.cannot_tell {
        writeln!(
            out,
            "| {} | {} | {} |",
            counted(own.count),
            visible(&own.missing),
            cell(&own.rule)
        )?;
    }
    let remarks = remarks(report);
    if !remarks.is_empty() {
        writeln!(out)?;
    }
    remarks.iter().try_for_each(|remark| writeln!(out, "- {remark}"))
}
