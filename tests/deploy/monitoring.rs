//! Alert rules and the dashboard: they say what promtool says they say, about metrics that there are, and lead to sections
//! that there are.

use std::collections::BTreeSet;

use countersign::telemetry::instruments::{self, MetricKind};
use serde_json::Value;

use crate::tools;

const ALERTS: &str = "deploy/alerts.yaml";
const ALERTS_TEST: &str = "deploy/alerts.test.yaml";

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&tools::read(ALERTS)).unwrap();
    file["groups"][0]["rules"].as_array().unwrap().clone()
}

/// The queries of the dashboard.
fn queries() -> Vec<String> {
    let board: Value = serde_json::from_str(&tools::read("deploy/dashboard.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Every word of `text` that is the name of a metric of ours.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("countersign_")).collect()
}

/// Every name on the Prometheus page, with the parts of a histogram.
fn exported() -> BTreeSet<String> {
    let names = instruments::ALL.iter().flat_map(|instrument| {
        let name = instrument.prometheus_name();
        let parts: &[&str] = match instrument.kind {
            MetricKind::Histogram => &["_bucket", "_sum", "_count"],
            MetricKind::Counter | MetricKind::Gauge | MetricKind::Fraction => &[""],
        };
        parts.iter().map(move |part| format!("{name}{part}")).collect::<Vec<_>>()
    });
    names.collect()
}

#[test]
fn promtool_accepts_the_alerts_and_their_tests() {
    for args in [["check", "rules", ALERTS], ["test", "rules", ALERTS_TEST]] {
        let Some(said) = tools::run("promtool", &args) else { return };
        assert!(said.ok, "{}{}", said.stdout, said.stderr);
    }
}

#[test]
fn every_alert_is_seen_to_fire_and_not_to() {
    let file: Value = serde_saphyr::from_str(&tools::read(ALERTS_TEST)).unwrap();
    let cases: Vec<_> =
        file["tests"].as_array().unwrap().iter().map(|t| &t["alert_rule_test"][0]).collect();
    let with = |fires: bool| -> BTreeSet<&str> {
        let some = cases.iter().filter(|c| c["exp_alerts"].as_array().unwrap().is_empty() != fires);
        some.map(|case| case["alertname"].as_str().unwrap()).collect()
    };
    let rules = rules();
    let alerts: BTreeSet<_> = rules.iter().map(|rule| rule["alert"].as_str().unwrap()).collect();
    assert_eq!((with(true), with(false)), (alerts.clone(), alerts));
}

#[test]
fn alerts_and_dashboard_are_about_metrics_that_there_are() {
    let exported = exported();
    let mut asked = BTreeSet::new();
    let alerts = tools::read(ALERTS);
    let queries = queries().join("\n");
    for name in metrics_in(&alerts).union(&metrics_in(&queries)) {
        assert!(exported.contains(*name), "`{name}` is not exported: {exported:#?}");
        asked.insert((*name).to_owned());
    }
    assert!(asked.len() >= 25, "{asked:?}");
}

/// A legend or a sum is by a label of the metric, or by one that Prometheus adds.
#[test]
fn the_dashboard_sums_by_labels_that_there_are() {
    let added = ["instance", "le", "job", "namespace"];
    for query in queries() {
        let names = metrics_in(&query);
        let of = |name: &str| name.trim_end_matches("_bucket").to_owned();
        let found =
            instruments::ALL.iter().filter(|i| names.iter().any(|n| of(n) == i.prometheus_name()));
        let labels: Vec<_> = found.flat_map(|instrument| instrument.labels).collect();
        for after in query.split(" by (").skip(1) {
            for label in after.split(')').next().unwrap().split(',').map(str::trim) {
                assert!(labels.contains(&&label) || added.contains(&label), "`{label}`: {query}");
            }
        }
    }
}

/// The id that a Markdown page gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

/// The runbook lists each alert by its name, with its severity and its section.
#[test]
fn the_runbook_lists_the_alerts() {
    let runbook = tools::read("docs/runbook.md");
    let rules = rules();
    for rule in &rules {
        let text = |pointer: &str| rule.pointer(pointer).unwrap().as_str().unwrap();
        let row = format!("| `{}` | {} |", text("/alert"), text("/labels/severity"));
        let row = runbook.lines().find(|line| line.starts_with(&row)).expect(&row);
        let section = text("/annotations/runbook").split('#').nth(1).unwrap();
        assert!(section.starts_with("{{") || row.contains(&format!("#{section})")), "{row}");
    }
    let listed = runbook.lines().filter(|line| line.starts_with("| `Countersign")).count();
    assert_eq!(listed, rules.len());
}

#[test]
fn every_alert_leads_to_a_section_that_there_is() {
    for rule in rules() {
        let runbook = rule["annotations"]["runbook"].as_str().unwrap();
        let (page, section) = runbook.split_once('#').unwrap();
        let text = tools::read(page);
        let headings = text.lines().filter(|line| line.starts_with('#'));
        let anchors: BTreeSet<_> =
            headings.map(|line| anchor(line.trim_start_matches('#'))).collect();
        // One that names the reason leads to the section of each.
        let sections: Vec<&str> = match section {
            "{{ $labels.reason }}" => {
                let reasons = rule["expr"].as_str().unwrap().split("reason=~\"").nth(1).unwrap();
                reasons.split('"').next().unwrap().split('|').collect()
            }
            one => vec![one],
        };
        for section in sections {
            assert!(anchors.contains(section), "{runbook}: no section `{section}` in {anchors:#?}");
        }
    }
}
