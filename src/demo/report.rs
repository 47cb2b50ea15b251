//! The result of a tour, for people and for programs.

use std::io::{self, Write};
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use super::play::Row;
use countersign::policy::Effect;

/// Widest table: fits a terminal that is made for logs.
const WIDTH: u16 = 136;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const REFUSED: Style = AnsiColor::Yellow.on_default();

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) envoy: String,
    /// The folder of its files, unless they were removed since.
    pub(crate) folder: PathBuf,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn as_expected(&self) -> bool {
        self.rows.iter().all(Row::as_expected)
    }

    /// Writes a table with colours as ANSI escapes; the writer of a pipe or file takes them out.
    pub(crate) fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        for line in self.table().lines() {
            writeln!(out, "{}", self.coloured(&line))?;
        }
        writeln!(out)?;
        for (step, row) in self.numbered() {
            for problem in &row.problems {
                writeln!(out, "{BAD}step {step}, {}: {problem}{BAD:#}", row.title)?;
            }
        }
        let (good, all) =
            (self.rows.iter().filter(|row| row.as_expected()).count(), self.rows.len());
        let style = if self.as_expected() { GOOD } else { BAD };
        writeln!(out, "{style}{good} of {all} steps as expected{style:#}")
    }

    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &Row)> {
        (1..).zip(&self.rows)
    }

    /// One line of the table with its answer in colour. The table is laid out without colours, since their escapes would
    /// count as width.
    fn coloured(&self, line: &str) -> String {
        let mut cells: Vec<String> = line.split('┆').map(str::to_owned).collect();
        let step = cells
            .first()
            .map(|own| own.trim_matches(['│', ' ']))
            .and_then(|own| own.parse::<usize>().ok());
        let row = step.and_then(|step: usize| self.numbered().find(|(own, _)| *own == step));
        if let (Some((_, row)), Some(answer)) = (row, cells.get_mut(2)) {
            let style = row.style();
            *answer = format!("{style}{answer}{style:#}");
        }
        cells.join("┆")
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table
            .load_style(UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(WIDTH)
            .set_header(["", "what was sent", "answer", "why", "µs", "what the service saw"]);
        table.add_rows(self.numbered().map(|(step, row)| cells(step, row)));
        for column in [0, 4] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

impl Row {
    fn style(&self) -> Style {
        match self.decision {
            _ if !self.as_expected() => BAD,
            Some(Effect::Allow) => GOOD,
            Some(Effect::Deny) => REFUSED,
            None => Style::new(),
        }
    }
}

fn cells(step: usize, row: &Row) -> [String; 6] {
    let dash = || "-".to_owned();
    let why = match row.decision {
        Some(Effect::Allow) => row.rule.clone(),
        Some(Effect::Deny) | None => row.reason.map(|reason| reason.to_string()),
    };
    let decision = row.decision.map_or("none", Effect::as_str);
    let status = row.status.map_or_else(dash, |status| status.to_string());
    let mark = if row.as_expected() { "" } else { " ✗" };
    [
        step.to_string(),
        format!("{}\n  {}", row.title, row.credentials),
        format!("{decision} {status}{mark}"),
        why.unwrap_or_else(dash),
        row.micros.map_or_else(dash, |micros| format!("{micros:.0}")),
        seen(row),
    ]
}

/// The identity headers that the service behind Envoy received.
fn seen(row: &Row) -> String {
    let Some(upstream) = &row.upstream else { return "nothing".to_owned() };
    let headers =
        upstream.headers.iter().filter(|(name, _)| name == "x-subject" || name == "x-peer");
    headers.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::upstream::Received;
    use super::*;
    use countersign::reason::Reason;

    fn row(decision: Effect, problems: &[&str]) -> Row {
        let allowed = decision == Effect::Allow;
        let headers = vec![
            ("host".to_owned(), "orders.example.com".to_owned()),
            ("x-subject".to_owned(), "alice".to_owned()),
        ];
        let received = Received { method: "GET".to_owned(), path: "/".to_owned(), headers };
        Row {
            title: "a title",
            credentials: "frontend, no token".to_owned(),
            decision: Some(decision),
            reason: (!allowed).then_some(Reason::TokenMissing),
            rule: allowed.then(|| "web-lists-orders".to_owned()),
            status: Some(if allowed { 200 } else { 401 }),
            micros: Some(41.6),
            upstream: allowed.then_some(received),
            problems: problems.iter().map(|&p| p.to_owned()).collect(),
        }
    }

    fn report(rows: Vec<Row>) -> Report {
        Report { envoy: "1.40.0".to_owned(), folder: PathBuf::new(), rows }
    }

    fn text(rows: Vec<Row>) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        let report = report(rows);
        report.write_table(&mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn a_row_says_what_was_decided_and_why_and_what_the_service_saw() {
        let text = text(vec![row(Effect::Allow, &[]), row(Effect::Deny, &[])]);
        for part in [
            "allow",
            "web-lists-orders",
            "x-subject: alice",
            "deny",
            "token_missing",
            "deny 401",
            "42",
            "nothing",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("host:"), "only identity headers:\n{text}");
        assert!(text.ends_with("2 of 2 steps as expected\n"), "{text}");
    }

    #[test]
    fn a_row_that_is_not_as_expected_stands_out_and_says_why() {
        let text = text(vec![row(Effect::Allow, &["status is `200`, expected `403`"])]);
        assert!(text.contains("allow 200 ✗"), "{text}");
        assert!(
            text.contains("step 1, a title: status is `200`, expected `403`\n0 of 1"),
            "{text}"
        );
    }

    #[test]
    fn colours_do_not_move_the_table() {
        let report = report(vec![row(Effect::Allow, &[]), row(Effect::Deny, &["x"])]);
        let mut out = Vec::new();
        report.write_table(&mut out).unwrap();
        let coloured = String::from_utf8(out).unwrap();
        for style in [GOOD, BAD] {
            assert!(coloured.contains(&style.to_string()), "{coloured}");
        }
        let stripped = anstream::adapter::strip_str(&coloured).to_string();
        let plain: Vec<String> = report.table().lines().collect();
        assert!(stripped.starts_with(&plain.join("\n")), "{stripped}");
    }
}
