//! The connection manager: what it takes from callers, and the order of its filters.

use super::parts::{Manager, asks, is_type, type_of};
use crate::document::{Code, Node, Tree};
use crate::mesh::faults::{Faults, IdentityHeaders};

/// Lints the whole of `manager`.
pub(super) fn lint(
    tree: &Tree,
    manager: &Manager<'_>,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    lint_present(tree, manager, identity, faults);
    let filters = manager.node.items_of("http_filters");
    if !filters.iter().any(asks) && !filters.is_empty() && !is_exempt(manager) {
        let name = manager.listener.and_then(|own| own.text_of("name")).unwrap_or("without a name");
        let message = format!("the listener `{name}` has no `ext_authz` filter");
        faults.add(
            Code::ListenerWithoutCheck,
            tree.key_place(manager.node, "http_filters"),
            message,
        );
    }
}

/// Lints what is set, and not what is missing.
pub(super) fn lint_present(
    tree: &Tree,
    manager: &Manager<'_>,
    identity: &IdentityHeaders,
    faults: &mut Faults,
) {
    lint_xfcc(tree, manager, faults);
    lint_order(tree, manager.node, identity, faults);
    let node = manager.node;
    if node.text_of("path_with_escaped_slashes_action") == Some("UNESCAPE_AND_FORWARD") {
        let place = tree.key_place(node, "path_with_escaped_slashes_action");
        let message = "`UNESCAPE_AND_FORWARD` makes two segments of one: rules see another path than the caller sent";
        faults.add(Code::PathRewritten, place, message);
    }
    for upgrade in node.items_of("upgrade_configs") {
        let filters = upgrade.items_of("filters");
        if !filters.is_empty() && !filters.iter().any(asks) {
            let kind = upgrade.text_of("upgrade_type").unwrap_or_default();
            let message = format!("requests that are upgraded to `{kind}` pass other filters");
            faults.add(Code::UpgradeWithoutCheck, tree.key_place(upgrade, "filters"), message);
        }
    }
}

/// Lints what becomes of the header that a caller may have written.
fn lint_xfcc(tree: &Tree, manager: &Manager<'_>, faults: &mut Faults) {
    let node = manager.node;
    let Some(kept) = node.text_of("forward_client_cert_details") else { return };
    let is_internal = manager.listener.is_some_and(|own| own.get("internal_listener").is_some());
    let place = || tree.key_place(node, "forward_client_cert_details");
    match kept {
        "ALWAYS_FORWARD_ONLY" | "FORWARD_ONLY" if !is_internal => {
            let message =
                format!("`{kept}` passes on what the caller wrote: it can claim any identity");
            faults.add(Code::CallersXfcc, place(), message);
        }
        "APPEND_FORWARD" if node.has("use_remote_address") => {
            let message =
                "`APPEND_FORWARD` at an edge keeps what callers wrote in front of what Envoy saw";
            faults.add(Code::CallersXfcc, place(), message);
        }
        _ => {}
    }
}

/// Lints the filters in front of the one that asks, and those behind it.
fn lint_order(tree: &Tree, node: &Node, identity: &IdentityHeaders, faults: &mut Faults) {
    let filters = node.items_of("http_filters");
    let Some(at) = filters.iter().position(asks) else { return };
    let (before, rest) = filters.split_at(at);
    for filter in before {
        let Some(why) = acts_too_early(filter, identity) else { continue };
        faults.add(Code::ActsBeforeCheck, tree.place(filter), format!("{} {why}", called(filter)));
    }
    for filter in rest.iter().skip(1) {
        let mutation = filter.get("typed_config").filter(|own| is_type(own, ".HeaderMutation"));
        if let Some((name, at)) = mutation.and_then(|own| written(own, identity)) {
            let message = format!("{} writes `{name}` after the check", called(filter));
            faults.add(Code::IdentityOverwritten, tree.place(at), message);
        }
    }
    for filter in filters {
        let matched = filter.get("typed_config").filter(|own| is_type(own, "ExtensionWithMatcher"));
        if matched.is_some() && asks(filter) {
            let message = "the filter is in an `ExtensionWithMatcher`, which may pass over it";
            faults.add(Code::CheckInPart, tree.place(filter), message);
        }
    }
}

fn called(filter: &Node) -> String {
    format!("the filter `{}`", filter.text_of("name").unwrap_or_default())
}

/// Why a filter must not stand in front of the check.
fn acts_too_early(filter: &Node, identity: &IdentityHeaders) -> Option<String> {
    let config = filter.get("typed_config")?;
    let kind = type_of(config);
    if kind.contains(".http.cache.") {
        return Some(String::from("answers from its memory before the check"));
    }
    if kind.contains(".http.router.") {
        return Some(String::from("sends requests on before the check"));
    }
    let reads = [".rbac.", ".header_to_metadata.", ".lua.", ".set_metadata.", ".ratelimit."];
    if !reads.iter().any(|own| kind.contains(own)) {
        return None;
    }
    let name = mentioned(config, identity)?;
    Some(format!("acts on `{name}` before the check, where a caller may have written it"))
}

/// An identity header that stands anywhere in `node`.
fn mentioned<'i>(node: &Node, identity: &'i IdentityHeaders) -> Option<&'i str> {
    let here = node.text().and_then(|text| identity.within(text));
    here.or_else(|| node.parts().find_map(|part| mentioned(part, identity)))
}

/// An identity header that a mutation in `node` writes.
fn written<'a>(node: &'a Node, identity: &IdentityHeaders) -> Option<(&'a str, &'a Node)> {
    let key = node.get("key").filter(|_| node.get("value").or(node.get("raw_value")).is_some());
    let here = key.and_then(|key| Some((key.text()?, key))).filter(|(name, _)| identity.has(name));
    here.or_else(|| node.parts().find_map(|part| written(part, identity)))
}

/// True for a listener that carries what this machine sends itself, or that answers without an upstream.
fn is_exempt(manager: &Manager<'_>) -> bool {
    let is_outbound = manager.listener.is_some_and(|listener| {
        listener.text_of("traffic_direction") == Some("OUTBOUND")
            || listener.text_of("name").is_some_and(|name| name.contains("outbound"))
    });
    let hosts = manager.node.at(&["route_config", "virtual_hosts"]).map_or(&[][..], Node::items);
    let mut routes = hosts.iter().flat_map(|host| host.items_of("routes")).peekable();
    let own = ["prometheus_stats", "agent", "sds-grpc", "xds-grpc", "envoy-gateway-proxy-ready"];
    let has_no_upstream = |route: &Node| {
        let cluster = route.at(&["route", "cluster"]).and_then(Node::text);
        super::route::answers_itself(route) || cluster.is_some_and(|name| own.contains(&name))
    };
    is_outbound || (routes.peek().is_some() && routes.all(has_no_upstream))
}
