//! The docs and the page have the same metrics.

use super::*;
use crate::telemetry::{Exports, Metrics, Number};

/// The word for it, as on the Prometheus page.
const fn word(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge | MetricKind::Fraction => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

fn table() -> String {
    let mut table = String::from("| metric | kind | labels | shows |\n|---|---|---|---|\n");
    for instrument in ALL {
        let labels: Vec<_> = instrument.labels.iter().map(|l| format!("`{l}`")).collect();
        table.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            instrument.prometheus_name(),
            word(instrument.kind),
            labels.join(", "),
            instrument.help
        ));
    }
    table
}

/// `COUNTERSIGN_BLESS=1` writes the table.
#[test]
fn the_docs_have_the_table_of_all_metrics() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once("| metric | kind |").unwrap();
    let (_, after) = rest.split_once("\n\n").unwrap();
    let expected = format!("{before}{}\n{after}", table());
    if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    } else {
        assert!(page == expected, "docs/operations.md needs this table:\n{}", table());
    }
}

#[test]
fn names_on_the_page_are_those_that_are_documented() {
    let metrics = Metrics::sent_to(None, &Exports::default()).unwrap();
    for instrument in ALL {
        match instrument.kind {
            MetricKind::Histogram => metrics.record_one(),
            MetricKind::Counter | MetricKind::Gauge | MetricKind::Fraction => {
                metrics.watch(instrument, || vec![("x".to_owned(), Number::Whole(1))]);
            }
        }
    }
    let page = metrics.render();
    let mut shown: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut documented: Vec<_> =
        ALL.iter().map(|i| format!("{} {}", i.prometheus_name(), word(i.kind))).collect();
    shown.sort_unstable();
    documented.sort_unstable();
    assert_eq!(shown, documented);
}
