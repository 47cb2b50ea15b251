//! Protobuf types and words of messages.

use crate::document::Node;

/// How a connection manager treats `x-forwarded-client-cert`, by number.
pub(super) const FORWARD_DETAILS: [&str; 5] =
    ["SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"];

/// The directions of traffic, by number.
pub(super) const DIRECTIONS: [&str; 3] = ["UNSPECIFIED", "INBOUND", "OUTBOUND"];

/// The type of the HTTP filter that asks.
pub(in crate::mesh) const EXT_AUTHZ: &str =
    "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";

/// The type of the filter that asks about connections.
pub(in crate::mesh) const NETWORK_EXT_AUTHZ: &str =
    "type.googleapis.com/envoy.extensions.filters.network.ext_authz.v3.ExtAuthz";

/// The type of a connection manager.
pub(in crate::mesh) const MANAGER: &str = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// The word at the key `name` of `node`.
pub(super) fn word_of<'w>(node: &Node, name: &str, words: &[&'w str]) -> Option<&'w str> {
    node.get(name)?.word(words)
}

/// The protobuf type of a message in an `Any`.
pub(super) fn type_of(node: &Node) -> &str {
    node.text_of("@type").unwrap_or_default()
}

/// True if the protobuf type of `node` ends like this.
pub(super) fn is_type(node: &Node, end: &str) -> bool {
    type_of(node).ends_with(end)
}

/// True for the settings of a filter that asks.
pub(super) fn is_check(config: &Node) -> bool {
    is_type(config, ".ExtAuthz")
}

/// True for a filter that asks about requests, and whose settings an Envoy gets later.
pub(super) fn asks_later(filter: &Node) -> bool {
    let types = filter.at(&["config_discovery", "type_urls"]).map_or(&[][..], Node::items);
    types
        .iter()
        .any(|own| own.text().is_some_and(|own| own.ends_with(".http.ext_authz.v3.ExtAuthz")))
}

/// True if an `ext_authz` filter for requests is in `node`.
pub(in crate::mesh) fn asks(node: &Node) -> bool {
    is_type(node, ".http.ext_authz.v3.ExtAuthz") || asks_later(node) || node.parts().any(asks)
}

/// True if settings of a route, a host or a table of routes switch the filter `name` off.
pub(super) fn switches_off(name: &str, settings: &Node) -> bool {
    let config = settings.get("config").filter(|_| is_type(settings, ".FilterConfig"));
    let is_ours =
        ["ext_authz", "authz", "rbac", "countersign"].iter().any(|own| name.contains(own));
    let is_per_route = |own: &Node| is_type(own, "ExtAuthzPerRoute");
    let is_off = |own: &Node| own.has("disabled");
    (is_per_route(settings) && is_off(settings))
        || config.is_some_and(|own| is_per_route(own) && is_off(own))
        || (is_ours && is_off(settings))
}
