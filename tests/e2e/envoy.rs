//! One Envoy for all tests, and the stages that they play on.

use std::path::PathBuf;
use std::sync::OnceLock;

use crate::testbed::audit::AuditRecord;
use crate::testbed::envoy::{EnvoyBinary, Search};
use crate::testbed::http1::{Request, Response};
use crate::testbed::pki::Identity;
use crate::testbed::{Folder, Props, Stage, server};

/// Envoy breaks the handshake of a certificate that it does not trust, instead of leaving it to countersign.
pub(crate) const VERIFY: (&str, &str) = (
    "trust_chain_verification: ${TRUST_CHAIN_VERIFICATION}",
    "trust_chain_verification: VERIFY_TRUST_CHAIN",
);

/// The evidence of a default Istio sidecar: hash and names in XFCC, which it appends to what came in; no PEM
/// anywhere. Envoy has to verify certificates itself then.
pub(crate) const ISTIO_SIDECAR: [(&str, &str); 4] = [
    VERIFY,
    ("forward_client_cert_details: SANITIZE_SET", "forward_client_cert_details: APPEND_FORWARD"),
    ("include_peer_certificate: true", "include_peer_certificate: false"),
    (
        "{ cert: true, chain: true, subject: true, dns: true, uri: true }",
        "{ subject: true, dns: true, uri: true }",
    ),
];

/// The Envoy of this machine, or `None` with a loud line where a developer's machine has none.
pub(crate) fn find() -> Option<EnvoyBinary> {
    static FOUND: OnceLock<Result<EnvoyBinary, String>> = OnceLock::new();
    match FOUND.get_or_init(search) {
        Ok(found) => Some(found.clone()),
        Err(why) => {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!ci, "the end-to-end tests need Envoy: {why}");
            say(format_args!("SKIPPED: the end-to-end tests need Envoy: {why}"));
            None
        }
    }
}

fn search() -> Result<EnvoyBinary, String> {
    let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = path("XDG_CACHE_HOME").or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let search = Search { program: path("ENVOY"), cache };
    // A thread of its own, since the tests that ask are inside a runtime already.
    let found = std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(EnvoyBinary::find(&search))
    });
    found.join().unwrap().map_err(|error| error.to_string())
}

/// The demo's props with the executable that was built for these tests; `None` where there is no Envoy.
pub(crate) fn props() -> Option<Props> {
    let mut props = Props::new(env!("CARGO_BIN_EXE_countersign").into(), find()?);
    // All tests at once on a small machine can keep an unoptimised countersign waiting for longer than a mesh would.
    props.envoy_changes = vec![(" timeout: 0.25s", " timeout: 5s")];
    props.files = vec![patient()];
    Some(props)
}

/// The demo's settings with the patience that goes with it.
pub(crate) fn patient() -> (&'static str, String) {
    let (name, text) = server::FILES[0];
    (name, format!("{text}deadline: 5s\n"))
}

/// The demo behind an Envoy that shows what a default Istio sidecar shows.
pub(crate) fn istio_sidecar() -> Option<Props> {
    let mut props = props()?;
    props.envoy_changes.extend(ISTIO_SIDECAR.to_vec());
    // Envoy verifies, and countersign has to be told.
    props.files =
        vec![crate::listeners::settings("xfcc: true }", "xfcc: true, leastEvidence: hash }")];
    let orders = include_str!("../../src/demo/documents/orders.yaml");
    props.files.push(("policies/orders.yaml", orders.replace("evidence: leaf", "evidence: hash")));
    Some(props)
}

/// Raises a stage in `folder`.
pub(crate) async fn raise<'f>(props: &Props, folder: &'f Folder) -> Stage<'f> {
    Stage::raise(props, folder).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Sends `request` as `identity`: what the caller got, and what was recorded.
pub(crate) async fn ask(
    stage: &mut Stage<'_>,
    identity: Option<&Identity>,
    request: &Request,
) -> (Response, AuditRecord) {
    let response = stage.client(identity).unwrap().send(request).await.unwrap();
    let record = stage.audit.next().await;
    (response, record.expect("every decision is recorded"))
}

/// Says it on the terminal, past the test harness, which shows nothing of a test that passes.
fn say(message: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{message}");
}
