//! Istio's `DestinationRule`: whether countersign is asked in plaintext.

use crate::document::{Code, Node};
use crate::mesh::faults::Faults;
use crate::mesh::mesh::Mesh;
use crate::mesh::mesh_config::ProviderService;
use crate::mesh::resources::{NETWORKING, Resource};

/// The name of countersign's service where no mesh configuration says it.
const USUAL_NAME: &str = "countersign";

/// Lints every rule that is about countersign's service, unless a more specific one is.
pub(super) fn lint(mesh: &Mesh<'_>, faults: &mut Faults) {
    let rules: Vec<_> = mesh.resources.of_kind(NETWORKING, "DestinationRule").collect();
    if mesh.services.is_empty() {
        for own in rules {
            if host_of(own).split('.').next() == Some(USUAL_NAME) {
                lint_mode(own, None, faults);
            }
        }
        return;
    }
    for asked in &mesh.services {
        let fits: Vec<_> =
            rules.iter().filter_map(|own| Some((specificity(own, asked)?, own))).collect();
        let most = fits.iter().map(|(specific, _)| *specific).max();
        for (_, own) in fits.iter().filter(|(specific, _)| Some(*specific) == most) {
            lint_mode(own, asked.port, faults);
        }
    }
}

fn host_of<'a>(own: &Resource<'a>) -> &'a str {
    own.spec(&["host"]).and_then(Node::text).unwrap_or_default()
}

/// How specific the host of `own` is, if that of `service` is one of its hosts.
fn specificity(own: &Resource<'_>, service: &ProviderService<'_>) -> Option<usize> {
    let host = host_of(own);
    if let Some(end) = host.strip_prefix('*') {
        return service.host.ends_with(end).then_some(end.len());
    }
    let is_same = host == service.host
        || service.host.strip_prefix(host).is_some_and(|rest| {
            // A name alone is one of the namespace of the rule.
            let is_here = || service.host.split('.').nth(1) == Some(own.namespace());
            !host.is_empty() && rest.starts_with('.') && (host.contains('.') || is_here())
        });
    is_same.then_some(usize::MAX)
}

/// Lints what `own` says about the port that is asked; about every port where that is unknown.
fn lint_mode(own: &Resource<'_>, port: Option<i64>, faults: &mut Faults) {
    let policy = own.spec(&["trafficPolicy"]);
    let levels = policy.map_or(&[][..], |own| own.items_of("portLevelSettings"));
    let of_port = |level: &&Node| {
        let number = level.at(&["port", "number"]).and_then(Node::number);
        port.is_none() || number.is_none() || number == port
    };
    let of_port: Vec<_> = levels.iter().filter(of_port).collect();
    // Settings of a port replace those of all ports.
    let general = policy.filter(|_| port.is_none() || of_port.is_empty());
    for level in general.into_iter().chain(of_port) {
        let Some(tls) = level.get("tls") else { continue };
        if tls.has("insecureSkipVerify") {
            let message = format!("{} verifies no certificate of countersign", own.described());
            faults.add(
                Code::PlaintextCheck,
                own.tree.key_place(tls, "insecureSkipVerify"),
                message,
            );
        }
        let Some(mode) = tls.get("mode") else { continue };
        if mode.text() == Some("DISABLE") {
            let message = format!("{} asks countersign in plaintext", own.described());
            faults.add(Code::PlaintextCheck, own.tree.place(mode), message);
        }
    }
}
