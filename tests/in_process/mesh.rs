//! `lint-mesh`: `tests/mesh-errors/NAME.yaml` or `NAME.json` has faults, and `NAME.stderr` has what is said about them. Every
//! configuration that is shipped has none.
//!
//! After a change of words, `COUNTERSIGN_BLESS=1 cargo test --test in_process mesh` rewrites the expected texts.

use std::fs;
use std::path::{Path, PathBuf};

use countersign::document::{Code, Diagnostic};
use countersign::mesh::{IdentityHeaders, lint};

use crate::policy_errors::compare_all;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The files in `folder`, and in folders within, that a mesh may have.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|own| own == "yaml" || own == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn linted(paths: &[PathBuf]) -> Vec<Diagnostic> {
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name.replace("tests/mesh-errors/", ""), fs::read_to_string(path).unwrap())
    };
    lint(paths.iter().map(read).collect(), &IdentityHeaders::with([]))
}

#[test]
fn every_fault_has_the_message_a_person_needs() {
    compare_all(&files(&root().join("tests/mesh-errors")), |path| {
        let problems = linted(&[path.to_owned()]);
        problems.iter().map(|problem| format!("{}\n\n", problem.render(false))).collect()
    });
}

/// P580: a lint that cries over what is shipped teaches people to ignore it.
#[test]
fn shipped_configurations_have_no_fault() {
    let all = files(&root().join("envoy"));
    assert!(all.len() >= 9, "{all:?}");
    for path in &all {
        let faults: Vec<_> =
            linted(std::slice::from_ref(path)).iter().map(ToString::to_string).collect();
        assert_eq!(faults, Vec::<String>::new());
    }
    // Those that are applied together, too.
    for folder in ["envoy/istio", "envoy/gateway"] {
        let folder = root().join(folder);
        let together: Vec<_> =
            all.iter().filter(|own| own.parent() == Some(&folder)).cloned().collect();
        let faults: Vec<_> = linted(&together).iter().map(ToString::to_string).collect();
        assert_eq!(faults, Vec::<String>::new());
    }
}

/// A fault that is put into a shipped configuration is found, wherever it is written.
#[test]
fn faults_in_shipped_configurations_are_found() {
    for (file, from, to, code) in [
        (
            "envoy/sidecar-mtls.yaml",
            "failure_mode_allow: false",
            "failure_mode_allow: true",
            Code::FailsOpen,
        ),
        (
            "envoy/sidecar-mtls.yaml",
            "failure_mode_allow: false",
            "failureModeAllow: true",
            Code::FailsOpen,
        ),
        (
            "envoy/sidecar-mtls.yaml",
            "encode_raw_headers: true",
            "encode_raw_headers: false",
            Code::RawHeadersOff,
        ),
        ("envoy/sidecar-mtls.yaml", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY", Code::CallersXfcc),
        ("envoy/sidecar-mtls.yaml", "timeout: 0.25s", "timeout: 600s", Code::LongWait),
        (
            "envoy/sidecar-mtls.yaml",
            "address: 127.0.0.1, port_value: ${COUNTERSIGN_PORT}",
            "address: 10.1.2.3, port_value: 9001",
            Code::PlaintextCheck,
        ),
        (
            "envoy/istio/generated/sidecar.yaml",
            "failure_mode_allow: false",
            "failure_mode_allow: true",
            Code::FailsOpen,
        ),
        (
            "envoy/istio/generated/sidecar.yaml",
            "istio_ext_authz_shadow_effective_policy_id",
            "other",
            Code::CheckInPart,
        ),
        (
            "envoy/gateway/generated/gateway.yaml",
            "check_settings: {}",
            "disabled: true",
            Code::CheckSwitchedOff,
        ),
        ("envoy/istio/mesh-config.yaml", "failOpen: false", "failOpen: true", Code::FailsOpen),
        ("envoy/istio/mesh-config.yaml", "timeout: 0.25s", "pathPrefix: a", Code::LongWait),
        ("envoy/istio/mesh-config.yaml", "\"503\"", "503", Code::InvalidMeshConfig),
        (
            "envoy/istio/countersign.yaml",
            "mode: STRICT",
            "mode: PERMISSIVE",
            Code::PlaintextCallers,
        ),
        (
            "envoy/istio/countersign.yaml",
            "mode: ISTIO_MUTUAL",
            "mode: DISABLE",
            Code::PlaintextCheck,
        ),
        ("envoy/gateway/envoy-gateway.yaml", "failOpen: false", "failOpen: true", Code::FailsOpen),
        (
            "envoy/gateway/envoy-gateway.yaml",
            "kind: BackendTLSPolicy",
            "kind: Other",
            Code::PlaintextCheck,
        ),
        (
            "envoy/gateway/envoy-gateway.yaml",
            "mode: SanitizeSet",
            "mode: ForwardOnly",
            Code::CallersXfcc,
        ),
    ] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        let found =
            lint(vec![(file.to_owned(), text.replacen(from, to, 1))], &IdentityHeaders::with([]));
        assert!(found.iter().any(|own| own.code == code), "{file}: {to}: {found:?}");
    }
}

/// P581: a place counts in the file as it is, whatever stands for its placeholders.
#[test]
fn placeholders_do_not_move_places() {
    let text =
        "a: { b: ${B}, failureModeAllow: true, \"@type\": x }\nc: ${LONG_ENOUGH_TO_HOLD_IT} ${\n";
    let filter = "name: f\ntyped_config: { p: \"${P}\", \"@type\": x.http.ext_authz.v3.ExtAuthz, failure_mode_allow: true, encode_raw_headers: true }\n";
    let found = lint(
        vec![("a".into(), text.into()), ("f".into(), filter.into())],
        &IdentityHeaders::with([]),
    );
    let places: Vec<_> = found.iter().map(|own| own.span.line_column()).collect();
    assert_eq!(places, [(2, 67)], "{found:?}");
}
