//! The plain manifests of `deploy/kustomize`: the chart's own, and an overlay that fits them.

use std::process::Command;

use serde_json::Value;

use crate::tools::{self, root};

const RESOURCES: &str = "deploy/kustomize/base/resources.yaml";
const EXAMPLE: &str = "deploy/kustomize/example";

/// `COUNTERSIGN_BLESS=1 cargo test --test deploy kustomize` rewrites them.
#[test]
fn the_manifests_are_what_the_chart_renders() {
    let values = "deploy/kustomize/values.yaml";
    let chart = ["template", "countersign", "deploy/chart", "--namespace", "auth", "--skip-tests"];
    let Some(said) = tools::run("helm", &[&chart[..], &["--values", values]].concat()) else {
        return;
    };
    assert!(said.ok, "{}", said.stderr);
    if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
        std::fs::write(root().join(RESOURCES), &said.stdout).unwrap();
    }
    assert!(
        tools::read(RESOURCES) == said.stdout,
        "{RESOURCES} is out of date: COUNTERSIGN_BLESS=1 cargo test --test deploy kustomize"
    );
    let Some(judged) = tools::run("kubernetes-validate", &["--strict", RESOURCES]) else { return };
    assert!(judged.ok, "{}{}", judged.stdout, judged.stderr);
}

/// The overlay changes resources of the base, and its documents are documents.
#[test]
fn the_overlay_fits_the_base() {
    let overlay: Value =
        serde_saphyr::from_str(&tools::read(&format!("{EXAMPLE}/kustomization.yaml"))).unwrap();
    let base = tools::read(RESOURCES);
    let list = |pointer: &str| overlay.pointer(pointer).unwrap().as_array().unwrap().clone();
    for image in list("/images") {
        assert!(
            base.contains(&format!("image: \"{}:", image["name"].as_str().unwrap())),
            "{image}"
        );
    }
    for generated in list("/configMapGenerator") {
        let name = generated["name"].as_str().unwrap();
        assert!(base.contains(&format!("configMap: {{ name: \"{name}\" }}")), "{name}");
        assert_eq!(generated["options"]["disableNameSuffixHash"], true);
        for file in generated["files"].as_array().unwrap() {
            let path = root().join(EXAMPLE).join(file.as_str().unwrap());
            let mut check = Command::new(env!("CARGO_BIN_EXE_countersign"));
            let said = check.arg("check").arg(&path).output().unwrap();
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        }
    }
    for patch in list("/patches") {
        assert_eq!(patch["target"]["kind"], "Deployment");
        assert!(base.contains("\nkind: Deployment\nmetadata:\n  name: \"countersign\"\n"));
    }
}
