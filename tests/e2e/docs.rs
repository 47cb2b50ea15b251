//! These tests run what `docs/envoy.md` tells people to write.

use crate::testbed::envoy::bootstrap::SIDECAR_MTLS;
use countersign::config::{Config, Overrides};

const DOCS: &str = include_str!("../../docs/envoy.md");

/// The sources of the page's YAML, line by line: the shipped file, or the tests of headers, listeners and replicas.
const TESTED: [&str; 5] = [
    SIDECAR_MTLS,
    include_str!("headers.rs"),
    include_str!("listeners.rs"),
    include_str!("../../examples/drill/drills/plan.rs"),
    include_str!("replicas.rs"),
];

#[test]
fn every_line_of_yaml_in_the_docs_is_run_by_a_test() {
    let tested: Vec<&str> = TESTED.iter().flat_map(|text| text.lines()).map(str::trim).collect();
    let mut blocks = 0;
    for block in DOCS.split("```yaml\n").skip(1) {
        blocks += 1;
        let yaml = block.split("```").next().unwrap();
        if yaml.starts_with("listener:") && yaml.contains("clientAddress:") {
            // Settings of countersign itself: `routed.rs` plays them, and these are read as a server does.
            settings_are_read(yaml);
            continue;
        }
        for line in yaml.lines().map(str::trim).filter(|line| *line != "address:") {
            // The one value that differs: a socket lies where an operator wants it.
            let line = line.replace("/run/countersign/ext_authz.sock", "countersign.sock");
            let known = tested.iter().any(|tested| tested.contains(&line));
            assert!(known, "`{line}` is in the docs and in no test");
        }
    }
    assert_eq!(blocks, 7);
}

fn settings_are_read(yaml: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countersign.yaml");
    std::fs::write(&file, format!("{yaml}documents: [policies]\n")).unwrap();
    let config = Config::load(Some(&file), &Overrides::default());
    assert!(config.is_ok(), "{yaml}: {:?}", config.err());
}
