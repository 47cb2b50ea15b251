//! Resources of the Gateway API and of Envoy Gateway.

mod attached;
mod bootstrap;
mod clients;
mod order;
mod patches;
mod routes;
mod security_policy;

use attached::Attached;

use super::faults::Faults;
use super::mesh::Mesh;
use super::resources::{ENVOY_GATEWAY, GATEWAY_API};

/// Lints every resource of the Gateway API and of Envoy Gateway.
pub(super) fn lint(mesh: &Mesh<'_>, faults: &mut Faults) {
    let attached = Attached::of(mesh.resources, faults);
    for own in mesh.resources.all() {
        match (own.group, own.kind) {
            (GATEWAY_API, "HTTPRoute" | "GRPCRoute") => routes::lint(mesh, own, faults),
            (GATEWAY_API, "TCPRoute" | "TLSRoute" | "UDPRoute") => {
                attached::lint_raw(&attached, mesh.resources, own, faults);
            }
            (ENVOY_GATEWAY, "HTTPRouteFilter") => routes::lint_extension(mesh, own, faults),
            (ENVOY_GATEWAY, "BackendTrafficPolicy") => routes::lint_traffic(own, faults),
            (ENVOY_GATEWAY, "EnvoyProxy") => {
                order::lint(own, faults);
                bootstrap::lint(own, faults);
            }
            (GATEWAY_API, "Gateway") => attached::lint_listeners(&attached, own, faults),
            (ENVOY_GATEWAY, "SecurityPolicy") => security_policy::lint(mesh, own, faults),
            (ENVOY_GATEWAY, "ClientTrafficPolicy") => clients::lint(own, faults),
            (ENVOY_GATEWAY, "EnvoyPatchPolicy") => patches::lint(mesh, own, faults),
            _ => {}
        }
    }
    attached::lint_replaced(&attached, mesh.resources, faults);
}
