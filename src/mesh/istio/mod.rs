//! Istio's resources.

mod authentication;
mod authorization;
mod capture;
mod destination;
mod envoy_filter;
mod ports;
mod selector;
mod workloads;

use ports::Services;

use super::faults::Faults;
use super::mesh::Mesh;
use super::resources::{NETWORKING, Resource, SECURITY};
use super::written::Write;

/// Lints every resource of Istio.
pub(super) fn lint(mesh: &Mesh<'_>, faults: &mut Faults) {
    let services = Services::of(mesh.resources);
    for own in mesh.resources.all() {
        match (own.group, own.kind) {
            (SECURITY, "AuthorizationPolicy") => authorization::lint(mesh, &services, own, faults),
            (SECURITY, "PeerAuthentication") => authentication::lint_peers(own, faults),
            (SECURITY, "RequestAuthentication") => authentication::lint_tokens(mesh, own, faults),
            (NETWORKING, "EnvoyFilter") => envoy_filter::lint(mesh, own, faults),
            (NETWORKING, "VirtualService") => lint_virtual_service(mesh, own, faults),
            _ => {}
        }
    }
    destination::lint(mesh, faults);
    workloads::lint(mesh, &services, faults);
}

fn lint_virtual_service(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    let who = format!("{} writes", own.described());
    for route in own.list(&["http"]) {
        let parts = route.items_of("route").iter().chain([route]);
        let changes = parts.filter_map(|part| part.at(&["headers", "request"]));
        for names in changes.flat_map(|own| [own.get("set"), own.get("add")]).flatten() {
            for (key, at) in names.entries() {
                let write = Write::formatted(&key.value, at.text(), at);
                write.lint_behind(own.tree, &who, mesh.identity, faults);
            }
        }
    }
}
