//! Routes of the Gateway API.

use crate::document::{Code, Node};
use crate::mesh::faults::Faults;
use crate::mesh::format::Source;
use crate::mesh::mesh::Mesh;
use crate::mesh::resources::Resource;
use crate::mesh::written::Write;

/// Lints the rules of a route, and their filters.
pub(super) fn lint(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    let rules = own.list(&["rules"]);
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
    let who = format!("{} writes", own.described());
    for at in set.iter().chain(added) {
        let Some(name) = at.text_of("name") else { continue };
        Write::formatted(name, at.text_of("value"), at).lint_behind(
            own.tree,
            &who,
            mesh.identity,
            faults,
        );
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

/// Lints Envoy Gateway's `HTTPRouteFilter`.
pub(super) fn lint_extension(mesh: &Mesh<'_>, own: &Resource<'_>, faults: &mut Faults) {
    let host = own.spec(&["urlRewrite", "hostname"]);
    if let Some(at) = host.and_then(|own| own.get("header")) {
        let message = format!(
            "{} lets a header of the caller say the host that the upstream gets",
            own.described()
        );
        faults.add(Code::SteeredByCaller, own.tree.place(at), message);
    }
    let injected = own.spec(&["credentialInjection", "header"]);
    if let Some((name, at)) = injected.and_then(|at| Some((at.text()?, at))) {
        let who = format!("{} writes", own.described());
        let write = Write::new(name, Source::Settings, at);
        write.lint_behind(own.tree, &who, mesh.identity, faults);
    }
}

/// Lints Envoy Gateway's `BackendTrafficPolicy`.
pub(super) fn lint_traffic(own: &Resource<'_>, faults: &mut Faults) {
    for rule in own.list(&["responseOverride"]) {
        let statuses = rule.at(&["match", "statusCodes"]).map_or(&[][..], Node::items);
        let status = rule.at(&["response", "statusCode"]);
        let is_success = |own: &&Node| own.number().is_some_and(|own| own < 400);
        if let Some(at) = status.filter(is_success).filter(|_| statuses.iter().any(is_refusal)) {
            let message = format!("{} gives a refusal a status of success", own.described());
            faults.warn(Code::StatusAllows, own.tree.place(at), message);
        }
    }
    for source in own.list(&["loadBalancer", "endpointOverride", "extractFrom"]) {
        let Some(at) = source.get("header") else { continue };
        let message = format!(
            "{} takes the address of the endpoint from a header, which a caller may have written",
            own.described()
        );
        faults.warn(Code::SteeredByCaller, own.tree.place(at), message);
    }
}

/// True if `statuses`, one or a range, has one of a refusal.
fn is_refusal(statuses: &Node) -> bool {
    let at = |path: &[&str]| statuses.at(path).and_then(Node::number);
    let first = at(&["range", "start"]).or(at(&["value"]));
    let last = at(&["range", "end"]).or(at(&["value"]));
    [401, 403, 503]
        .iter()
        .any(|own| first.is_some_and(|n| n <= *own) && last.is_some_and(|n| n >= *own))
}
