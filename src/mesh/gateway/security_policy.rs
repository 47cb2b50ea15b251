//! Envoy Gateway's `SecurityPolicy`, where it asks.

use super::attached::listeners;
use crate::document::{Code, Node};
use crate::mesh::envoy;
use crate::mesh::faults::Faults;
use crate::mesh::mesh::Mesh;
use crate::mesh::resources::{ENVOY_GATEWAY, GATEWAY_API, ObjectRef, Resource};
use crate::mesh::wait::{self, Reader};

/// Lints `own`, if it asks.
pub(super) fn lint(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    let Some(settings) = own.spec(&["extAuth"]) else { return };
    lint_ext_auth(mesh, own, settings, faults);
    lint_targets(mesh, own, faults);
    lint_selectors(mesh, own, faults);
}

fn lint_ext_auth(mesh: &Mesh<'_>, own: &Resource<'_>, settings: &Node, faults: &mut Faults) {
    let (tree, name) = (own.tree, own.described());
    let place = |key| tree.key_place(settings, key);
    if settings.has("failOpen") {
        let message = format!("{name} lets every request pass while countersign is away");
        faults.add(Code::FailsOpen, place("failOpen"), message);
    }
    if settings.get("http").is_some() {
        faults.add(Code::WrongProtocol, place("http"), format!("{name} asks over HTTP"));
    }
    if settings.get("headersToExtAuth").is_some() {
        let message = format!("{name} lists the headers that countersign sees");
        faults.add(Code::HeadersHidden, place("headersToExtAuth"), message);
    }
    if settings.has("recomputeRoute") {
        let message = format!("{name} chooses the route again after the decision");
        faults.add(Code::RouteChosenAgain, place("recomputeRoute"), message);
    }
    match settings.get("timeout") {
        None => {
            let message = format!("{name} has no `timeout`, and Envoy Gateway waits for 10 s");
            faults.add(Code::LongWait, tree.place(settings), message);
        }
        Some(wait) => {
            if let Some(fault) = wait::fault(wait, Reader::ControlPlane) {
                faults.add_wait(place("timeout"), &format!("{name} waits"), fault);
            }
        }
    }
    let status =
        settings.get("statusOnError").filter(|own| own.number().is_some_and(|own| own < 400));
    if let Some(status) = status {
        let message = format!("{name} answers with a status of success");
        faults.add(Code::StatusAllows, tree.place(status), message);
    }
    lint_backends(mesh, own, settings, faults);
}

/// Targets by name: they have to be there.
fn lint_targets(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    for target in own.targets() {
        let wanted = own.target(target);
        mesh.lint_missing(own, target, &wanted, faults);
        let (Some(section), Some(object)) =
            (target.get("sectionName"), mesh.resources.get(&wanted))
        else {
            continue;
        };
        let (what, known) = match object.kind {
            "Gateway" | "ListenerSet" => ("listener", listeners(object)),
            _ => ("rule", object.list(&["rules"])),
        };
        if !known.iter().any(|part| part.text_of("name") == section.text()) {
            let message = format!(
                "{} is for a {what} that {} does not have: nothing is checked there",
                own.described(),
                object.described()
            );
            faults.add(Code::UnknownTargetRef, own.tree.place(section), message);
        }
    }
}

/// Targets by labels: some object has to have them, where the files have objects of that kind.
fn lint_selectors(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    for selector in own.list(&["targetSelectors"]) {
        let target = ObjectRef { name: "", ..own.reference(selector, GATEWAY_API, "Gateway") };
        let target = ObjectRef { namespace: own.namespace(), ..target };
        let place = (target.group, target.kind, target.namespace);
        let has_some = mesh.resources.within(place.0, place.1, place.2).next().is_some();
        // A selector of other namespaces may select what is there.
        let is_wide = selector.get("namespaces").is_some();
        if has_some && !is_wide && mesh.resources.selected(place, selector).next().is_none() {
            let message = format!(
                "{} selects no `{}` of the files: nothing is checked there",
                own.described(),
                target.kind
            );
            faults.add(Code::UnknownTargetRef, own.tree.place(selector), message);
        }
    }
}

/// A backend that is asked in plaintext, or without a look at its certificate.
fn lint_backends(mesh: &Mesh<'_>, own: &Resource<'_>, settings: &Node, faults: &mut Faults) {
    let grpc = settings.get("grpc");
    let several = grpc.map_or(&[][..], |own| own.items_of("backendRefs"));
    for backend in several.iter().chain(grpc.and_then(|own| own.get("backendRef"))) {
        let wanted = own.reference(backend, "", "Service");
        let ObjectRef { namespace, name, .. } = wanted;
        if mesh.resources.has_backend_tls(&wanted) {
            continue;
        }
        let message = match (wanted.group, wanted.kind) {
            ("", "Service") => format!(
                "{} asks `{namespace}/{name}`, for which there is no `BackendTLSPolicy`",
                own.described()
            ),
            (ENVOY_GATEWAY, "Backend") => {
                let Some(open) = mesh.resources.get(&wanted).and_then(open_backend) else {
                    continue;
                };
                format!("{} asks the `Backend` `{namespace}/{name}`, {open}", own.described())
            }
            _ => continue,
        };
        faults.add(Code::PlaintextCheck, own.tree.place(backend), message);
    }
}

/// Why the connection to a `Backend` can be read, or be another's.
fn open_backend(backend: &Resource<'_>) -> Option<&'static str> {
    let address = |own: &Node| {
        let of_ip = own.at(&["ip", "address"]);
        of_ip.or(own.at(&["fqdn", "hostname"])).and_then(Node::text).map(str::to_owned)
    };
    let is_remote = |own: &Node| address(own).is_some_and(|own| !envoy::is_local(&own));
    let endpoints = backend.list(&["endpoints"]);
    let tls = backend.spec(&["tls"]);
    if tls.is_some_and(|own| own.has("insecureSkipVerify")) {
        return Some("whose certificate nothing verifies (`insecureSkipVerify`)");
    }
    let verifies = |own: &Node| {
        own.get("caCertificateRefs").is_some() || own.get("wellKnownCACertificates").is_some()
    };
    let is_open =
        !tls.is_some_and(verifies) && (endpoints.is_empty() || endpoints.iter().any(is_remote));
    is_open.then_some("which has no `tls` and no `BackendTLSPolicy`")
}
