//! The comparison for people, for pull requests and for workflows.

use std::io::{self, Write};

use super::places::Place;
use super::report::{CaseEntry, ChangeEntry, DiffReport};
use crate::cli::replay;
use crate::cli::style::{BAD, GOOD, HEADING, QUIET, visible};
use crate::policy::AccessChange;
use crate::words::counted;

/// `2 widened, 1 cannot tell`
fn summary(report: &DiffReport) -> String {
    let of = |access| report.entries.iter().filter(|own| own.access == access).count();
    let counts = AccessChange::ALL.map(|access| (of(access), access));
    let parts = counts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts.map(|(count, access)| format!("{count} {access}")).collect();
    let cases =
        format!("{} of {} decided otherwise", report.cases.len(), counted(report.tried, "case"));
    let changes = if parts.is_empty() { String::from("no change") } else { parts.join(", ") };
    if report.tried == 0 { changes } else { format!("{changes}; {cases}") }
}

/// `allow rule orders/read`
fn subject(own: &ChangeEntry) -> String {
    let effect = own.effect.map(|effect| format!("{effect} ")).unwrap_or_default();
    format!("{effect}{} {}", own.kind, visible(&own.name))
}

fn places(before: Option<&Place>, after: Option<&Place>) -> String {
    let places: Vec<_> =
        before.into_iter().chain(after).map(|own| visible(&own.to_string())).collect();
    places.join(" -> ")
}

pub(super) fn human(report: &DiffReport, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{HEADING}{}{HEADING:#}", summary(report))?;
    for own in &report.entries {
        let style = match own.access {
            AccessChange::Widened | AccessChange::Both => BAD,
            AccessChange::Narrowed => GOOD,
            AccessChange::Same
            | AccessChange::OtherAnswer
            | AccessChange::OtherHeaders
            | AccessChange::CannotTell => HEADING,
        };
        let place = places(own.before.as_ref(), own.after.as_ref());
        writeln!(out, "\n{} {}: {style}{}{style:#}", subject(own), own.change, own.access)?;
        if !place.is_empty() {
            writeln!(out, "  {QUIET}{place}{QUIET:#}")?;
        }
        for key in &own.keys {
            let place = places(key.before.as_ref(), key.after.as_ref());
            writeln!(out, "  {:<16} {:<21} {QUIET}{place}{QUIET:#}", key.key, key.access.as_str())?;
        }
    }
    if !report.cases.is_empty() {
        writeln!(out, "\n{HEADING}cases of suites{HEADING:#}")?;
    }
    for CaseEntry { case, was, now, .. } in &report.cases {
        writeln!(out, "  {}\n    was: {}\n    now: {}", visible(case), visible(was), visible(now))?;
    }
    let Some(own) = &report.replay else { return Ok(()) };
    writeln!(out)?;
    replay::human(own, out)
}

pub(super) fn markdown(report: &DiffReport, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Access: {}\n", summary(report))?;
    if !report.entries.is_empty() {
        writeln!(out, "| | change | access | keys |\n|---|---|---|---|")?;
    }
    for own in &report.entries {
        let keys: Vec<_> = own
            .keys
            .iter()
            .map(|key| format!("{}: {}", replay::cell(&key.key), key.access))
            .collect();
        let keys = keys.join(", ");
        writeln!(
            out,
            "| {} | {} | {} | {keys} |",
            replay::cell(&subject(own)),
            own.change,
            own.access
        )?;
    }
    if !report.cases.is_empty() {
        writeln!(out, "\n| case | before | after |\n|---|---|---|")?;
    }
    for own in &report.cases {
        let parts = [&own.case, &own.was, &own.now].map(|part| replay::cell(part)).join(" | ");
        writeln!(out, "| {parts} |")?;
    }
    let Some(own) = &report.replay else { return Ok(()) };
    writeln!(out)?;
    replay::markdown(own, out)
}

/// Workflow commands of GitHub: a notice where access is narrowed or a denial is answered otherwise, and a warning where access may be
/// widened, other headers are sent or a case changes.
pub(super) fn github(report: &DiffReport, out: &mut impl Write) -> io::Result<()> {
    for own in report.entries.iter().filter(|own| own.access != AccessChange::Same) {
        let is_mild = matches!(own.access, AccessChange::Narrowed | AccessChange::OtherAnswer);
        let level = if is_mild { "notice" } else { "warning" };
        let keys: Vec<_> =
            own.keys.iter().map(|key| format!("{} {}", key.key, key.access)).collect();
        let keys = if keys.is_empty() { String::new() } else { format!(" ({})", keys.join(", ")) };
        let message = format!("{} {}: {}{keys}", subject(own), own.change, own.access);
        annotation(level, own.after.as_ref().or(own.before.as_ref()), &message, out)?;
    }
    for own in &report.cases {
        let message = format!("{} was: {}; now: {}", own.case, own.was, own.now);
        annotation("warning", Some(&own.place), &message, out)?;
    }
    let Some(replayed) = report.replay.as_ref().filter(|own| !own.is_unchanged()) else {
        return Ok(());
    };
    let changed: u64 = replayed.changed.values().map(|count| count.records).sum();
    annotation("warning", None, &format!("{changed} recorded decisions change"), out)
}

fn annotation(
    level: &str,
    place: Option<&Place>,
    message: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let place = place
        .map(|own| format!(" file={},line={},col={}", property(&own.file), own.line, own.column));
    writeln!(out, "::{level}{}::{}", place.unwrap_or_default(), escaped(&visible(message)))
}
