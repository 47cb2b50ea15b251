//! Workloads that a policy selects, and whose requests go around the sidecar that asks.

use std::collections::HashSet;

use super::capture;
use super::ports::Services;
use crate::document::{Code, Node};
use crate::mesh::faults::Faults;
use crate::mesh::filler::FILLER;
use crate::mesh::mesh::Mesh;
use crate::mesh::resources::{ObjectRef, Resource, SECURITY, WORKLOADS};

/// Says whether a pod gets a sidecar, as a label or as an annotation.
const INJECT: &str = "sidecar.istio.io/inject";

/// Says whether the pods of a namespace get a sidecar, as a label of it.
const INJECTION: &str = "istio-injection";

/// Words for which Istio injects, in any case.
const YES: [&str; 4] = ["y", "yes", "true", "on"];

/// Lints the workloads that a policy of their namespace asks about, each once.
pub(super) fn lint(mesh: &Mesh<'_>, services: &Services<'_>, faults: &mut Faults) {
    let (mut whole, mut seen) = (HashSet::new(), HashSet::new());
    let mut namespaces = HashSet::new();
    for policy in asking(mesh) {
        let namespace = policy.namespace();
        if namespaces.insert(namespace) {
            lint_namespace(mesh, namespace, faults);
            capture::lint_sidecars(mesh, namespace, faults);
        }
        let selector = policy.spec(&["selector"]).filter(|own| !own.is_empty());
        if selector.is_none() && !whole.insert(namespace) {
            continue;
        }
        for (group, kind) in WORKLOADS {
            let place = (group, kind, namespace);
            let found: Vec<_> = match selector {
                Some(selector) => mesh.resources.selected(place, selector).collect(),
                None => mesh.resources.within(group, kind, namespace).collect(),
            };
            for own in found.into_iter().filter(|own| seen.insert(std::ptr::from_ref(own.node))) {
                lint_workload(mesh, services, own, faults);
            }
        }
    }
}

fn lint_workload(
    mesh: &Mesh<'_>,
    services: &Services<'_>,
    own: &Resource<'_>,
    faults: &mut Faults,
) {
    let Some(metadata) = own.pod_metadata() else { return };
    let name = own.described();
    // The label stands above the annotation.
    let settings = ["labels", "annotations"].into_iter().filter_map(|key| metadata.get(key));
    let inject = settings.filter_map(|own| own.get(INJECT)).next();
    if let Some(off) = inject.filter(|own| has_none(own)) {
        let message = format!("{name} has no sidecar, and a policy that asks selects it");
        faults.add(Code::CheckSwitchedOff, own.tree.place(off), message);
    }
    if let Some(spec) = own.pod_spec().filter(|own| own.has("hostNetwork")) {
        let message = format!(
            "{name} has the network of its machine (`hostNetwork`), and so no sidecar; a policy that asks selects it"
        );
        faults.add(Code::CheckSwitchedOff, own.tree.key_place(spec, "hostNetwork"), message);
    }
    capture::lint(mesh, services, own, faults);
}

/// The policies that ask, and that are for workloads.
fn asking<'s>(mesh: &'s Mesh<'_>) -> impl Iterator<Item = &'s Resource<'s>> {
    let policies = mesh.resources.of_kind(SECURITY, "AuthorizationPolicy");
    let asks = |own: &&Resource<'_>| own.spec(&["action"]).and_then(Node::text) == Some("CUSTOM");
    policies.filter(asks).filter(|own| own.targets().next().is_none())
}

/// True if Istio injects no sidecar for the value of a label or annotation: for everything but a few words, and for nothing at all as usual.
fn has_none(value: &Node) -> bool {
    match value.text() {
        Some(text) if text.is_empty() || text.contains(FILLER) => false,
        Some(text) => !YES.iter().any(|own| own.eq_ignore_ascii_case(text)),
        None => value.is_false() || value.number().is_some(),
    }
}

/// A namespace whose pods get no sidecars, and for which a policy asks.
fn lint_namespace(mesh: &Mesh<'_>, name: &str, faults: &mut Faults) {
    let wanted = ObjectRef { group: "", kind: "Namespace", namespace: "default", name };
    let Some(own) = mesh.resources.get(&wanted) else { return };
    let label = own.node.at(&["metadata", "labels", INJECTION]);
    if let Some(off) = label.filter(|own| own.text() == Some("disabled")) {
        let message =
            format!("no pod of the namespace `{name}` has a sidecar, and a policy of it asks");
        faults.add(Code::CheckSwitchedOff, own.tree.place(off), message);
    }
}
