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

/// A folder in `tests/mesh-errors` is linted in one run. Among the cases are these traps:
///
/// P763: a patch that removes every filter.
/// P604: settings in every form in which they are read. P605: policies by labels, listeners and rules. P606: connections that look encrypted.
/// P607: patches by index. P608: ports and raw connections that nothing asks about. P609: waits that nothing can read.
/// P610: shares of requests in the runtime. P611: headers that routes, matchers and clusters write. P612: another filter by discovery.
/// P614: pods without a sidecar, or with ports around it. P615: trusted headers that filters write in front of the check.
/// P616: mutations before everything else. P617: certificates that are required in vain. P618: words, networks and kinds of pods without a
/// sidecar. P619: connections that get into no sidecar. P634: filters and listeners that take connections away from the check.
/// P635: requests that a header of the caller changes after the decision.
/// P714: filters that answer in front of the check, and answers that hide a refusal. P715: trusted headers that filters of every kind write, also
/// from state that callers fill. P716: upstreams that state, metadata, programs and parameters choose. P717: administration interfaces that are
/// open. P718: addresses that callers write, datagrams, and listeners within the proxy.
#[test]
fn every_fault_has_the_message_a_person_needs() {
    let entries = fs::read_dir(root().join("tests/mesh-errors")).unwrap();
    let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_none_or(|own| own != "stderr"));
    cases.sort();
    compare_all(&cases, |path| {
        let paths = if path.is_dir() { files(path) } else { vec![path.to_owned()] };
        let problems = linted(&paths);
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

/// Safe spellings of what P714 to P718 find have no fault.
#[test]
fn safe_spellings_have_no_fault() {
    let all = files(&root().join("tests/mesh-safe"));
    assert!(all.len() >= 6, "{all:?}");
    for path in all {
        let faults: Vec<_> = linted(&[path]).iter().map(ToString::to_string).collect();
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
            "address: 127.0.0.1, port_value: ${ADMIN_PORT}",
            "address: 0.0.0.0, port_value: 9901",
            Code::AdminExposed,
        ),
        (
            "envoy/istio/generated/waypoint.yaml",
            "key: x-forwarded-client-cert",
            "key: x-other",
            Code::CallersXfcc,
        ),
        (
            "envoy/istio/generated/waypoint.yaml",
            "append_action: OVERWRITE_IF_EXISTS_OR_ADD",
            "append_action: APPEND_IF_EXISTS_OR_ADD",
            Code::CallersXfcc,
        ),
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
    let filter = "name: f\ntyped_config: { p: \"${P}\", \"@type\": x.http.ext_authz.v3.ExtAuthz, failure_mode_allow: true, encode_raw_headers: true, validate_mutations: true }\n";
    let found = lint(
        vec![("a".into(), text.into()), ("f".into(), filter.into())],
        &IdentityHeaders::with([]),
    );
    let places: Vec<_> = found.iter().map(|own| own.span.line_column()).collect();
    assert_eq!(places, [(1, 1), (2, 67)], "{found:?}");
}

const NONE: [Code; 0] = [];

/// The codes of what is found in texts that are linted in one run.
fn codes(texts: &[&str]) -> Vec<Code> {
    let files = texts.iter().enumerate().map(|(at, text)| (at.to_string(), (*text).to_owned()));
    let found = lint(files.collect(), &IdentityHeaders::with([]));
    found.iter().map(|own| own.code).collect()
}

/// P602: a listener that says `OUTBOUND` is exempt in a sidecar alone. Istio's gateways say it, too, and anyone can write a name.
#[test]
fn outbound_listeners_are_exempt_in_sidecars_alone() {
    let listener = |more: &str| {
        format!(
            "\"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\ntraffic_direction: OUTBOUND\n{more}\nfilter_chains: [{{ filters: [{{ typed_config: {{ \"@type\": x.HttpConnectionManager, http_filters: [{{ name: router }}] }} }}] }}]\n"
        )
    };
    let node = |id: &str| format!("node: {{ id: \"{id}\" }}\nstatic_resources: {{}}\n");
    let open = [Code::ListenerWithoutCheck];
    let (sidecar, router) = (node("sidecar~10.0.0.1~a~b"), node("router~10.0.0.1~a~b"));
    let plain = listener("name: outbound");
    assert_eq!(codes(&[&plain]), open);
    assert_eq!(codes(&[&plain, &sidecar]), NONE);
    assert_eq!(codes(&[&plain, &router]), open);
    assert_eq!(codes(&[&plain, &node("edge-1")]), open);
    assert_eq!(codes(&[&plain, &sidecar, &router]), open);
    let both = listener("name: virtualOutbound\nnode: { id: \"waypoint~10.0.0.1~a~b\" }");
    assert_eq!(codes(&[&both, &sidecar]), open);
    let spoofed = listener("name: a\nmetadata: { node: { id: \"sidecar~10.0.0.1~a~b\" } }");
    assert_eq!(codes(&[&spoofed]), open);
    assert_eq!(codes(&[&listener("name: virtualOutbound")]), NONE);
    assert_eq!(codes(&[&listener("name: a\nbind_to_port: false")]), NONE);
}

/// P603: names are looked up in the configuration that says them, and only then in the others of the run.
#[test]
fn two_proxies_in_one_run_keep_their_own_tables() {
    let proxy = |off: bool| {
        format!(
            "{{ configs: [{{ \"@type\": x.HttpConnectionManager, strip_any_host_port: true, strip_trailing_host_dot: true, common_http_protocol_options: {{ headers_with_underscores_action: 1 }}, rds: {{ route_config_name: shop }}, http_filters: [{{ name: authz, typed_config: {{ \"@type\": x.http.ext_authz.v3.ExtAuthz, encode_raw_headers: true, validate_mutations: true }} }}] }}, {{ name: shop, virtual_hosts: [{{ name: a, routes: [{{ match: {{ prefix: / }}, route: {{}} }}], typed_per_filter_config: {{ {}: {{ \"@type\": x.ExtAuthzPerRoute, disabled: {off} }} }} }}] }}] }}",
            if off { "authz" } else { "other" }
        )
    };
    assert_eq!(codes(&[&proxy(false), &proxy(false)]), NONE);
    assert_eq!(codes(&[&proxy(false), &proxy(true)]), [Code::CheckSwitchedOff]);
}

/// Connections that another listener of the same Envoy takes over are asked about there; all others are reported.
#[test]
fn raw_connections_within_an_envoy_are_no_fault() {
    let raw = |name: &str, more: &str| {
        format!(
            "{{ name: {name}, {more} filter_chains: [{{ filters: [{{ typed_config: {{ \"@type\": x.TcpProxy, cluster: next }} }}] }}] }}"
        )
    };
    let run = |listener: &str, address: &str| {
        let check = "{ name: asked, filter_chains: [{ filters: [{ typed_config: { \"@type\": x.network.ext_authz.v3.ExtAuthz } }] }] }";
        let cluster = format!(
            "{{ name: next, load_assignment: {{ endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ {address} }} }} }}] }}] }} }}"
        );
        codes(&[&format!(
            "static_resources: {{ listeners: [{listener}, {check}], clusters: [{cluster}] }}"
        )])
    };
    let (inside, outside) = ("envoy_internal_address: {}", "socket_address: { address: 10.0.0.7 }");
    let open = [Code::ListenerWithoutCheck];
    assert_eq!(run(&raw("a", ""), inside), NONE);
    assert_eq!(run(&raw("a", ""), outside), open);
    assert_eq!(run(&raw("connect_originate", "internal_listener: {},"), outside), NONE);
    assert_eq!(run(&raw("connect_originate", ""), outside), open);
}

/// P601: what is said grows with the files, and not with their square.
#[test]
fn many_targets_that_are_missing_have_short_messages() {
    let mut text = String::new();
    for number in 0..2_000 {
        text.push_str(&format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{ name: route-{number} }}\n---\napiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {{ name: policy-{number} }}\nspec: {{ targetRefs: [{{ group: gateway.networking.k8s.io, kind: HTTPRoute, name: missing-{number} }}], extAuth: {{ timeout: 1s }} }}\n---\n"
        ));
    }
    let found = lint(vec![("a".to_owned(), text)], &IdentityHeaders::with([]));
    assert_eq!(found.len(), 2_000);
    let longest = found.iter().map(|own| own.message.len()).max();
    assert!(longest < Some(200), "{longest:?}");
}
