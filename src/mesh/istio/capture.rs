//! Connections that nothing sends through the sidecar of a workload.

use std::collections::BTreeSet;

use super::ports::{PortProtocol, Services, of_workload, port};
use crate::document::{Code, Node};
use crate::mesh::faults::Faults;
use crate::mesh::filler::FILLER;
use crate::mesh::mesh::Mesh;
use crate::mesh::resources::{NETWORKING, Resource};

/// Lists ports whose connections go around the sidecar.
const EXCLUDED: &str = "traffic.sidecar.istio.io/excludeInboundPorts";

/// Lists the ports whose connections go through the sidecar; all others go around it.
const INCLUDED: &str = "traffic.sidecar.istio.io/includeInboundPorts";

/// Lists network interfaces whose connections go around the sidecar.
const INTERFACES: &str = "traffic.sidecar.istio.io/excludeInterfaces";

/// Says how connections get into the sidecar.
const MODE: &str = "sidecar.istio.io/interceptionMode";

/// Has the proxy of a node let connections pass.
const BYPASS: &str = "ambient.istio.io/bypass-inbound-capture";

/// Lints the annotations of the workload `own`, which a policy that asks selects.
pub(super) fn lint(
    mesh: &Mesh<'_>,
    services: &Services<'_>,
    own: &Resource<'_>,
    faults: &mut Faults,
) {
    let Some(metadata) = own.pod_metadata() else { return };
    let Some(annotations) = metadata.get("annotations") else { return };
    let name = own.described();
    if let Some(mode) = annotations.get(MODE).filter(|own| is_none(own)) {
        let message = format!(
            "no connection to {name} goes through the sidecar that asks, unless its sender wants it to"
        );
        faults.add(Code::CheckSwitchedOff, own.tree.place(mode), message);
    }
    if let Some(bypass) = annotations.get(BYPASS).filter(|own| own.is_true()) {
        let message = format!("connections to {name} go around the proxy of its node");
        faults.add(Code::CheckSwitchedOff, own.tree.place(bypass), message);
    }
    let listed = annotations.get(INTERFACES).filter(|own| own.text() != Some(""));
    if let Some(listed) = listed {
        let message =
            format!("connections to {name} by these interfaces go around the sidecar that asks");
        faults.add(Code::CheckInPart, own.tree.place(listed), message);
    }
    if let Some(excluded) = annotations.get(EXCLUDED) {
        for port in ports_of(excluded).iter().filter(|own| !mesh.asked_ports.contains(*own)) {
            lint_port(services, own, (excluded, port), faults);
        }
    }
    if let Some(included) = annotations.get(INCLUDED) {
        lint_included(mesh, services, (own, metadata), included, faults);
    }
}

/// True if `value` says that nothing sends connections into the sidecar.
pub(super) fn is_none(value: &Node) -> bool {
    value.text().is_some_and(|own| own.eq_ignore_ascii_case("NONE"))
}

/// The ports in a list with commas.
fn ports_of(list: &Node) -> BTreeSet<String> {
    let number = list.number().map(|own| own.to_string());
    let listed = list.text().unwrap_or_default().split(',').map(|own| own.trim().to_owned());
    listed.chain(number).filter(|own| !own.is_empty()).collect()
}

/// Lints the ports of the workload that the list `included` does not have.
fn lint_included(
    mesh: &Mesh<'_>,
    services: &Services<'_>,
    (own, metadata): (&Resource<'_>, &Node),
    included: &Node,
    faults: &mut Faults,
) {
    let listed = ports_of(included);
    if listed.contains("*") || listed.iter().any(|own| own.contains(FILLER)) {
        return;
    }
    let containers = own.pod_spec().map_or(&[][..], |own| own.items_of("containers"));
    let of_containers = containers.iter().flat_map(|own| own.items_of("ports"));
    let of_containers = of_containers.filter_map(|own| port(own.get("containerPort")?));
    let all = mesh.resources.within("", "Service", own.namespace());
    let selecting = all.filter(|service| selects(service, metadata));
    let of_services = selecting.flat_map(|own| own.list(&["ports"])).filter_map(of_workload);
    let open: BTreeSet<_> = of_containers.chain(of_services).collect();
    if listed.is_empty() {
        let message =
            format!("no connection to {} goes through the sidecar that asks", own.described());
        return faults.add(Code::CheckSwitchedOff, own.tree.place(included), message);
    }
    if open.is_empty() {
        let message = format!(
            "only these ports of {} go through the sidecar that asks, and the files do not show that it has no others",
            own.described()
        );
        faults.warn(Code::CheckInPart, own.tree.place(included), message);
    }
    for port in open.difference(&listed).filter(|own| !mesh.asked_ports.contains(*own)) {
        lint_port(services, own, (included, port), faults);
    }
}

/// True if `service` is for pods with `metadata`.
fn selects(service: &Resource<'_>, metadata: &Node) -> bool {
    let selector = service.spec(&["selector"]).filter(|own| !own.is_empty());
    let value = |name: &str| {
        let labels = metadata.get("labels")?;
        labels.entries().find(|(key, _)| key.value == name)?.1.text()
    };
    selector.is_some_and(|own| {
        own.entries()
            .all(|(key, wanted)| wanted.text().is_some() && value(&key.value) == wanted.text())
    })
}

/// A port whose connections go around the sidecar of `own`, as `node` says.
fn lint_port(
    services: &Services<'_>,
    own: &Resource<'_>,
    (node, port): (&Node, &str),
    faults: &mut Faults,
) {
    let (place, name) = (own.tree.place(node), own.described());
    match services.speaks(own.namespace(), port) {
        PortProtocol::Requests => {
            let message =
                format!("requests to the port {port} of {name} go around the sidecar that asks");
            faults.add(Code::CheckInPart, place, message);
        }
        PortProtocol::Other => {}
        PortProtocol::Unknown => {
            let message = format!(
                "connections to the port {port} of {name} go around the sidecar that asks, and the files do not show that it takes no requests"
            );
            faults.warn(Code::CheckInPart, place, message);
        }
    }
}

/// Lints every `Sidecar` of `namespace`, for which a policy asks: its listeners may be others than the ones that connections reach.
pub(super) fn lint_sidecars(mesh: &Mesh<'_>, namespace: &str, faults: &mut Faults) {
    for own in mesh.resources.within(NETWORKING, "Sidecar", namespace) {
        for listener in own.list(&["ingress"]) {
            let Some(mode) = listener.get("captureMode").filter(|own| is_none(own)) else {
                continue;
            };
            let number = listener.at(&["port", "number"]).and_then(port).unwrap_or_default();
            let message = format!(
                "{} sends no connection to the port {number} through the sidecar that asks, and a policy of the namespace asks",
                own.described()
            );
            faults.add(Code::CheckInPart, own.tree.place(mode), message);
        }
    }
}
