//! Settings of Istio's proxies: whether connections get to them, and how they treat the header in which a caller may have written an identity.

use super::faults::Faults;
use crate::document::{Code, Node, Tree};

/// The words for it, by number.
const WORDS: [&str; 6] = [
    "UNDEFINED",
    "SANITIZE",
    "FORWARD_ONLY",
    "APPEND_FORWARD",
    "SANITIZE_SET",
    "ALWAYS_FORWARD_ONLY",
];

/// The ways in which connections get into a sidecar, by number.
const MODES: [&str; 3] = ["REDIRECT", "TPROXY", "NONE"];

/// Lints `config`, a mesh's `defaultConfig` or the annotation of a workload.
pub(super) fn lint(tree: &Tree, config: &Node, faults: &mut Faults) {
    if let Some(mode) =
        config.get("interceptionMode").filter(|own| own.word(&MODES) == Some("NONE"))
    {
        let message = "`interceptionMode: NONE` sends no connection through the sidecar that asks, unless its sender wants it to";
        faults.add(Code::CheckSwitchedOff, tree.place(mode), message);
    }
    let of_gateways = ["gatewayTopology", "forwardClientCertDetails"];
    let of_sidecars = ["proxyHeaders", "forwardedClientCert"];
    for (path, is_edge) in [(of_gateways, true), (of_sidecars, false)] {
        let Some(node) = config.at(&path) else { continue };
        let name = path.join(".");
        let message = match node.word(&WORDS) {
            Some(kept @ ("FORWARD_ONLY" | "ALWAYS_FORWARD_ONLY")) => format!(
                "`{name}: {kept}` passes on what the caller wrote: it can claim any identity"
            ),
            Some("APPEND_FORWARD") if is_edge => format!(
                "`{name}: APPEND_FORWARD` at a gateway keeps what callers wrote in front of what Envoy saw"
            ),
            Some(_) | None => continue,
        };
        faults.add(Code::CallersXfcc, tree.place(node), message);
    }
}
