//! Istio's `PeerAuthentication` and `RequestAuthentication`.

use crate::document::{Code, Node};
use crate::mesh::faults::Faults;
use crate::mesh::format::Source;
use crate::mesh::mesh::Mesh;
use crate::mesh::resources::Resource;
use crate::mesh::written::Write;

/// Lints callers without a certificate.
pub(super) fn lint_peers(own: &Resource<'_>, faults: &mut Faults) {
    let selector = own.spec(&["selector", "matchLabels", "app.kubernetes.io/name"]);
    let is_ours = selector.and_then(Node::text) == Some("countersign");
    // Probes and metrics of countersign come from outside of the mesh.
    let ports = own.spec(&["portLevelMtls"]).into_iter().flat_map(|own| own.entries());
    let ports = ports.filter(|(port, _)| !is_ours || port.value != "9002").map(|(_, level)| level);
    for level in own.spec(&["mtls"]).into_iter().chain(ports) {
        let Some(mode) = level.get("mode") else { continue };
        if let Some(name @ ("PERMISSIVE" | "DISABLE")) = mode.text() {
            let message = format!(
                "{} with mode `{name}` takes callers without a certificate",
                own.described()
            );
            faults.add(Code::PlaintextCallers, own.tree.place(mode), message);
        }
    }
}

/// Lints the headers in which claims go upstream: Istio verifies tokens behind the check of a CUSTOM policy.
pub(super) fn lint_tokens(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    let who = format!("{} writes", own.described());
    for rule in own.list(&["jwtRules"]) {
        let claims = rule.items_of("outputClaimToHeaders").iter();
        let named = claims.filter_map(|claim| claim.get("header"));
        for at in named.chain(rule.get("outputPayloadToHeader")) {
            let Some(name) = at.text() else { continue };
            let write = Write::new(name, Source::Credential, at);
            write.lint_behind(own.tree, &who, mesh.identity, faults);
        }
    }
}
