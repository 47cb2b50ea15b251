//! The results: tables as Markdown or JSON, and the place in the documentation that has them.

use std::path::Path;

use serde_json::{Map, Value};

use crate::contest::Contender;
use crate::figures::Series;
use crate::options::{Options, Output};

/// One table.
pub(crate) struct Table {
    /// Its name in JSON and in the documentation's source.
    key: &'static str,
    title: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// A target of ours, and what was measured.
pub(crate) struct Target {
    pub(crate) figure: &'static str,
    pub(crate) asked: &'static str,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

/// The tables so far.
pub(crate) struct Report {
    tables: Vec<Table>,
    pub(crate) targets: Vec<Target>,
}

const TURNS: [&str; 9] = [
    "contender",
    "checks/s",
    "throughput ratio",
    "CPU µs/check",
    "CPU ratio",
    "core busy",
    "closed loop: p50 / p99 / p99.9 µs",
    "open loop: p50 / p99 / p99.9 µs",
    "open p99 ratio",
];

// === impl Table ===

impl Table {
    pub(crate) fn new(key: &'static str, title: impl Into<String>, head: &[&'static str]) -> Self {
        Self { key, title: title.into(), head: head.to_vec(), rows: Vec::new() }
    }

    /// `all` beside the first of them.
    pub(crate) fn of_turns(
        key: &'static str,
        title: &str,
        rate: f64,
        all: &[&mut Contender],
    ) -> Self {
        let title = format!("{title}; the open loop at {rate:.0} a second");
        let mut table = Self::new(key, title, &TURNS);
        let Some(first) = all.first() else { return table };
        for one in all {
            let (closed, open) = (&one.closed, &one.open);
            table.row([
                one.name.clone(),
                format!("{:.0}", closed.median(|f| f.per_second)),
                format!("{:.2}", closed.ratio(&first.closed, |f| f.per_second)),
                format!("{:.1}", closed.median(|f| f.processor)),
                format!("{:.2}", closed.ratio(&first.closed, |f| f.processor)),
                format!("{:.0} %", closed.median(|f| f.busy) * 100.0),
                latencies(closed),
                latencies(open),
                format!("{:.2}", open.ratio(&first.open, |f| f.latency.p99)),
            ]);
        }
        table
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<String> = self.head.iter().map(|&cell| cell.to_owned()).collect();
        let rule = "|---".repeat(self.head.len());
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}.\n\n{}{rule}|\n{rows}", self.title, line(&head))
    }

    fn objects(&self) -> impl Iterator<Item = Value> {
        self.rows.iter().map(|row| {
            let mut object = Map::from_iter([("table".to_owned(), self.key.into())]);
            for (name, cell) in self.head.iter().zip(row) {
                let number = cell.parse::<f64>().map(Value::from);
                object.insert((*name).to_owned(), number.unwrap_or_else(|_| cell.clone().into()));
            }
            Value::Object(object)
        })
    }
}

fn latencies(series: &Series) -> String {
    let p50 = series.median(|f| f.latency.p50);
    let p99 = series.median(|f| f.latency.p99);
    let p999 = series.median(|f| f.latency.p999);
    format!("{p50:.0} / {p99:.0} / {p999:.0}")
}

// === impl Report ===

impl Report {
    pub(crate) const fn new() -> Self {
        Self { tables: Vec::new(), targets: Vec::new() }
    }

    /// Prints `table` and keeps it.
    pub(crate) fn show(&mut self, table: Table, options: &Options) {
        match options.output {
            Output::Human => println!("\n{}", table.markdown()),
            Output::Json => table.objects().for_each(|object| println!("{object}")),
        }
        self.tables.push(table);
    }

    /// Keeps what was measured of a target that says how little or how much a ratio may be.
    pub(crate) fn target(
        &mut self,
        figure: &'static str,
        asked: &'static str,
        measured: String,
        met: bool,
    ) {
        self.targets.push(Target { figure, asked, measured, met });
    }

    /// The table of the targets, last. Of a part of the suites it is a part, which is not kept.
    pub(crate) fn show_targets(&mut self, options: &Options) {
        let mut table = Table::new(
            "targets",
            "What was asked for",
            &["figure", "target", "measured", "verdict"],
        );
        for Target { figure, asked, measured, met } in &self.targets {
            let met = match met {
                _ if options.quick => "not measured",
                true => "met",
                false => "**not met**",
            };
            table.row([*figure, *asked, measured, met].map(str::to_owned));
        }
        self.show(table, options);
        if !options.is_whole() {
            self.tables.pop();
        }
    }

    /// Puts every table between its marks in `performance.md` of `folder`.
    pub(crate) fn write(&self, folder: &Path) {
        let path = folder.join("performance.md");
        let mut text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for table in &self.tables {
            text = put(&text, table.key, &table.markdown())
                .unwrap_or_else(|| panic!("{}: no marks for `{}`", path.display(), table.key));
        }
        std::fs::write(&path, text).unwrap();
    }
}

/// `text` with `inside` between `<!-- load: KEY -->` and the next `<!-- end -->`.
fn put(text: &str, key: &str, inside: &str) -> Option<String> {
    let begin = format!("<!-- load: {key} -->\n");
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}{begin}{inside}<!-- end -->{after}"))
}
