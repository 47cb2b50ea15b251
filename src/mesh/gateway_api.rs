//! Resources of the Gateway API and of Envoy Gateway.

use super::envoy;
use super::faults::{Faults, is_long};
use super::istio::Mesh;
use super::resources::{ObjectRef, Resource};
use crate::document::{Code, Node};

const GATEWAY_API: &str = "gateway.networking.k8s.io";
const ENVOY_GATEWAY: &str = "gateway.envoyproxy.io";

/// Lints every resource of the Gateway API and of Envoy Gateway.
pub(super) fn lint(mesh: &Mesh<'_>, faults: &mut Faults) {
    for own in mesh.resources {
        match (own.group, own.kind) {
            (GATEWAY_API, "HTTPRoute" | "GRPCRoute") => lint_route(mesh, own, faults),
            (ENVOY_GATEWAY, "SecurityPolicy") => {
                lint_ext_auth(mesh, own, faults);
                lint_replaced(mesh, own, faults);
            }
            (ENVOY_GATEWAY, "ClientTrafficPolicy") => lint_clients(own, faults),
            (ENVOY_GATEWAY, "EnvoyPatchPolicy") => lint_patches(mesh, own, faults),
            _ => {}
        }
    }
}

fn lint_route(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    let rules = own.spec(&["rules"]).map_or(&[][..], Node::items);
    let asks = |rule: &&Node| {
        rule.items_of("filters").iter().any(|own| own.text_of("type") == Some("ExternalAuth"))
    };
    let some_ask = rules.iter().any(|rule| asks(&rule));
    for rule in rules {
        if some_ask && !asks(&rule) {
            let message = format!(
                "a rule of {} has no `ExternalAuth` filter, and others have",
                own.described()
            );
            faults.add(Code::CheckInPart, own.tree.place(rule), message);
        }
        let of_backends =
            rule.items_of("backendRefs").iter().flat_map(|own| own.items_of("filters"));
        for filter in rule.items_of("filters").iter().chain(of_backends) {
            lint_filter(mesh, own, filter, faults);
        }
    }
}

fn lint_filter(mesh: &Mesh<'_>, own: &Resource<'_>, filter: &Node, faults: &mut Faults) {
    let modifier = filter.get("requestHeaderModifier");
    let set = modifier.map_or(&[][..], |own| own.items_of("set"));
    let added = modifier.map_or(&[][..], |own| own.items_of("add"));
    for header in set.iter().chain(added) {
        if let Some(name) = header.text_of("name").filter(|name| mesh.identity.has(name)) {
            let message = format!("{} writes `{name}` after the check", own.described());
            faults.add(Code::IdentityOverwritten, own.tree.place(header), message);
        }
    }
    let Some(external) = filter.get("externalAuth") else { return };
    if let Some(protocol) = external.get("protocol").filter(|own| own.text() != Some("GRPC")) {
        let message = format!("the `ExternalAuth` filter of {} asks over HTTP", own.described());
        faults.add(Code::WrongProtocol, own.tree.place(protocol), message);
    }
    let listed = external.at(&["grpc", "allowedHeaders"]);
    if let Some(listed) = listed.filter(|own| !own.items().is_empty()) {
        let message = format!("{} lists the headers that countersign sees", own.described());
        faults.add(Code::HeadersHidden, own.tree.place(listed), message);
    }
}

fn lint_ext_auth(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    let Some(settings) = own.spec(&["extAuth"]) else { return };
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
    match settings.get("timeout").map(Node::text) {
        None => {
            let message = format!("{name} has no `timeout`, and Envoy Gateway waits for 10 s");
            faults.add(Code::LongWait, tree.place(settings), message);
        }
        Some(Some(wait)) if is_long(wait) => {
            faults.add(Code::LongWait, place("timeout"), format!("{name} waits for {wait}"));
        }
        Some(_) => {}
    }
    let status =
        settings.get("statusOnError").filter(|own| own.number().is_some_and(|own| own < 400));
    if let Some(status) = status {
        let message = format!("{name} answers with a status of success");
        faults.add(Code::StatusAllows, tree.place(status), message);
    }
    lint_backends(mesh, own, settings, faults);
}

/// A backend without a `BackendTLSPolicy` is asked in plaintext.
fn lint_backends(mesh: &Mesh<'_>, own: &Resource<'_>, settings: &Node, faults: &mut Faults) {
    let grpc = settings.get("grpc");
    let several = grpc.map_or(&[][..], |own| own.items_of("backendRefs"));
    for backend in several.iter().chain(grpc.and_then(|own| own.get("backendRef"))) {
        let is_service = backend.text_of("kind").is_none_or(|kind| kind == "Service");
        let namespace = backend.text_of("namespace").unwrap_or(own.namespace());
        let name = backend.text_of("name").unwrap_or_default();
        let wanted = ObjectRef { group: "", kind: "Service", namespace, name };
        let is_covered = mesh
            .resources
            .iter()
            .filter(|other| other.kind == "BackendTLSPolicy")
            .any(|other| other.targets().any(|target| other.reference(target) == wanted));
        if is_service && !is_covered {
            let message = format!(
                "{} asks `{namespace}/{name}`, for which there is no `BackendTLSPolicy`",
                own.described()
            );
            faults.add(Code::PlaintextCheck, own.tree.place(backend), message);
        }
    }
}

/// A policy without `extAuth` in the place of one with it.
fn lint_replaced(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    if own.spec(&["extAuth"]).is_some() || own.spec(&["mergeType"]).is_some() {
        return;
    }
    let asking = mesh.resources.iter().filter(|other| {
        other.is(ENVOY_GATEWAY, "SecurityPolicy") && other.spec(&["extAuth"]).is_some()
    });
    let wide: Vec<_> = asking
        .flat_map(|other| other.targets().map(move |target| (other, target)))
        .filter(|(_, target)| target.get("sectionName").is_none())
        .map(|(other, target)| (other, other.reference(target)))
        .collect();
    for target in own.targets() {
        let reference = own.reference(target);
        let narrows = target.get("sectionName").is_some();
        let parents = gateways_of(mesh, &reference);
        let replaced = wide
            .iter()
            .find(|(_, gateway)| (narrows && *gateway == reference) || parents.contains(gateway));
        if let Some((other, _)) = replaced {
            let message = format!(
                "{} has no `extAuth`, and replaces {} where it is more specific: requests there are not checked",
                own.described(),
                other.described()
            );
            faults.add(Code::PolicyReplaced, own.tree.place(target), message);
        }
    }
}

/// The gateways that the route `reference` is attached to.
fn gateways_of<'a>(mesh: &Mesh<'a>, reference: &ObjectRef<'_>) -> Vec<ObjectRef<'a>> {
    let routes = mesh
        .resources
        .iter()
        .filter(|own| own.kind.ends_with("Route") && own.is_meant_by(reference));
    let parents = routes.flat_map(|route| {
        let parents = route.spec(&["parentRefs"]).map_or(&[][..], Node::items);
        parents.iter().map(move |parent| {
            let of_api = parent.text_of("group").is_none();
            let parent = route.reference(parent);
            if of_api { ObjectRef { group: GATEWAY_API, ..parent } } else { parent }
        })
    });
    parents.collect()
}

fn lint_clients(own: &Resource<'_>, faults: &mut Faults) {
    let (tree, name) = (own.tree, own.described());
    let mode = own.spec(&["headers", "xForwardedClientCert", "mode"]);
    if let Some(mode) = mode
        && let Some(kept @ ("ForwardOnly" | "AlwaysForwardOnly" | "AppendForward")) = mode.text()
    {
        let message = format!(
            "{name} with mode `{kept}` keeps what the caller wrote: it can claim any identity"
        );
        faults.add(Code::CallersXfcc, tree.place(mode), message);
    }
    let slashes = own.spec(&["path", "escapedSlashesAction"]);
    if let Some(slashes) = slashes.filter(|own| own.text() == Some("UnescapeAndForward")) {
        let message = "`UnescapeAndForward` makes two segments of one before the check";
        faults.add(Code::PathRewritten, tree.place(slashes), message);
    }
    let shown = own.spec(&["headers", "xForwardedClientCert", "certDetailsToAdd"]);
    let shows = shown.map_or(&[][..], Node::items).iter().any(|own| own.text() == Some("Cert"));
    let validation = own.spec(&["tls", "clientValidation", "mode"]);
    if let Some(validation) = validation.filter(|_| !shows)
        && let Some(mode @ ("RequireAny" | "Request")) = validation.text()
    {
        let message = format!(
            "{name} with mode `{mode}` takes certificates that it does not verify, and does not show them"
        );
        faults.add(Code::UntrustedCertificates, tree.place(validation), message);
    }
}

fn lint_patches(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    for patch in own.spec(&["jsonPatches"]).map_or(&[][..], Node::items) {
        let Some(operation) = patch.get("operation") else { continue };
        let path = operation.text_of("path").or(operation.text_of("jsonPath")).unwrap_or_default();
        let (place, value) = (own.tree.place(operation), operation.get("value"));
        let is_true = value.is_some_and(Node::is_true);
        let name = own.described();
        let last = path.rsplit(['/', '.']).next().unwrap_or_default();
        match (operation.text_of("op"), last) {
            (Some("remove"), _) if path.contains("ext_authz") => {
                faults.add(
                    Code::CheckSwitchedOff,
                    place,
                    format!("{name} removes a part of the check"),
                );
            }
            (_, "failure_mode_allow") if is_true => {
                faults.add(
                    Code::FailsOpen,
                    place,
                    format!("{name} lets every request pass while countersign is away"),
                );
            }
            (_, "clear_route_cache") if is_true => {
                faults.add(
                    Code::RouteChosenAgain,
                    place,
                    format!("{name} chooses the route again after the decision"),
                );
            }
            (_, "disabled") if is_true && path.contains("ext_authz") => {
                faults.add(Code::CheckSwitchedOff, place, format!("{name} switches the check off"));
            }
            _ => {}
        }
        if let Some(value) = value {
            envoy::lint_patch(own.tree, value, mesh.identity, faults);
        }
    }
}
